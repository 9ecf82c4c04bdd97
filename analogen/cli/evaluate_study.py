"""`analogen evaluate study` and `tally`: a blind study with people, and its results."""

from __future__ import annotations

import json
from pathlib import Path

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.evaluate_options import FILE, report_unreadable_rows
from analogen.errors import UserError, user_errors
from analogen.files import check_output, write_atomic


@click.command("study", context_settings=HELP)
@click.argument("table", metavar="FILE", type=FILE)
@click.option(
    "--output",
    metavar="FILE.html",
    type=FILE,
    default=Path("out/study.html"),
    show_default=True,
    help="The page for the participants.",
)
@click.option("--question", help="Question to the participants.  [default: which picture follows the reference's idea]")
@click.option(
    "--max-side", type=int, default=512, show_default=True, help="Reduce larger pictures to this side, in pixels."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the order of the pairs and of their sides.",
)
@debug_option
def study(table: Path, output: Path, question: str | None, max_side: int, seed: int) -> int:
    """Make an HTML page for a blind study, in which people choose between two pictures. It needs no server.

    FILE is CSV or JSON lines with reference, a, b, a_method and b_method. The file .key.json beside the page says which
    method was on which side: do not give it to the participants. Pictures that cannot be read are listed at the end;
    the exit code is then 2.
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
    summary = {
        "output": str(output),
        "key": str(key_path),
        "study": built.key["study"],
        "pairs": len(built.key["pairs"]),
    }
    click.echo(json.dumps(summary))
    return report_unreadable_rows(built.refused)


@click.command("tally", context_settings=HELP)
@click.argument("answers", metavar="FILE [FILE ...]", nargs=-1, required=True, type=FILE)
@click.option(
    "--key", metavar="FILE", type=FILE, required=True, help="The .key.json file that was written beside the page."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the bootstrap intervals."
)
@debug_option
def tally(answers: tuple[Path, ...], key: Path, seed: int) -> None:
    """Count the answers of the participants: one JSON line for each pair of methods, with a 95 % interval."""
    with user_errors():
        from analogen.relsim.evaluation.human_study import read_answers, read_key, tally

        read = read_key(key)
        rows = list(tally(read, read_answers(answers, read), seed))
    for row in rows:
        click.echo(json.dumps(row))
