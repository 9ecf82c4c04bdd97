"""`analogen models`: what --model can name."""

from __future__ import annotations

import dataclasses
import json

import click

from analogen.cli import HELP, debug_option
from analogen.models import MODELS


@click.command("models", context_settings=HELP)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@debug_option
def command(format_: str) -> None:
    """List the models that --model can name."""
    if format_ == "json":
        click.echo(json.dumps({"models": [{**dataclasses.asdict(model), "state": model.state} for model in MODELS]}))
        return
    rows = [("name", "base", "route", "licence", "good for", "state")]
    rows += [(m.name, m.base, m.route, m.licence, m.use, m.state) for m in MODELS]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
