"""`analogen art`: keeps a library of a user's own cut-outs, and searches it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from analogen.cli import HELP, quick_imports
from analogen.cli.common_options import device_option, format_option
from analogen.errors import user_errors
from analogen.models import check_device

_FILE = click.Path(path_type=Path)
_library = click.option("--library", metavar="PATH", required=True, type=_FILE, help="Folder of the library.")


@click.group("art", context_settings=HELP, no_args_is_help=False)
def command() -> None:
    """Keep a library of your own cut-outs, for --art of generate and batch."""


@command.command("add", context_settings=HELP)
@click.argument("folders", metavar="DIR [DIR ...]", nargs=-1, required=True, type=_FILE)
@_library
@device_option
@format_option
def add(folders: tuple[Path, ...], library: Path, device: str, format_: str) -> int:
    """Add the PNG, WebP and SVG files in DIR and its subfolders: cut-outs, one thing in each.

    A thing is called like its file ("red_fox-2.png": red fox), or as a table names.csv in DIR says, with the columns
    file and name. Files that have not changed are not read again. Files that cannot be used are listed; the exit code
    is then 2.
    """
    check_device(device)
    with quick_imports(), user_errors():
        from analogen.models import pick_device
        from analogen.own_art import add_art
        from analogen.relsim.encoder import load_mini

        report = add_art(folders, library, load_mini("mini", pick_device(device)))
    if format_ == "json":
        click.echo(json.dumps({"library": str(library), **report._asdict()}))
    else:
        counts = f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged"
        left = f", {len(report.refused)} not added" if report.refused else ""
        click.echo(f"{counts}{left}: {report.rows} {'thing' if report.rows == 1 else 'things'} in {library}")
    for path, reason in report.refused:
        click.echo(f"not added: {path}: {reason}", err=True)
    return 2 if report.refused else 0


@command.command("search", context_settings=HELP)
@click.argument("text", metavar="[TEXT]", required=False)
@click.option("--picture", metavar="IMG", type=_FILE, help="Search by what this picture shows, in place of TEXT.")
@_library
@click.option("--top-k", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many results.")
@device_option
@format_option
def search(text: str | None, picture: Path | None, library: Path, top_k: int, device: str, format_: str) -> None:
    """Show the things of a library nearest to TEXT in name or meaning, or to what a picture shows."""
    check_device(device)
    with quick_imports(), user_errors():
        from analogen.models import pick_device
        from analogen.own_art import search_art
        from analogen.relsim.encoder import load_mini
        from analogen.relsim.images import read_reference

        image = None if picture is None else read_reference(picture).image
        found = search_art(library, load_mini("mini", pick_device(device)), top_k, text, image)
    if format_ == "json":
        results = [{"name": t.name, "path": str(t.path), "score": round(score, 4)} for t, score in found]
        click.echo(json.dumps({"results": results}))
        return
    for thing, score in found:
        click.echo(f"{score:.2f}  {thing.name}  {click.format_filename(thing.path)}")
