"""`analogen similarity`: how near the relations of pictures are, the first against the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.errors import RunError, UserError, plain_line, user_errors
from analogen.models import check_device, pick_device

if TYPE_CHECKING:
    from PIL.Image import Image

    from analogen.relsim.embedding import LookedOver
    from analogen.relsim.encoder import RelationalEncoder


@click.command("similarity", context_settings=HELP)
@click.argument("images", metavar="IMG IMG|DIR ...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--encoder", default="mini", show_default=True, help="Name, folder or hub id of a relational encoder.")
@click.option("--unresized", is_flag=True, help="Whole pictures for a big encoder, instead of squares of 448 px.")
@click.option("--device", default="auto", show_default=True)
@click.option("--dtype", default="auto", show_default=True, help="Of a big encoder's weights.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@debug_option
def command(images: tuple[Path, ...], encoder: str, unresized: bool, device: str, dtype: str, format_: str) -> int:
    """Score each IMG after the first against the first: the same relation? the same looks (attribute)?

    A DIR stands for all pictures in it and in the folders in it. Those of them that cannot be read stop nothing: they
    are listed last, and the exit code is 2.
    """
    if len(images) < 2:
        raise click.UsageError("one picture came, at least two are needed: name a second one")
    check_device(device)
    paths = find_pictures(images[:1], folders=False) + find_pictures(images[1:])

    with quick_imports(), user_errors():
        from analogen.relsim.encoder import load_encoder

        model = load_encoder(encoder, pick_device(device), dtype, unresized)
    looked = embed_files(model, paths)
    first = looked.seen[0]
    rows = [
        {
            "path": str(path), "relation": round(float(seen.relation @ first.relation), 4),
            "attribute": round(float(seen.attributes @ first.attributes), 4),
        }
        for path, seen in zip(looked.paths[1:], looked.seen[1:], strict=True)
    ]  # fmt: skip
    if format_ == "json":
        told: dict[str, Any] = {"encoder": encoder, "reference": str(images[0]), "scores": rows}
        click.echo(json.dumps(told | unreadable_field(looked.refused)))
    else:
        for path, row in zip(looked.paths[1:], rows, strict=True):
            shown = f"relation {row['relation']:.3f}  attribute {row['attribute']:.3f}"
            click.echo(f"{click.format_filename(path)}  {shown}")
    return report_unreadable(looked.refused)


def find_pictures(names: Sequence[Path], folders: bool = True) -> list[Path]:
    """The pictures that are named, and those in the folders that are named.

    A named one is read here, before any model is loaded, and must be good: raises UserError. What is wrong with one
    of a folder shows when its turn comes.
    """
    from analogen.relsim.images import picture_files

    found: list[Path] = []
    for name in names:
        if folders and name.is_dir():
            with user_errors():
                found += picture_files(name)
        else:
            _read(name)  # and let go: thousands do not fit in memory together
            found.append(name)
    return found


def embed_files(model: RelationalEncoder, paths: Sequence[Path]) -> LookedOver:
    """All that can be read, with a bar on a terminal. Raises UserError if that is nothing, RunError for memory."""
    from analogen.relsim.embedding import look_over

    try:
        looked = look_over(model, paths, progress=True)
    except MemoryError as error:
        raise RunError(str(error)) from error
    if not looked.seen:
        more = f" (and {len(looked.refused) - 1} more that cannot be read)" if len(looked.refused) > 1 else ""
        raise UserError(looked.refused[0]["reason"] + more)
    return looked


def unreadable_field(refused: Sequence[dict[str, str]]) -> dict[str, Any]:
    """What JSON gets in addition where some pictures could not be read."""
    return {"refused": list(refused)} if refused else {}


def report_unreadable(refused: Sequence[dict[str, str]]) -> int:
    """List what could not be read on stderr. Returns the exit code."""
    for bad in refused:
        where = "" if bad["path"] in bad["reason"] else f"{bad['path']}: "
        click.echo(plain_line(f"not read: {where}{bad['reason']}"), err=True)
    return 2 if refused else 0


def read_pictures(paths: Sequence[Path]) -> list[Image]:
    """All pictures as RGB, read before any model is loaded; what was changed on the way goes to stderr."""
    return [_read(path) for path in paths]


def _read(path: Path) -> Image:
    from analogen.relsim.images import read_image

    with user_errors():
        picture = read_image(path)
    for note in picture.notes:
        click.echo(plain_line(f"note: {click.format_filename(path)}: {note}"), err=True)
    return picture.image
