"""`analogen evaluate space`, `study` and `tally`: figures for people's eyes, and what people say."""

from __future__ import annotations

import io
import json
from pathlib import Path

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.evaluate_options import FILE, check_positive, report_unreadable_rows, run_errors
from analogen.errors import UserError, user_errors
from analogen.files import check_output, write_atomic
from analogen.models import check_device, pick_device


@click.command("space", context_settings=HELP)
@click.argument("folder", metavar="DIR", type=FILE)
@click.option("--reference", metavar="IMG", type=FILE, required=True)
@click.option("--attribute", default="attributes", show_default=True, help="What goes on x, by a name of --by.")
@click.option("--encoder", default="mini", show_default=True, help="Name, folder or hub id of a relational encoder.")
@click.option("--count", type=int, default=200, show_default=True, help="At most so many pictures, by their names.")
@click.option("--output", metavar="FILE.png", type=FILE, default=Path("out/space.png"), show_default=True)
@click.option("--size", type=int, default=1200, show_default=True, help="Side of the plot, 400 to 8000.")
@click.option("--device", default="auto", show_default=True)
@click.option("--dtype", default="auto", show_default=True, help="Of a big encoder's weights.")
@debug_option
def space(
    folder: Path,
    reference: Path,
    attribute: str,
    encoder: str,
    count: int,
    output: Path,
    size: int,
    device: str,
    dtype: str,
) -> int:
    """Plot the pictures in DIR: likeness to the reference in looks on x, in logic on y.

    Exit code 2 if some pictures could not be read; they are listed.
    """
    check_positive("count", count)
    check_device(device)
    if not 400 <= size <= 8000:
        raise UserError(f"--size is {size}: expected 400 to 8000")
    if output.suffix.lower() != ".png":
        raise UserError(f"--output {output}: plots are PNG: end it in .png")
    check_output([output])
    with quick_imports(), user_errors():
        from analogen.relsim.data.shards import find_pictures
        from analogen.relsim.evaluation.similarity_measures import check_ways, load_ways, rows_of
        from analogen.relsim.evaluation.similarity_space import Point, draw_space
        from analogen.relsim.images import read_image

        check_ways((attribute,))
        if attribute == "relation":
            raise UserError("--attribute is 'relation', which is on y already: expected another way of comparing")
        seen_from = read_image(reference).image
        pictures = [p for p in find_pictures(folder).pictures if p.path.resolve() != reference.resolve()][:count]
        ways = load_ways(("relation", attribute), encoder, pick_device(device), dtype, search=True)
    with run_errors():
        found = rows_of(pictures, ways, "stored")
    logic, looks = (way.nearness(way.asked([seen_from]), found.rows[way.name])[0] for way in ways)
    points = [
        Point(pictures[place].read().image, float(x), float(y))
        for place, x, y in zip(found.kept, looks, logic, strict=True)
    ]
    with io.BytesIO() as file:
        draw_space(seen_from, points, size).save(file, "PNG")
        write_atomic(output, file.getvalue())
    click.echo(json.dumps({"output": str(output), "reference": str(reference), "pictures": len(points)}))
    return report_unreadable_rows(found.refused)


@click.command("study", context_settings=HELP)
@click.argument("table", metavar="FILE", type=FILE)
@click.option("--output", metavar="FILE.html", type=FILE, default=Path("out/study.html"), show_default=True)
@click.option("--question", help="What participants are asked.  [default: which picture follows the reference's idea]")
@click.option("--max-side", type=int, default=512, show_default=True, help="Pictures are at most so large, in pixels.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the order and the sides.")
@debug_option
def study(table: Path, output: Path, question: str | None, max_side: int, seed: int) -> int:
    """Make one page of HTML for a blind study of two pictures at a time; open it in any browser, no server needed.

    FILE is CSV or JSON lines with reference, a, b, a_method and b_method. What was on which side goes to a .key.json
    beside the page: keep that one to yourself. Exit code 2 if some pictures could not be read; they are listed.
    """
    if output.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--output {output}: expected a name that ends in .html")
    if not 64 <= max_side <= 4096:
        raise UserError(f"--max-side is {max_side}: expected 64 to 4096")
    key_path = output.with_suffix(".key.json")
    check_output([output, key_path])
    with quick_imports(), user_errors():
        from analogen.relsim.evaluation.human_study import QUESTION, build_study

        built = build_study(table, " ".join((question or QUESTION).split()), seed, max_side)
    write_atomic(output, built.page.encode())
    write_atomic(key_path, (json.dumps(built.key, indent=1) + "\n").encode())
    told = {"output": str(output), "key": str(key_path), "study": built.key["study"], "pairs": len(built.key["pairs"])}
    click.echo(json.dumps(told))
    return report_unreadable_rows(built.refused)


@click.command("tally", context_settings=HELP)
@click.argument("answers", metavar="FILE [FILE ...]", nargs=-1, required=True, type=FILE)
@click.option("--key", metavar="FILE", type=FILE, required=True, help="The .key.json beside the study's page.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the intervals.")
@debug_option
def tally(answers: tuple[Path, ...], key: Path, seed: int) -> None:
    """Count the answers that participants saved; one JSON line for every two methods, with a 95 % interval."""
    with user_errors():
        from analogen.relsim.evaluation.human_study import read_answers, read_key, tally

        read = read_key(key)
        rows = list(tally(read, read_answers(answers, read), seed))
    for row in rows:
        click.echo(json.dumps(row))
