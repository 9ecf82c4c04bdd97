"""Options that many commands share: --format, --device, --dtype and --encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DEVICE_HELP = "Where to compute: auto, cpu, cuda, cuda:1 or mps. auto takes an accelerator if there is one."
DTYPE_HELP = "Number format of the weights: auto, float32, bfloat16 or float16."

format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Print results as text for people, or as JSON for programs.",
)
device_option = click.option("--device", default="auto", show_default=True, help=DEVICE_HELP)
dtype_option = click.option(
    "--dtype", default="auto", show_default=True, help=f"{DTYPE_HELP} For models on Qwen2.5-VL."
)
encoder_option = click.option(
    "--encoder",
    default="mini",
    show_default=True,
    help="Encoder that embeds the pictures: mini, or the folder or hub id of another one.",
)


def combined(*options: Decorator) -> Decorator:
    """One decorator for several options, in the order of the help."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
