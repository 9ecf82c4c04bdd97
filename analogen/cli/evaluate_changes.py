"""`analogen evaluate changes`: measures A : A' :: B : ?, the change between two pictures made to a third."""

from __future__ import annotations

import json

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.evaluate_options import MODEL, check_positive
from analogen.errors import user_errors
from analogen.models import check_device, pick_device


@click.command("changes", context_settings=HELP)
@click.option(
    "--rows", type=int, default=200, show_default=True, help="How many analogies of the relational world to try."
)
@MODEL
@debug_option
def changes(rows: int, encoder: str, seed: int, device: str, dtype: str) -> None:
    """Measure how often the change between two scenes is made rightly to a third; one JSON line per kind of change.

    Rows are drawn whose right answer is held out, and judged by its checker: first on exact scenes, then on what mini
    reads in drawn pictures. Two ways that need no change are measured too: copying the second scene with the subject of
    the third, and leaving the third as it is.
    """
    check_positive("rows", rows)
    check_device(device)
    with quick_imports(), user_errors():
        from analogen.evaluation.changes import run_changes
        from analogen.relsim.encoder import load_reader

        # On the CPU by default, as the figures of the docs.
        place = "cpu" if device == "auto" else pick_device(device)
        load_reader(encoder, place)
    for row in run_changes(rows, seed, encoder, place):
        click.echo(json.dumps(row))
