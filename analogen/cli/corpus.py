"""`analogen corpus`: captions matched with pictures and checked, before anything is trained on them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.evaluate_options import FILE, check_positive, counter
from analogen.errors import plain_line, user_errors
from analogen.files import check_output, write_atomic


@click.command("corpus", context_settings=HELP)
@click.argument("rows", metavar="FILE", type=FILE)
@click.argument("root", metavar="DIR", type=FILE)
@click.option("--output", metavar="FILE.json", type=FILE, required=True, help="The index that training reads.")
@click.option("--report", metavar="FILE.json", type=FILE, help="Also every row that is left out, with the reason.")
@click.option("--min-side", type=int, default=64, show_default=True, help="Smaller pictures are left out, in pixels.")
@debug_option
def command(rows: Path, root: Path, output: Path, report: Path | None, min_side: int) -> None:
    """Match the captions in FILE with the pictures in DIR, read every picture once, and write the index.

    FILE: JSON lines of anonymous-captions-114k, of seed-groups or of `analogen world`. DIR: folders of pictures, or
    the shards that img2dataset writes. Missing, damaged and tiny pictures are left out and counted.
    """
    check_positive("min-side", min_side)
    check_output([output])
    if report is not None:
        check_output([report])
    with quick_imports(), user_errors():
        from analogen.relsim.data.corpus import Corpus

        say = counter()
        corpus = Corpus.build(rows, root, min_side_px=min_side, progress=say and partial(say, "pictures"))
    corpus.save(output)
    told = corpus.report
    if report is not None:
        write_atomic(report, (json.dumps(told.to_json(), indent=1, ensure_ascii=False) + "\n").encode())
    groups = len(corpus.members())
    click.echo(
        json.dumps(
            {"index": str(output), "rows": told.rows, "kept": told.kept, "groups": groups, "left_out": told.counts}
        )
    )
    for kind, count in told.counts.items():
        first = next(row.reason for row in told.refused if row.kind == kind)
        click.echo(plain_line(f"analogen: {count} {kind}, the first: {first}"), err=True)
