"""`analogen gallery search` and `groups`: find pictures by relation, and groups that share one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analogen.cli import HELP, quick_imports
from analogen.cli.common_options import device_option
from analogen.cli.gallery_options import FILE, gallery_options, load_gallery_encoder, opened_gallery
from analogen.cli.image_inputs import read_pictures
from analogen.errors import UserError, plain_line, user_errors
from analogen.files import check_output, write_atomic
from analogen.models import check_device

if TYPE_CHECKING:
    from PIL.Image import Image

    from analogen.relsim.gallery.search import SearchResult
    from analogen.relsim.gallery.store import Gallery


@click.command("search", context_settings=HELP)
@click.option(
    "--reference",
    "references",
    metavar="IMG",
    multiple=True,
    type=FILE,
    help="Find pictures with the same logic as this one. May be given several times.",
)
@click.option(
    "--relation",
    "words",
    metavar="TEXT",
    multiple=True,
    help='Find pictures with the logic of these words, for example: "many {subject} in a row".',
)
@click.option(
    "--negative",
    "negatives",
    metavar="IMG",
    multiple=True,
    type=FILE,
    help="Rank pictures with the logic of this one lower.",
)
@click.option(
    "--negative-relation",
    "negative_words",
    metavar="TEXT",
    multiple=True,
    help="Rank pictures with the logic of these words lower.",
)
@click.option(
    "--weight",
    type=float,
    default=0.5,
    show_default=True,
    help="Weight of the pictures if there are words too, 0 to 1.",
)
@click.option("--unlike-looks", is_flag=True, help="Find pictures with the same logic that look different.")
@click.option("--top-k", type=int, default=10, show_default=True, help="How many pictures to find.")
@click.option(
    "--path", "pattern", metavar="PATTERN", help="Only paths of this pattern, with * and ? as in a shell, in any case."
)
@click.option("--min-width", type=int, default=0, help="Only pictures of at least this width, in pixels.")
@click.option("--min-height", type=int, default=0, help="Only pictures of at least this height, in pixels.")
@click.option("--aspect", type=click.Choice(["landscape", "portrait", "square"]), help="Only pictures of this format.")
@click.option("--newer-than", metavar="DAYS", type=float, help="Only files that changed in the last DAYS days.")
@click.option("--html", "page", metavar="FILE.html", type=FILE, help="Also write a contact sheet as a web page.")
@device_option
@gallery_options
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
    """Find the pictures with the most similar logic.

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
        raise UserError("the query is empty: give --reference, --relation or both")
    for text in (*words, *negative_words):
        if not text.strip() or len(text) > 1000:
            raise UserError(f"a text of {len(text)} characters was given: expected 1 to 1000")
    pictures, away = read_pictures(references), read_pictures(negatives)
    if page is not None:
        check_output([page])
    with quick_imports(), user_errors():
        from analogen.relsim.gallery.indexing import gallery_info
        from analogen.relsim.gallery.search import Filters, make_query
        from analogen.relsim.gallery.search import search as search_in
        from analogen.relsim.gallery.store import Gallery

        gallery = Gallery.open(uri)
        name = gallery.about.encoder
        model = load_gallery_encoder(name, device, "auto")
        gallery.require_encoder(name, gallery_info(model, name).weights)
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
        click.echo(f"{one.score:.3f}  relation {one.relation:.3f}{looks}  {plain_line(one.path)}")
    if not found:
        click.echo("nothing found", err=True)


@click.command("groups", context_settings=HELP)
@click.option(
    "--threshold",
    type=float,
    default=0.95,
    show_default=True,
    help="Lowest cosine of a picture to the centre of its group.",
)
@click.option("--min-size", type=click.IntRange(2), default=3, show_default=True, help="Leave out smaller groups.")
@click.option("--top-k", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many groups to show.")
@click.option("--html", "page", metavar="FILE.html", type=FILE, help="Also write a contact sheet as a web page.")
@gallery_options
def groups(threshold: float, min_size: int, top_k: int, page: Path | None, uri: str, format_: str) -> None:
    """Find groups of pictures that share one logic, each with the nearest caption of the catalogue."""
    if page is not None:
        check_output([page])
    with opened_gallery(uri) as gallery:
        from analogen.relsim.gallery.groups import find_groups
        from analogen.relsim.mini.encoder import SHIPPED, CaptionBank

        loaded = gallery.load()
        bank = CaptionBank.load(SHIPPED)
        found = find_groups(loaded, threshold, min_size)
        paths = loaded.rows["path"]
    shown_groups: list[dict[str, Any]] = [
        {
            "caption": bank.captions[int((bank.vectors @ group.centre).argmax())], "size": len(group.rows),
            "closeness": round(group.relation_similarity, 4), "alike_looks": round(group.attribute_similarity, 4),
            "paths": [str(paths[row]) for row in group.rows],
        }
        for group in found[:top_k]
    ]  # fmt: skip
    if page is not None:
        _write_groups(page, gallery, loaded.row_ids, found[:top_k], shown_groups)
    if format_ == "json":
        click.echo(json.dumps({"groups": shown_groups, "found": len(found)}))
        return
    for row in shown_groups:
        click.echo(f"{row['size']} pictures  {row['caption']}  (closeness {row['closeness']:.2f})")
        for path in row["paths"][:4]:
            click.echo(f"    {plain_line(path)}")
    click.echo(f"{len(found)} groups of {min_size} and more", err=True)


def _write_search(
    page: Path,
    gallery: Gallery,
    pictures: Sequence[Image],
    references: Sequence[Path],
    words: Sequence[str],
    found: Sequence[SearchResult],
) -> None:
    from analogen.relsim.gallery.html_page import PageImage, write_page
    from analogen.relsim.gallery.indexing import thumbnail_of

    queries = [
        PageImage(thumbnail_of(image), path.name, "reference") for image, path in zip(pictures, references, strict=True)
    ]
    shown = []
    for one, thumbnail in zip(found, gallery.thumbnails([one.row_id for one in found]), strict=True):
        looks = "" if one.attribute is None else f", looks {one.attribute:.2f}"
        shown.append(PageImage(thumbnail, one.path, f"relation {one.relation:.2f}{looks}", one.relation))
    about = "; ".join([*words, f"{len(found)} of {len(gallery)} pictures"])
    write_atomic(page, write_page("Found by relation", about, queries, [("", shown)]).encode())


def _write_groups(
    page: Path, gallery: Gallery, row_ids: Any, found: Sequence[Any], shown_groups: Sequence[Any]
) -> None:
    from analogen.relsim.gallery.html_page import PageImage, write_page

    sections = []
    for group, row in zip(found, shown_groups, strict=True):
        thumbnails = gallery.thumbnails([int(row_ids[i]) for i in group.rows[:24]])
        shown = [PageImage(data, path) for data, path in zip(thumbnails, row["paths"], strict=False)]
        sections.append((f"{row['caption']} - {row['size']} pictures", shown))
    write_atomic(page, write_page("Groups that share one logic", f"{len(shown_groups)} groups", [], sections).encode())
