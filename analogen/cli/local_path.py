"""The type of arguments that name files: a Path, and a clear refusal of addresses of the web."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from analogen.errors import UserError


class LocalPath(click.Path):
    """A file or folder on this machine. An address is refused as it was given; a Path would change it."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and re.match(r"(?:https?|ftp)://|data:", value):
            flag = f"{param.opts[0]} " if isinstance(param, click.Option) else ""
            shown = value if len(value) <= 300 else value[:300] + "..."
            raise UserError(f"{flag}{shown}: pictures are not fetched from addresses: download it, and give the file")
        return super().convert(value, param, ctx)
