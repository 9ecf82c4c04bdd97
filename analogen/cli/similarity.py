"""`analogen similarity`: how near the relations of pictures are, the first against the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analogen.cli import HELP, debug_option, plain_line, quick_imports
from analogen.errors import user_errors
from analogen.models import check_device, pick_device

if TYPE_CHECKING:
    from PIL.Image import Image


@click.command("similarity", context_settings=HELP)
@click.argument("images", metavar="IMG IMG [IMG ...]", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--encoder", default="mini", show_default=True, help="Name, folder or hub id of a relational encoder.")
@click.option("--device", default="auto", show_default=True)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@debug_option
def command(images: tuple[Path, ...], encoder: str, device: str, format_: str) -> None:
    """Score each IMG after the first against the first: the same relation? the same looks (attribute)?"""
    if len(images) < 2:
        raise click.UsageError("one picture came, at least two are needed: name a second one")
    check_device(device)
    pictures = read_pictures(images)

    with quick_imports(), user_errors():
        from analogen.likeness import compare_images
        from analogen.relsim.encoder import load_encoder

        model = load_encoder(encoder, pick_device(device))
    rows = [
        {"path": str(path), "relation": round(one.relation, 4), "attribute": round(one.attribute, 4)}
        for path, one in zip(images[1:], compare_images(pictures[0], pictures[1:], model), strict=True)
    ]
    if format_ == "json":
        click.echo(json.dumps({"encoder": encoder, "reference": str(images[0]), "scores": rows}))
        return
    for path, row in zip(images[1:], rows, strict=True):
        click.echo(f"{click.format_filename(path)}  relation {row['relation']:.3f}  attribute {row['attribute']:.3f}")


def read_pictures(paths: tuple[Path, ...]) -> list[Image]:
    """All pictures as RGB, read before any model is loaded; what was changed on the way goes to stderr."""
    from analogen.relsim.images import read_image

    images = []
    with user_errors():
        for path in paths:
            picture = read_image(path)
            for note in picture.notes:
                click.echo(plain_line(f"note: {click.format_filename(path)}: {note}"), err=True)
            images.append(picture.image)
    return images
