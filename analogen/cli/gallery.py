"""`analogen gallery`: indexes pictures by relation, and manages the index."""

from __future__ import annotations

import json
from pathlib import Path

import click

from analogen.cli import HELP, quick_imports
from analogen.cli.common_options import device_option, dtype_option
from analogen.cli.gallery_options import FILE, gallery_options, load_gallery_encoder, opened_gallery, write_errors
from analogen.cli.gallery_search import groups, search
from analogen.cli.image_inputs import report_left_out
from analogen.errors import UserError, user_errors
from analogen.files import check_output, write_atomic
from analogen.models import check_device

MANY_ROWS = 200_000  # from here on an index is worth it, since a search spends its time on reading all vectors


@click.group("gallery", context_settings=HELP, no_args_is_help=False)
def command() -> None:
    """Index pictures by their relation, and search them by logic or looks."""


@command.command("add", context_settings=HELP)
@click.argument("folders", metavar="DIR [DIR ...]", nargs=-1, required=True, type=FILE)
@click.option(
    "--encoder", help="Encoder of a new gallery: mini, or the folder or hub id of another one.  [default: mini]"
)
@device_option
@dtype_option
@gallery_options
def add(
    folders: tuple[Path, ...], encoder: str | None, device: str, dtype: str, uri: str, format_: str
) -> int:  # fmt: skip
    """Add the pictures in DIR and its subfolders; files that have not changed are not read again.

    \b
    analogen gallery add pictures --gallery index

    After an interruption, the same command continues. Files that cannot be read are listed at the end; the exit code is
    then 2.
    """
    check_device(device)
    with quick_imports(), user_errors():
        from analogen.relsim.gallery.indexing import add as add_to
        from analogen.relsim.gallery.indexing import find_files, gallery_info
        from analogen.relsim.gallery.store import Gallery

        found = find_files(folders)
        if not found.paths:
            raise UserError(f"{', '.join(map(str, folders))}: {found.nothing}")
        name = encoder or _encoder_of(uri) or "mini"
        model = load_gallery_encoder(name, device, dtype)
        gallery = Gallery.open_or_create(uri, gallery_info(model, name))
        with write_errors(uri), gallery.write_lock():
            report = add_to(gallery, folders, model, progress=True)
        rows = len(gallery)
    if format_ == "json":
        click.echo(json.dumps({
            "gallery": uri, "encoder": name, "found": report.found, "added": report.added, "changed": report.changed,
            "unchanged": report.unchanged, "refused": report.refused, "rows": rows,
        }))  # fmt: skip
    else:
        left = f", {len(report.refused)} not added" if report.refused else ""
        counts = f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged{left}"
        click.echo(f"{counts}: {rows} {'picture' if rows == 1 else 'pictures'} in {uri}")
        if rows >= MANY_ROWS and gallery.about.index is None:
            click.echo(f"note: analogen gallery index --gallery {uri} makes searches faster", err=True)
    return report_left_out(report.refused, "added")


@command.command("info", context_settings=HELP)
@gallery_options
def info(uri: str, format_: str) -> None:
    """Show how many pictures a gallery has, and its encoder and index."""
    with opened_gallery(uri) as gallery:
        from analogen.relsim.gallery.indexing import missing

        known = gallery.known()
        facts = {
            "gallery": uri, "pictures": len(known), "gone": len(missing(known)), "encoder": gallery.about.encoder,
            "format": gallery.about.format, "index": gallery.about.index,
        }  # fmt: skip
    if format_ == "json":
        click.echo(json.dumps(facts))
        return
    gone = f", {facts['gone']} of them gone from the disk" if facts["gone"] else ""
    click.echo(f"{facts['pictures']} pictures{gone}; encoder {facts['encoder']}, format {facts['format']}")
    index = gallery.about.index
    click.echo("exact search" if index is None else f"index over {index['rows']} pictures, recall@10 {index['recall']}")


@command.command("remove", context_settings=HELP)
@click.argument("paths", metavar="[PATH ...]", nargs=-1)
@click.option("--gone", is_flag=True, help="Remove all pictures whose files no longer exist.")
@gallery_options
def remove(paths: tuple[str, ...], gone: bool, uri: str, format_: str) -> None:
    """Remove pictures from a gallery: files, folders, or patterns with * and ?. Files on the disk are not deleted."""
    if not paths and not gone:
        raise UserError("nothing to remove was named: name files or folders, or give --gone")
    with opened_gallery(uri) as gallery, gallery.write_lock():
        from analogen.relsim.gallery.indexing import matching, missing

        known = gallery.known()
        chosen = matching(known, paths)
        if gone:
            chosen |= set(missing(known))
        with write_errors(uri):
            removed = gallery.remove(sorted(chosen))
            gallery.compact()
        left = len(gallery)
    if format_ == "json":
        click.echo(json.dumps({"gallery": uri, "removed": removed, "rows": left}))
    else:
        click.echo(f"{removed} removed: {left} pictures in {uri}")


@command.command("export", context_settings=HELP)
@click.argument("output", metavar="FILE", type=FILE)
@gallery_options
def export(output: Path, uri: str, format_: str) -> None:
    """Write paths, sizes, hashes and vectors to FILE: .jsonl (without vectors), .npz or .parquet."""
    if output.suffix not in (".jsonl", ".npz", ".parquet"):
        raise UserError(f"{output}: expected a name that ends in .jsonl, .npz or .parquet")
    check_output([output])
    with opened_gallery(uri) as gallery:
        from analogen.relsim.gallery.export import export_rows

        data, rows = export_rows(gallery, output.suffix)
    write_atomic(output, data)
    if format_ == "json":
        click.echo(json.dumps({"gallery": uri, "output": str(output), "rows": rows}))
    else:
        click.echo(f"{rows} pictures to {click.format_filename(output)}")


@command.command("index", context_settings=HELP)
@gallery_options
def index(uri: str, format_: str) -> None:
    """Build an index for fast searches of large galleries, and measure its recall."""
    with opened_gallery(uri) as gallery, gallery.write_lock():
        from analogen.relsim.gallery.ann import build

        with write_errors(uri), user_errors():
            found = build(gallery, lambda text: click.echo(text, err=True))
    click.echo(json.dumps(found) if format_ == "json" else f"recall@10 {found['recall']} over {found['rows']} pictures")


def _encoder_of(uri: str) -> str | None:
    """The encoder of a gallery, None if the gallery does not exist."""
    from analogen.relsim.gallery.store import Gallery

    try:
        return Gallery.open(uri).about.encoder
    except FileNotFoundError:
        return None


for _other in (search, groups):
    command.add_command(_other)
