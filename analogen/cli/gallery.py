"""`analogen gallery`: pictures indexed by relation, searched by picture or words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.similarity import read_pictures
from analogen.errors import RunError, UserError, plain_line, user_errors
from analogen.files import check_output, write_atomic
from analogen.models import check_device, pick_device

if TYPE_CHECKING:
    from PIL.Image import Image

    from analogen.relsim.encoder import RelationalEncoder
    from analogen.relsim.gallery.search import Found
    from analogen.relsim.gallery.store import Gallery

_FILE = click.Path(path_type=Path)
MANY_ROWS = 200_000  # where a search from the command line spends its time on reading all vectors


@click.group("gallery", context_settings=HELP, no_args_is_help=False)
def command() -> None:
    """Index pictures by their relations, and search them by logic or looks."""


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--gallery",
            "uri",
            metavar="PATH",
            required=True,
            help="Folder of the gallery, or an object store's address.",
        ),
        click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True),
        debug_option,
    ):
        command = option(command)
    return command


@command.command("add", context_settings=HELP)
@click.argument("folders", metavar="DIR [DIR ...]", nargs=-1, required=True, type=_FILE)
@click.option("--encoder", help="Name, folder or hub id, when the gallery is made.  [default: mini]")
@click.option("--device", default="auto", show_default=True)
@click.option("--dtype", default="auto", show_default=True, help="Of a big encoder's weights.")
@_shared
def add(
    folders: tuple[Path, ...], encoder: str | None, device: str, dtype: str, uri: str, format_: str
) -> int:  # fmt: skip
    """Add the pictures in DIR, and in the folders in it; known files that have not changed are left as they are.

    The same command again goes on after an interruption. Exit code 2 if some files could not be read.
    """
    check_device(device)
    with quick_imports(), user_errors():
        from analogen.relsim.gallery.indexing import about_of, find_files
        from analogen.relsim.gallery.indexing import add as add_to
        from analogen.relsim.gallery.store import Gallery

        if next(find_files(folders), None) is None:
            raise UserError(f"{', '.join(map(str, folders))}: holds no pictures: name another folder")
        name = encoder or _encoder_of(uri) or "mini"
        model = _load_encoder(name, device, dtype)
        gallery = Gallery.open_or_create(uri, about_of(model, name))
        with _running(uri), gallery.writing():
            told = add_to(gallery, folders, model, progress=True)
        rows = len(gallery)
    if format_ == "json":
        click.echo(json.dumps({
            "gallery": uri, "encoder": name, "found": told.found, "added": told.added, "changed": told.changed,
            "unchanged": told.unchanged, "refused": told.refused, "rows": rows,
        }))  # fmt: skip
    else:
        click.echo(f"{told.added} added, {told.changed} changed, {told.unchanged} unchanged: {rows} pictures in {uri}")
        if rows >= MANY_ROWS and gallery.about.index is None:
            click.echo(f"note: analogen gallery index --gallery {uri} makes searches quicker", err=True)
    for bad in told.refused:
        where = "" if bad["path"] in bad["reason"] else f"{bad['path']}: "
        click.echo(plain_line(f"not added: {where}{bad['reason']}"), err=True)
    return 2 if told.refused else 0


@command.command("search", context_settings=HELP)
@click.option("--reference", "references", metavar="IMG", multiple=True, type=_FILE, help="A picture of the logic.")
@click.option("--relation", "words", metavar="TEXT", multiple=True, help="The logic in anonymous words.")
@click.option("--negative", "negatives", metavar="IMG", multiple=True, type=_FILE, help="A picture to keep away from.")
@click.option("--negative-relation", "negative_words", metavar="TEXT", multiple=True, help="Words to keep away from.")
@click.option("--weight", type=float, default=0.5, show_default=True, help="Of pictures where there are words too.")
@click.option("--unlike-looks", is_flag=True, help="Same logic, but looks unlike the reference.")
@click.option("--top-k", type=int, default=10, show_default=True)
@click.option("--path", "pattern", metavar="PATTERN", help="Only such paths; * and ? as in a shell.")
@click.option("--min-width", type=int, default=0, help="Pixels.")
@click.option("--min-height", type=int, default=0, help="Pixels.")
@click.option("--aspect", type=click.Choice(["landscape", "portrait", "square"]))
@click.option("--newer-than", metavar="DAYS", type=float, help="Only files changed in the last DAYS.")
@click.option("--html", "page", metavar="FILE.html", type=_FILE, help="Also write a contact sheet.")
@click.option("--device", default="auto", show_default=True)
@_shared
def search(
    references: tuple[Path, ...],
    words: tuple[str, ...],
    negatives: tuple[Path, ...],
    negative_words: tuple[str, ...],
    weight: float,
    unlike_looks: bool,
    top_k: int,
    pattern: str | None,
    min_width: int,
    min_height: int,
    aspect: str | None,
    newer_than: float | None,
    page: Path | None,
    device: str,
    uri: str,
    format_: str,
) -> None:
    """Find the pictures whose logic comes nearest.

    \b
    analogen gallery search --reference ring_of_owls.png --gallery pictures
    analogen gallery search --relation "{subject} getting smaller and smaller" --gallery pictures --html found.html
    """
    check_device(device)
    if not 1 <= top_k <= 10_000:
        raise UserError(f"--top-k is {top_k}: expected 1 to 10000")
    if not 0 <= weight <= 1:
        raise UserError(f"--weight is {weight}: expected 0 to 1")
    if not references and not words:
        raise UserError("nothing says what to look for: give --reference, --relation or both")
    for text in (*words, *negative_words):
        if not text.strip() or len(text) > 1000:
            raise UserError(f"words of {len(text)} characters came: expected 1 to 1000")
    pictures, away = read_pictures(references), read_pictures(negatives)
    if page is not None:
        check_output([page])
    with quick_imports(), user_errors():
        from analogen.relsim.gallery.indexing import about_of
        from analogen.relsim.gallery.search import Filters, make_query
        from analogen.relsim.gallery.search import search as search_in
        from analogen.relsim.gallery.store import Gallery

        gallery = Gallery.open(uri)
        name = gallery.about.encoder
        model = _load_encoder(name, device, "auto")
        gallery.require_encoder(name, about_of(model, name).weights)
        query = make_query(model, pictures, words, away, negative_words, weight, unlike_looks)
        found = search_in(gallery, query, top_k, Filters(pattern, min_width, min_height, aspect, newer_than))
    if page is not None:
        _write_search(page, gallery, pictures, references, words, found)
    if format_ == "json":
        click.echo(json.dumps({"results": [
            {"path": one.path, "score": round(one.score, 4), "relation": round(one.relation, 4),
             "attribute": None if one.attribute is None else round(one.attribute, 4)}
            for one in found
        ]}))  # fmt: skip
        return
    for one in found:
        looks = "" if one.attribute is None else f"  attribute {one.attribute:.3f}"
        click.echo(f"{one.score:.3f}  relation {one.relation:.3f}{looks}  {click.format_filename(one.path)}")
    if not found:
        click.echo("nothing found", err=True)


@command.command("info", context_settings=HELP)
@_shared
def info(uri: str, format_: str) -> None:
    """Say what a gallery holds."""
    with _opened(uri) as gallery:
        from analogen.relsim.gallery.indexing import missing

        known = gallery.known()
        told = {
            "gallery": uri, "pictures": len(known), "gone": len(missing(known)), "encoder": gallery.about.encoder,
            "format": gallery.about.format, "index": gallery.about.index,
        }  # fmt: skip
    if format_ == "json":
        click.echo(json.dumps(told))
        return
    gone = f", {told['gone']} of them gone from the disk" if told["gone"] else ""
    click.echo(f"{told['pictures']} pictures{gone}; encoder {told['encoder']}, format {told['format']}")
    index = gallery.about.index
    click.echo("exact search" if index is None else f"index over {index['rows']} pictures, recall@10 {index['recall']}")


@command.command("remove", context_settings=HELP)
@click.argument("paths", metavar="[PATH ...]", nargs=-1)
@click.option("--gone", is_flag=True, help="All whose files are no longer there.")
@_shared
def remove(paths: tuple[str, ...], gone: bool, uri: str, format_: str) -> None:
    """Take pictures out of a gallery: files, folders, or patterns with * and ?. Files on the disk stay."""
    if not paths and not gone:
        raise UserError("nothing says what to remove: name files or folders, or give --gone")
    with _opened(uri) as gallery, gallery.writing():
        from analogen.relsim.gallery.indexing import matching, missing

        known = gallery.known()
        chosen = matching(known, paths)
        if gone:
            chosen |= set(missing(known))
        with _running(uri):
            removed = gallery.remove(sorted(chosen))
            gallery.tidy()
        left = len(gallery)
    if format_ == "json":
        click.echo(json.dumps({"gallery": uri, "removed": removed, "rows": left}))
    else:
        click.echo(f"{removed} removed: {left} pictures in {uri}")


@command.command("export", context_settings=HELP)
@click.argument("output", metavar="FILE", type=_FILE)
@_shared
def export(output: Path, uri: str, format_: str) -> None:
    """Write paths, sizes, hashes and vectors to FILE: .jsonl (without vectors), .npz or .parquet."""
    if output.suffix not in (".jsonl", ".npz", ".parquet"):
        raise UserError(f"{output}: expected a name that ends in .jsonl, .npz or .parquet")
    check_output([output])
    with _opened(uri) as gallery:
        from analogen.relsim.gallery.export import exported

        data, rows = exported(gallery, output.suffix)
    write_atomic(output, data)
    if format_ == "json":
        click.echo(json.dumps({"gallery": uri, "output": str(output), "rows": rows}))
    else:
        click.echo(f"{rows} pictures to {click.format_filename(output)}")


@command.command("groups", context_settings=HELP)
@click.option("--threshold", type=float, default=0.95, show_default=True, help="Least cosine to the centre of a group.")
@click.option("--min-size", type=click.IntRange(2), default=3, show_default=True, help="Smaller groups are left out.")
@click.option("--top-k", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Groups to show.")
@click.option("--html", "page", metavar="FILE.html", type=_FILE, help="Also write a contact sheet.")
@_shared
def groups(threshold: float, min_size: int, top_k: int, page: Path | None, uri: str, format_: str) -> None:
    """Mine sets of pictures that share one logic, with the caption of the catalogue that comes nearest to each."""
    if page is not None:
        check_output([page])
    with _opened(uri) as gallery:
        from analogen.relsim.gallery.groups import find_groups
        from analogen.relsim.mini.encoder import SHIPPED, Bank

        loaded = gallery.load()
        bank = Bank.load(SHIPPED)
        found = find_groups(loaded, threshold, min_size)
        paths = loaded.rows["path"]
    told: list[dict[str, Any]] = [
        {
            "caption": bank.captions[int((bank.vectors @ group.centre).argmax())], "size": len(group.rows),
            "closeness": round(group.closeness, 4), "alike_looks": round(group.alikeness, 4),
            "paths": [str(paths[row]) for row in group.rows],
        }
        for group in found[:top_k]
    ]  # fmt: skip
    if page is not None:
        _write_groups(page, gallery, loaded.row_ids, found[:top_k], told)
    if format_ == "json":
        click.echo(json.dumps({"groups": told, "found": len(found)}))
        return
    for row in told:
        click.echo(f"{row['size']} pictures  {row['caption']}  (closeness {row['closeness']:.2f})")
        for path in row["paths"][:4]:
            click.echo(f"    {click.format_filename(path)}")
    click.echo(f"{len(found)} groups of {min_size} and more", err=True)


@command.command("index", context_settings=HELP)
@_shared
def index(uri: str, format_: str) -> None:
    """Build an index for quick searches of large galleries, and measure how many of the nearest it finds."""
    with _opened(uri) as gallery, gallery.writing():
        from analogen.relsim.gallery.ann import build

        with _running(uri), user_errors():
            found = build(gallery, lambda text: click.echo(text, err=True))
    click.echo(json.dumps(found) if format_ == "json" else f"recall@10 {found['recall']} over {found['rows']} pictures")


def _encoder_of(uri: str) -> str | None:
    """The encoder of a gallery that exists."""
    from analogen.relsim.gallery.store import Gallery

    try:
        return Gallery.open(uri).about.encoder
    except FileNotFoundError:
        return None


def _load_encoder(name: str, device: str, dtype: str) -> RelationalEncoder:
    from analogen.relsim.encoder import load_encoder

    return load_encoder(name, pick_device(device), dtype)


@contextmanager
def _opened(uri: str) -> Iterator[Gallery]:
    with quick_imports(), user_errors():
        from analogen.relsim.gallery.store import Gallery

        gallery = Gallery.open(uri)
    with user_errors():
        yield gallery


@contextmanager
def _running(uri: str) -> Iterator[None]:
    """A disk that fails while the table is written is no slip of the user's."""
    try:
        yield
    except OSError as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"{uri}: cannot be written ({reason}): mend it and run the same again") from error


def _write_search(
    page: Path,
    gallery: Gallery,
    pictures: Sequence[Image],
    references: Sequence[Path],
    words: Sequence[str],
    found: Sequence[Found],
) -> None:
    from analogen.relsim.gallery.html_page import Shown, write_page
    from analogen.relsim.gallery.indexing import thumbnail_of

    asked = [
        Shown(thumbnail_of(image), path.name, "reference") for image, path in zip(pictures, references, strict=True)
    ]
    shown = []
    for one, thumbnail in zip(found, gallery.thumbnails([one.row_id for one in found]), strict=True):
        looks = "" if one.attribute is None else f", looks {one.attribute:.2f}"
        shown.append(Shown(thumbnail, one.path, f"relation {one.relation:.2f}{looks}", one.relation))
    about = "; ".join([*words, f"{len(found)} of {len(gallery)} pictures"])
    write_atomic(page, write_page("Found by relation", about, asked, [("", shown)]).encode())


def _write_groups(page: Path, gallery: Gallery, row_ids: Any, found: Sequence[Any], told: Sequence[Any]) -> None:
    from analogen.relsim.gallery.html_page import Shown, write_page

    sections = []
    for group, row in zip(found, told, strict=True):
        thumbnails = gallery.thumbnails([int(row_ids[i]) for i in group.rows[:24]])
        shown = [Shown(data, path) for data, path in zip(thumbnails, row["paths"], strict=False)]
        sections.append((f"{row['caption']} - {row['size']} pictures", shown))
    write_atomic(page, write_page("Groups that share one logic", f"{len(told)} groups", [], sections).encode())
