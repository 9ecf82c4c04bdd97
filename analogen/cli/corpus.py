"""`analogen corpus`: matches captions with pictures, checks them, and writes an index for training."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.evaluate_options import FILE, check_positive, progress_counter
from analogen.errors import plain_line, user_errors
from analogen.files import check_output, write_atomic


@click.command("corpus", context_settings=HELP)
@click.argument("rows", metavar="FILE", type=FILE)
@click.argument("root", metavar="DIR", type=FILE)
@click.option("--output", metavar="FILE.json", type=FILE, required=True, help="Index to write, which training reads.")
@click.option(
    "--report",
    metavar="FILE.json",
    type=FILE,
    help="Also write a list of the rows that were left out, with the reasons.",
)
@click.option(
    "--min-side", type=int, default=64, show_default=True, help="Leave out pictures with a shorter side, in pixels."
)
@debug_option
def command(rows: Path, root: Path, output: Path, report: Path | None, min_side: int) -> None:
    """Match the captions in FILE with the pictures in DIR, and write an index for training.

    FILE: JSON lines of anonymous-captions-114k, of seed-groups or of `analogen world`. DIR: folders of pictures, or
    the shards that img2dataset writes. Each picture is read once; missing, damaged and tiny ones are left out and
    counted.
    """
    check_positive("min-side", min_side)
    check_output([output])
    if report is not None:
        check_output([report])
    with quick_imports(), user_errors():
        from analogen.relsim.data.corpus import Corpus

        show_count = progress_counter()
        corpus = Corpus.build(rows, root, min_side_px=min_side, progress=show_count and partial(show_count, "pictures"))
    corpus.save(output)
    report_of_rows = corpus.report
    if report is not None:
        write_atomic(report, (json.dumps(report_of_rows.to_json(), indent=1, ensure_ascii=False) + "\n").encode())
    groups = len(corpus.members())
    click.echo(
        json.dumps(
            {
                "index": str(output),
                "rows": report_of_rows.rows,
                "kept": report_of_rows.kept,
                "groups": groups,
                "left_out": report_of_rows.counts,
            }
        )
    )
    for kind, count in report_of_rows.counts.items():
        first = next(row.reason for row in report_of_rows.refused if row.kind == kind)
        click.echo(plain_line(f"analogen: {count} {kind}, the first: {first}"), err=True)
