"""Promises of the capability table: it is what the classes say, and what they do."""

from __future__ import annotations

import json

import diffusers
import pytest

from analogen.cli import main
from analogen.models import MODELS
from analogen.pipelines.diffusion.capabilities import load_capabilities, read_capabilities
from analogen.pipelines.diffusion.model_defaults import KINDS
from analogen.pipelines.diffusion.style_choice import STYLE_ADAPTERS

EVERY = [(kind, name) for kind in KINDS for name in kind.pipelines]


def test_the_written_table_is_what_the_classes_say() -> None:
    written = load_capabilities()
    assert written == {name: read_capabilities(kind, name) for kind, name in EVERY}, (
        "run: python recipes/make_capabilities.py"
    )
    assert diffusers.__version__


def test_what_the_table_says_of_well_known_classes() -> None:
    table = load_capabilities()
    sdxl, kontext, klein = (
        table[name] for name in ("StableDiffusionXLPipeline", "FluxKontextPipeline", "Flux2KleinPipeline")
    )
    assert (sdxl.words, sdxl.picture, sdxl.start, sdxl.control, sdxl.adapter) == (True, False, True, True, True)
    assert (kontext.words, kontext.picture_needed, kontext.start, kontext.pictures) == (False, True, False, 1)
    assert (klein.words, klein.picture, klein.picture_needed, klein.control) == (True, True, False, False)
    assert {name for name, row in table.items() if row.boxes} == {
        "Flux3ModularPipeline", "Flux3DistilledModularPipeline", "Ideogram4Pipeline", "BriaFibo2Pipeline",
    }  # fmt: skip
    assert {kind.name for kind in KINDS if kind.style} == set(STYLE_ADAPTERS)


def test_models_tells_capabilities_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["models"]
    assert len(rows) == len(MODELS)
    found = {row["name"]: row["capabilities"] for row in rows}
    assert found["flux3-klein"]["boxes"] == "flux3"
    assert found["qwen-edit-2511"]["pictures"] == 3
    assert found["klein"]["steps"] == 4
    assert found["ernie-image-turbo"]["steps"] == 8
    assert found["mini"] == {"words": True, "picture": True, "pictures": 64, "boxes": "json", "negative_prompt": False,
                             "adapter": False, "lora": False, "style": False, "min_px": 64, "max_px": 4096}  # fmt: skip
