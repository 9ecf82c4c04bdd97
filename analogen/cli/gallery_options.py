"""Shared options of `analogen gallery`; also opening a gallery, and its errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from analogen.cli import debug_option, quick_imports
from analogen.cli.common_options import format_option
from analogen.cli.local_path import LocalPath
from analogen.errors import RunError, user_errors
from analogen.models import pick_device

if TYPE_CHECKING:
    from analogen.relsim.encoder import RelationalEncoder
    from analogen.relsim.gallery.store import Gallery

FILE = LocalPath()


def gallery_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--gallery",
            "uri",
            metavar="PATH",
            required=True,
            help="Folder of the gallery, or its address in an object store, for example s3://bucket/pictures.",
        ),
        format_option,
        debug_option,
    ):
        command = option(command)
    return command


def load_gallery_encoder(name: str, device: str, dtype: str) -> RelationalEncoder:
    from analogen.relsim.encoder import load_encoder

    return load_encoder(name, pick_device(device), dtype)


@contextmanager
def opened_gallery(uri: str) -> Iterator[Gallery]:
    with quick_imports(), user_errors():
        from analogen.relsim.gallery.store import Gallery

        gallery = Gallery.open(uri)
    with user_errors():
        yield gallery


@contextmanager
def write_errors(uri: str) -> Iterator[None]:
    """Turn errors of the disk while the table is written into RunError."""
    try:
        yield
    except OSError as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"{uri}: cannot be written ({reason}): check the disk and run the same command again") from error
