"""Options that `generate` and `batch` share: how pictures are made, whatever of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from analogen.models import MODELS
from analogen.pipelines.diffusion.runtime import ATTENTION, OFFLOADS, QUANTIZATIONS
from analogen.types import CONTROLS, DTYPES, NATIVE

_OPTIONS = (
    click.option("--style", metavar="NAME", help="Art family; for big models words that end the prompt."),
    click.option("--svg/--no-svg", default=False, help="Write a layered SVG beside each PNG."),
    click.option("--num-images", type=int, default=1, show_default=True, help="Pictures to keep, 1 to 256."),
    click.option(
        "--candidates", type=int, default=4, show_default=True, help="Pictures to make and score; the best are kept."
    ),
    click.option(
        "--model",
        metavar="NAME",
        default="mini",
        show_default=True,
        help=f"One of {', '.join(model.name for model in MODELS)}; a folder of a diffusers pipeline; or a hub id.",
    ),
    click.option("--steps", type=int, help="Sampling steps."),
    click.option("--guidance-scale", type=float, help="How strictly to follow the relation."),
    click.option(
        "--relation-scale", type=float, default=1.0, show_default=True, help="Strength of the relation; 0 = none."
    ),
    click.option("--negative-prompt", metavar="TEXT", help="What to keep away from."),
    click.option("--width", type=int, default=NATIVE, show_default="the model's own", help="Pixels, 64 to 4096."),
    click.option("--height", type=int, default=NATIVE, show_default="the model's own", help="Pixels, 64 to 4096."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps."),
    click.option("--dtype", type=click.Choice(DTYPES), default="auto", show_default=True),
    click.option(
        "--metadata/--no-metadata", default=True, show_default=True, help="Record settings, scores and seed in the PNG."
    ),
    # Big models
    click.option("--encoder", metavar="NAME", help="Who reads relations: mini, a folder or hub id."),
    click.option("--captioner", metavar="NAME", help="Who puts them in words: mini, a folder or hub id."),
    click.option("--adapter", metavar="DIR", help="Relational adapter for the model, see docs/big_models.md."),
    click.option(
        "--adapter-strength",
        metavar="TEXT",
        help="When and where it acts: start=0.2,end=0.8,ease=out,up_blocks.1=0.5,rest=0.",
    ),
    click.option("--layout/--no-layout", default=False, help="Let mini's scene guide a big model."),
    click.option("--control", type=click.Choice(CONTROLS), help="The scene is such a control image, not the start."),
    click.option("--control-model", metavar="NAME", help="ControlNet for --control, if not a known one."),
    click.option("--strength", type=float, help="How far the scene is painted over, or followed, 0 to 1."),
    click.option("--lora", metavar="PATH[:SCALE]", multiple=True, help="LoRA of the model; may be repeated."),
    click.option("--quantize", type=click.Choice(QUANTIZATIONS), help="Large weights in fewer bits, by bitsandbytes."),
    click.option("--attention-backend", type=click.Choice(ATTENTION), help="Another kernel than PyTorch's own."),
    click.option("--cpu-offload", type=click.Choice(OFFLOADS), help="On the GPU one model, or one layer, at a time."),
    click.option("--compile/--no-compile", default=False, help="Slow to start, faster for many pictures."),
)


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """All of them on a command, in this order of its help."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
