"""Tells what each kind of pipeline can do, read from its class in the installed diffusers, never from its name.

`load_capabilities` reads the table that `recipes/make_capabilities.py` wrote, which takes milliseconds;
`read_capabilities` reads the classes, which takes as long as importing them. A test holds the two together.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from analogen.pipelines.diffusion.model_defaults import MAX_SIDE_PX, MIN_SIDE_PX, PipelineKind

TABLE = "capabilities.json"


@dataclass(frozen=True)
class Capabilities:
    """What a class takes.

    words, picture   A prompt alone; a picture beside it. picture_needed: it does nothing without one.
    pictures         How many pictures at most.
    start, control   The drawn layout as a starting picture, or as the control image of a ControlNet.
    boxes            The dialect of its boxes, "" if it is told layouts in words.
    adapter          A relational adapter. style: a picture for its looks.
    lora             LoRAs. negative_prompt: what not to show.
    side_px, unit_px, min_px, max_px  Default side, and the sides that it makes: multiples of unit_px.
    steps, guidance  Defaults; guidance None is the pipeline's own.
    """

    words: bool
    picture: bool
    picture_needed: bool
    pictures: int
    start: bool
    control: bool
    boxes: str
    adapter: bool
    style: bool
    lora: bool
    negative_prompt: bool
    side_px: int
    unit_px: int
    min_px: int
    max_px: int
    steps: int
    guidance: float | None


def load_capabilities() -> dict[str, Capabilities]:
    """By name of the class, as written."""
    text = (files(__package__) / TABLE).read_text(encoding="utf-8")
    return {name: Capabilities(**row) for name, row in json.loads(text)["classes"].items()}


def to_json(found: dict[str, Capabilities], version: str) -> str:
    """The text of the table. version: of the diffusers that was read."""
    rows = {name: asdict(row) for name, row in found.items()}
    return json.dumps({"diffusers": version, "classes": rows}, indent=1) + "\n"


def read_capabilities(kind: PipelineKind, class_name: str) -> Capabilities:
    """What a class can do, from the class itself: the arguments of its call, what it inherits, and its relatives."""
    import diffusers
    from diffusers.modular_pipelines import ModularPipeline

    from analogen.pipelines.adapter.families import FAMILY_OF_KIND
    from analogen.pipelines.diffusion.loading import call_arguments
    from analogen.pipelines.diffusion.modular import arguments_of, blocks_of

    cls: Any = getattr(diffusers, class_name)
    modular = issubclass(cls, ModularPipeline)
    takes = arguments_of(blocks_of(class_name)) if modular else call_arguments(cls)
    picture = bool({"image", "images", "input_images"} & set(takes)) and "strength" not in takes
    has_adapter = hasattr(cls, "load_ip_adapter")
    return Capabilities(
        words="prompt" in takes and kind.takes != "picture",
        picture=picture,
        picture_needed=kind.takes == "picture",
        pictures=kind.pictures if picture else 0,
        start=_starts(cls, takes),
        control=_is_controlled(cls),
        boxes=kind.boxes,
        adapter=has_adapter and kind.name in FAMILY_OF_KIND,
        style=(has_adapter and kind.style) or (picture and kind.pictures > 1),
        lora=hasattr(cls, "load_lora_weights"),
        negative_prompt="negative_prompt" in takes,
        side_px=kind.side_px, unit_px=kind.unit_px, min_px=MIN_SIDE_PX, max_px=MAX_SIDE_PX, steps=kind.steps,
        guidance=kind.guidance,
    )  # fmt: skip


def _starts(cls: Any, takes: dict[str, Any]) -> bool:
    """Whether it, or its relative for pictures, starts from one that is painted over by a strength."""
    from diffusers.pipelines import auto_pipeline

    from analogen.pipelines.diffusion.loading import call_arguments

    if {"image", "strength"} <= set(takes):
        return True
    mapping = auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING
    relative = auto_pipeline._get_task_class(mapping, cls.__name__, throw_error_if_not_exist=False)
    return relative is not None and "strength" in call_arguments(relative)


def _is_controlled(cls: Any) -> bool:
    """Whether diffusers has a pipeline of the same model that takes a ControlNet."""
    from diffusers.pipelines import auto_pipeline

    name = auto_pipeline._get_model(cls.__name__)
    return name is not None and f"{name}-controlnet" in auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING
