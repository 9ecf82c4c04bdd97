"""`analogen generate --recall` of a picture that was edited by hand: draws its scene again, without composing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from analogen.cli import quick_imports
from analogen.errors import UserError, user_errors
from analogen.files import check_output, output_paths
from analogen.metadata import read_metadata
from analogen.types import NATIVE

# What can be given beside --recall; other options would need the picture composed again, without the edits.
_ALLOWED = {
    "recall", "output", "format_", "metadata", "dry_run", "width", "height", "svg", "subject_image", "art",
    "references", "device",
}  # fmt: skip


def is_edited(picture: Path) -> bool:
    """Whether the record of a picture says that it was edited by hand. Raises UserError for a file without a record."""
    with user_errors():
        return "edited" in read_metadata(picture)


def draw_again(
    picture: Path,
    output: str,
    format_: str,
    metadata: bool,
    dry_run: bool,
    options: dict[str, Any],
    ground: Path | str | None = None,
) -> None:
    """Draw the edited scene of a picture to `output`, at its own size or that of the options, and print the result."""
    context = click.get_current_context()
    for name in options:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and name not in _ALLOWED:
            flag = "--" + name.replace("_", "-")
            raise UserError(
                f"{picture}: was edited by hand, so it is only drawn again, and {flag} was given: leave it out, or "
                "recall the picture that was edited"
            )
    (path,) = output_paths(output, 1)
    check_output([path])
    with quick_imports(), user_errors():
        from analogen.relsim.encoder import load_mini
        from analogen.relsim.world.render import check_size
        from analogen.scene_editing import read_edited

        found = read_edited(picture, load_mini(), options["subject_image"], options["art"])
        sides = [options[name] for name in ("width", "height")]
        width, height = (
            own if side == NATIVE else side for own, side in zip((found.width, found.height), sides, strict=True)
        )
        check_size(width, height)
        record = found.record if metadata else None
        found = dataclasses.replace(found, width=width, height=height, record=record)
        if ground is not None:
            from analogen.cli.generate import picture_of

            found = dataclasses.replace(found, ground=picture_of(ground))
        # Draws all things once, so that a drawing that is missing is told before a file is written.
        found.draw(64, 64)
    if not dry_run:
        found.save(path, svg=options["svg"])
    _print(picture, path, width, height, format_)


def _print(picture: Path, path: Path, width: int, height: int, format_: str) -> None:
    record = read_metadata(picture)
    if format_ == "json":
        image = {"path": str(path), "seed": record["seed"], "rank": 0, "scores": {}}
        answer = {
            "model": record["model"], "subject": record["subject"], "relation": record["relation"], "edited": True,
            "images": [image],
        }  # fmt: skip
        click.echo(json.dumps(answer))
    else:
        click.echo(f"{click.format_filename(path)}  {width} x {height}  drawn from the scene edited by hand")
