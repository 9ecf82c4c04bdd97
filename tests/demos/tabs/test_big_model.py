"""Tests of what Create says of a diffusion model before it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("gradio", reason='the studio needs Gradio: pip install "analogen[demo]"')

from studio_server import EXAMPLES

from analogen import UserError
from analogen.demos.studio import Studio
from analogen.demos.tabs.big_model import needs, prompt_of


def test_memory_and_licence_are_told_for_diffusion_models_alone() -> None:
    assert needs("mini") == ""
    assert "10 GB of GPU memory" in needs("sdxl")
    assert "OpenRAIL" in needs("sdxl")
    assert "once it is downloaded" in needs("some/model")


def test_the_prompt_is_shown_before_anything_is_loaded(tmp_path: Path) -> None:
    studio = Studio(tmp_path, "sdxl", device="cpu")
    try:
        reference = studio.files.save_reference(EXAMPLES / "ring_of_owls.png")
        told = prompt_of(studio, {"width": 1024, "height": 1024}, [reference], "bicycle")
        assert "bicycle" in told
        with pytest.raises(UserError, match="Name at least one subject"):
            prompt_of(studio, {}, [reference], " ")
        assert not studio.is_loaded
    finally:
        studio.close()
