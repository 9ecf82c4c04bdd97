"""`analogen models`: lists the models for --model."""

from __future__ import annotations

import dataclasses
import json

import click

from analogen.cli import HELP, debug_option
from analogen.cli.common_options import format_option
from analogen.models import MODELS, capabilities_of


@click.command("models", context_settings=HELP)
@format_option
@debug_option
def command(format_: str) -> None:
    """List the models for --model, with their sizes, licences and whether they are downloaded."""
    from analogen.relsim.hub import is_cached

    cached = {model.name: model.is_mini or is_cached(model.base) for model in MODELS}
    if format_ == "json":
        rows_json = [
            {
                **dataclasses.asdict(model),
                "parts": dict(model.parts),
                "cached": cached[model.name],
                "capabilities": capabilities_of(model),
            }
            for model in MODELS
        ]
        click.echo(json.dumps({"models": rows_json}))
        return
    rows: list[tuple[str, ...]] = [
        ("name", "good for", "route", "disk", "16 bit: all / one at a time", "32 bit", "cached", "licence", "base")
    ]
    for m in MODELS:
        size = ["50 MB", "-", "on the CPU"] if m.is_mini else ["?", "?", "?"] if not m.parts else [
            f"{m.weight_gb(2):.0f} GB", f"{m.weight_gb(2):.0f} / {m.weight_gb(2, together=False):.0f} GB",
            f"{m.weight_gb(4):.0f} / {m.weight_gb(4, together=False):.0f} GB",
        ]  # fmt: skip
        gate = " (accept it on the hub)" if m.gated else ""
        state = "shipped" if m.is_mini else "yes" if cached[m.name] else "no"
        rows.append((m.name, m.use, m.route, *size, state, m.licence + gate, m.base))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    click.echo(
        "\nMemory is that of the weights; a running model needs about 3 GB more. One at a time: the largest part, if"
    )
    click.echo(
        "the parts take turns on the GPU. --model also takes the folder or hub id of any other diffusers pipeline."
    )
