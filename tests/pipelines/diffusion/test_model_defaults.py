"""Promises of the table of defaults: what a class of diffusers says of itself, the table says too."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import diffusers
import pytest
from diffusers.modular_pipelines import ModularPipeline

from analogen.models import MODELS
from analogen.pipelines.diffusion.loading import call_arguments, pipeline_kind
from analogen.pipelines.diffusion.model_defaults import KINDS, PipelineKind
from analogen.pipelines.diffusion.modular import arguments_of, blocks_of
from analogen.pipelines.diffusion.tiny import TINY_PIPELINES, save_pipeline

EVERY = [(kind, name) for kind in KINDS for name in kind.pipelines]


def is_modular(name: str) -> bool:
    return issubclass(getattr(diffusers, name), ModularPipeline)


def arguments(name: str) -> dict[str, Any]:
    """The arguments of a class's call, with their defaults; of the first block that has one, for blocks."""
    if not is_modular(name):
        return call_arguments(getattr(diffusers, name))
    found = arguments_of(blocks_of(name))
    for block in blocks_of(name).sub_blocks.values():
        for inner in (block, *leaves(block)):
            for one in inner.inputs:
                if found.get(one.name) is None and one.default is not None:
                    found[one.name] = one.default
    return found


def leaves(block: Any) -> list[Any]:
    return [one for inner in getattr(block, "sub_blocks", {}).values() for one in (inner, *leaves(inner))]


def version_of(kind: PipelineKind, name: str) -> PipelineKind:
    """The kind as it is for one of its classes."""
    told = [one for one in kind.versions if one.key == "_class_name" and one.value == name]
    return (
        PipelineKind(kind.name, kind.title, (name,), steps=told[0].steps, guidance=told[0].guidance) if told else kind
    )


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=[name for _, name in EVERY])
def test_steps_and_guidance_are_the_classes_own_or_say_why_not(kind: PipelineKind, name: str) -> None:
    takes, told = arguments(name), version_of(kind, name)
    guidance = takes.get(kind.guidance_name)
    own_guidance = "guidance_schedule" in takes or "guider" in component_names(name) or kind.guidance_name not in takes
    same = takes["num_inference_steps"] == told.steps
    same = same and (told.guidance in (None, 1.0) if own_guidance else guidance == told.guidance)
    assert same != bool(kind.departs), f"{name} has {takes['num_inference_steps']} steps and guidance {guidance}"


def component_names(name: str) -> set[str]:
    if is_modular(name):
        return {one.name for one in blocks_of(name).expected_components}
    return set(inspect.signature(getattr(diffusers, name).__init__).parameters)


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=[name for _, name in EVERY])
def test_a_class_that_knows_distilled_versions_has_their_few_steps(kind: PipelineKind, name: str) -> None:
    if "is_distilled" in inspect.signature(getattr(diffusers, name).__init__).parameters:
        (distilled,) = [one for one in kind.versions if (one.key, one.value) == ("is_distilled", True)]
        assert distilled.steps <= 8
        assert (distilled.guidance or 0) <= 1


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=[name for _, name in EVERY])
def test_every_listed_kind_takes_what_its_row_says(kind: PipelineKind, name: str) -> None:
    takes = arguments(name)
    assert "prompt" in takes
    assert ("image" in takes) >= (kind.takes != "words")
    assert (kind.pictures > 0) == (kind.takes != "words")
    side = takes.get("height")
    if isinstance(side, int) and not is_modular(name):
        assert side == kind.side_px
    for argument in kind.encoded:
        assert not argument or argument in takes
    if kind.encoded:
        assert "prompt" in inspect.signature(getattr(diffusers, name).encode_prompt).parameters


@pytest.mark.parametrize(
    ("name", "settings", "steps", "guidance"),
    [
        ("klein", {"is_distilled": True}, 4, 1.0),
        ("klein", {}, 50, 4.0),
        ("z-image", {"shift": 3.0}, 8, 0.0),
        ("z-image", {"shift": 6.0}, 50, 4.0),
        ("krea2", {"is_distilled": True}, 8, 0.0),
        ("krea2", {}, 28, 4.5),
        ("flux3", {"distilled": True}, 16, None),
        ("flux3", {}, 50, None),
    ],
)
def test_versions_are_told_by_their_files(
    name: str, settings: dict[str, Any], steps: int, guidance: float | None, tmp_path: Path
) -> None:
    pipeline = TINY_PIPELINES[name](**settings)
    if isinstance(pipeline, ModularPipeline):
        pipeline.save_pretrained(str(tmp_path), overwrite_modular_index=True)
    else:
        pipeline.save_pretrained(tmp_path)
    kind = pipeline_kind(tmp_path)
    assert (kind.name, kind.steps, kind.guidance) == (name, steps, guidance)


def test_schnell_and_the_sizes_of_sd35_are_told_by_their_transformer(tmp_path: Path) -> None:
    for name, key, value, steps, guidance in (
        ("flux", "guidance_embeds", False, 4, 0.0),
        ("sd3", "num_layers", 24, 40, 4.5),
        ("sd3", "num_layers", 38, 28, 3.5),
    ):  # fmt: skip
        folder = save_pipeline(tmp_path / f"{name}-{value}", name)
        config = folder / "transformer" / "config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), key: value}))
        kind = pipeline_kind(folder)
        assert (kind.steps, kind.guidance) == (steps, guidance)


def test_models_that_only_their_name_tells_apart_bring_their_own_steps() -> None:
    turbo = next(model for model in MODELS if model.name == "ernie-image-turbo")
    assert (turbo.steps, turbo.guidance) == (8, 1.0)
    assert {model.kind for model in MODELS if not model.is_mini} <= {kind.name for kind in KINDS}
