"""Reads the pictures that a command names, embeds them, and reports those that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analogen.errors import RunError, UserError, plain_line, user_errors

if TYPE_CHECKING:
    from PIL.Image import Image

    from analogen.relsim.embedding import FileEmbeddings
    from analogen.relsim.encoder import RelationalEncoder
    from analogen.relsim.picture_folders import FolderPictures


def find_pictures(names: Sequence[Path], folders: bool = True) -> FolderPictures:
    """The named pictures, the pictures in the named folders, and what is left out there.

    Named pictures are read at once, before a model is loaded. Raises UserError if one of them cannot be read, and for
    a folder without pictures. Pictures in folders are checked later.
    """
    from analogen.relsim.picture_folders import FolderPictures, scan_pictures

    found = FolderPictures()
    for name in names:
        if folders and name.is_dir():
            with user_errors():
                here = scan_pictures(name)
            if not here.paths:
                raise UserError(f"{name}: {here.nothing}")
            found.paths += here.paths
            found.left_out += here.left_out
        else:
            _read(name)  # not kept: thousands of pictures do not fit into memory
            found.paths.append(name)
    return found


def embed_files(model: RelationalEncoder, paths: Sequence[Path], as_references: bool = False) -> FileEmbeddings:
    """Embed all pictures that can be read, with a progress bar on a terminal.

    as_references: see `analogen.relsim.embedding.embed_images`. Raises UserError if none can be read, RunError if
    memory runs out.
    """
    from analogen.relsim import embedding

    try:
        looked = embedding.embed_files(model, paths, progress=True, as_references=as_references)
    except MemoryError as error:
        raise RunError(str(error)) from error
    if not looked.embeddings:
        more = f" (and {len(looked.refused) - 1} more that cannot be read)" if len(looked.refused) > 1 else ""
        raise UserError(looked.refused[0]["reason"] + more)
    return looked


def unreadable_field(refused: Sequence[dict[str, str]]) -> dict[str, Any]:
    """The JSON field of pictures that could not be read; empty if all could be."""
    return {"refused": list(refused)} if refused else {}


def report_unreadable(refused: Sequence[dict[str, str]]) -> int:
    """List pictures that were not read on stderr, with their number. Returns the exit code."""
    return report_left_out(refused, "read")


def report_left_out(refused: Sequence[dict[str, str]], done: str) -> int:
    """List what was not `done` on stderr, each with its reason, after their number. Returns the exit code."""
    if refused:
        click.echo(f"{len(refused)} {'file was' if len(refused) == 1 else 'files were'} not {done}:", err=True)
    for bad in refused:
        where = "" if bad["path"] in bad["reason"] else f"{bad['path']}: "
        click.echo(plain_line(f"not {done}: {where}{bad['reason']}"), err=True)
    return 2 if refused else 0


def read_pictures(paths: Sequence[Path]) -> list[Image]:
    """Read pictures as RGB, before a model is loaded. Notes on converted pictures go to stderr."""
    return [_read(path) for path in paths]


def _read(path: Path) -> Image:
    from analogen.relsim.images import read_reference

    with user_errors():
        picture = read_reference(path)
    for note in picture.notes:
        click.echo(plain_line(f"note: {click.format_filename(path)}: {note}"), err=True)
    return picture.image
