"""Options that `generate` and `batch` share: how pictures are made, whatever of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from analogen.models import MODELS
from analogen.types import DTYPES

_OPTIONS = (
    click.option("--style", metavar="NAME", help="Art family."),
    click.option("--svg/--no-svg", default=False, help="Write a layered SVG beside each PNG."),
    click.option("--layout/--no-layout", default=False, help="Let mini's scene guide a big model."),
    click.option("--num-images", type=int, default=1, show_default=True, help="Pictures to keep, 1 to 256."),
    click.option(
        "--candidates", type=int, default=4, show_default=True, help="Pictures to make and score; the best are kept."
    ),
    click.option(
        "--model",
        metavar="NAME",
        default="mini",
        show_default=True,
        help=f"One of {', '.join(model.name for model in MODELS)}.",
    ),
    click.option("--steps", type=int, help="Sampling steps."),
    click.option("--guidance-scale", type=float, help="How strictly to follow the relation."),
    click.option(
        "--relation-scale", type=float, default=1.0, show_default=True, help="Strength of the relation; 0 = none."
    ),
    click.option("--negative-prompt", metavar="TEXT", help="What to keep away from."),
    click.option("--width", type=int, default=1024, show_default=True, help="Pixels, 64 to 4096."),
    click.option("--height", type=int, default=1024, show_default=True, help="Pixels, 64 to 4096."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps."),
    click.option("--dtype", type=click.Choice(DTYPES), default="auto", show_default=True),
    click.option(
        "--metadata/--no-metadata", default=True, show_default=True, help="Record settings, scores and seed in the PNG."
    ),
)


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """All of them on a command, in this order of its help."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
