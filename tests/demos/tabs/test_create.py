"""Tests of Create's settings, the roles of pictures, and what /create does with them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from studio_server import EXAMPLES, FEW_STEPS

from analogen import UserError
from analogen.cli import main
from analogen.demos.jobs.grounds import NO_GROUND
from analogen.demos.roles import BECOMES, STYLE, SUBJECT
from analogen.demos.scene_editor.service import SceneService
from analogen.demos.studio import Studio
from analogen.demos.tabs.create_endpoints import kept_ground, picture_settings
from analogen.demos.tabs.create_settings import SHAPES, field_values, settings_of, shape_of, size_of
from analogen.metadata import read_metadata

OWLS = EXAMPLES / "ring_of_owls.png"
VALUES = {
    "candidates": 4, "keep": 6, "shape": "Square", "side": 512, "seed": "", "strength": 1.0, "auto_structure": True,
    "structure": 0.5, "steps": 24, "other": " ", "style": "", "palette": "", "svg": True,
}  # fmt: skip


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    found = Studio(tmp_path / "studio", device="cpu")
    yield found
    found.close()


@pytest.fixture
def cutout(tmp_path: Path) -> Path:
    image = Image.new("RGBA", (60, 60))
    image.paste("teal", (12, 12, 48, 48))
    image.save(tmp_path / "teal box.png")
    return tmp_path / "teal box.png"


def test_settings_come_back_to_the_fields_that_gave_them() -> None:
    given = {**VALUES, "seed": "7", "auto_structure": False, "structure": 0.25, "style": "noto", "shape": "Wide 16:9"}
    settings = settings_of(given, None)
    assert (settings["structure_scale"], settings["num_images"], settings["style"]) == (0.25, 4, "noto")
    shown = field_values(settings)
    for name in ("seed", "auto_structure", "structure", "style", "shape", "side", "candidates", "steps"):
        assert shown[name] == given[name], name


def test_the_arrangement_is_automatic_unless_the_slider_says_so() -> None:
    assert settings_of(VALUES, None)["structure_scale"] is None
    assert field_values(settings_of(VALUES, None))["auto_structure"] is True


@pytest.mark.parametrize("seed", ["-1", "1.5", "x", str(2**63)])
def test_a_seed_that_is_none_is_refused_with_its_field(seed: str) -> None:
    with pytest.raises(UserError, match=r"^seed is "):
        settings_of({**VALUES, "seed": seed}, None)


@pytest.mark.parametrize("shape", list(SHAPES))
def test_each_shape_has_a_size_that_models_make(shape: str) -> None:
    width, height = size_of(shape, 1024)
    assert max(width, height) == 1024
    assert width % 16 == height % 16 == 0
    assert shape_of(width, height) == (shape, 1024)


def test_roles_are_open_where_the_model_takes_them_and_say_why_elsewhere() -> None:
    assert SUBJECT.refusal("mini") == BECOMES.refusal("mini") == STYLE.refusal("sdxl") == ""
    assert "need a diffusion model" in STYLE.refusal("mini")
    for role, model in ((STYLE, "sd35"), (SUBJECT, "sdxl")):
        refusal = role.refusal(model)
        assert refusal.endswith(".")
        assert "--" not in refusal


def wait_for_end(studio: Studio, run: int) -> Any:
    end = time.monotonic() + 120
    while not (status := studio.status(run)).ended:
        assert time.monotonic() < end, status
        time.sleep(0.05)
    return status


def test_a_run_is_drawn_with_own_pictures_and_own_art(studio: Studio, cutout: Path) -> None:
    given = picture_settings(studio, str(cutout), None, None, [str(cutout)])
    assert given["subject_image"].endswith("/teal box.png")
    assert str(studio.output) not in str(given)
    studio.start()
    settings = {
        **given, "candidates": 1, "width": 128, "height": 128, "steps": FEW_STEPS, "seed": 3, "structure_scale": 1.0,
    }  # fmt: skip
    status = wait_for_end(studio, studio.submit(settings, [studio.files.save_reference(OWLS)], ["teal box"]))
    assert [job.state for job in status.jobs] == ["done", "done"], [job.error for job in status.jobs]
    for job in status.jobs:
        with Image.open(studio.files.pictures / job.result["images"][0]["path"]) as picture:
            colors = picture.convert("RGB").resize((32, 32)).getcolors(1024)
        assert any(color[0] < 60 and 90 < color[1] < 170 for _, color in colors), "no teal in the picture"


def test_pictures_lie_on_nothing_or_on_an_own_picture_also_after_an_edit(studio: Studio, tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), "#204060").save(tmp_path / "ground.png")
    studio.start()
    service, reference = SceneService(studio), studio.files.save_reference(OWLS)
    small = {"candidates": 1, "width": 128, "height": 128, "steps": FEW_STEPS, "seed": 3, "svg": True}
    for ground, mode, corner in (
        (NO_GROUND, "RGBA", (0, 0, 0, 0)), (kept_ground(studio, str(tmp_path / "ground.png")), "RGB", (32, 64, 96)),
    ):  # fmt: skip
        (job,) = wait_for_end(studio, studio.submit(small, [reference], ["bicycle"], ground=ground)).jobs
        assert job.state == "done", job.error
        edited = service.save(job.id, 0, json.dumps(service.picture_of(job.id, 0)["scene"]))
        for name in (job.result["images"][0]["path"], edited["path"]):
            with Image.open(studio.files.pictures / name) as picture:
                assert (picture.mode, picture.getpixel((1, 1))) == (mode, corner)
            drawing = (studio.files.pictures / name).with_suffix(".svg")
            assert 'id="background"' not in drawing.read_text(encoding="utf-8")


@pytest.mark.parametrize("own", [False, True], ids=["none", "own picture"])
def test_recall_makes_a_picture_on_another_ground_again(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str], own: bool
) -> None:
    Image.radial_gradient("L").convert("RGB").save(tmp_path / "ground.png")
    studio.start()
    ground = kept_ground(studio, str(tmp_path / "ground.png")) if own else NO_GROUND
    reference, service = studio.files.save_reference(OWLS), SceneService(studio)
    small = {"candidates": 1, "width": 128, "height": 128, "steps": FEW_STEPS, "seed": 3}
    (job,) = wait_for_end(studio, studio.submit(small, [reference], ["bicycle"], ground=ground)).jobs
    assert job.state == "done", job.error
    edited = service.save(job.id, 0, json.dumps(service.picture_of(job.id, 0)["scene"]))
    kept = studio.files.kept(ground)
    options = ["--reference", str(studio.files.references / reference), "--device", "cpu"]
    for name in (job.result["images"][0]["path"], edited["path"]):
        made, again = studio.files.pictures / name, tmp_path / f"again-{name}"
        recall = ["generate", "--recall", str(made), *options, "--output", str(again)]
        if own:
            assert main(recall) == 2
            assert "--ground" in capsys.readouterr().err
        assert main([*recall, *(["--ground", str(kept)] if own else [])]) == 0
        with Image.open(made) as one, Image.open(again) as other:
            assert one.mode == other.mode == ("RGB" if own else "RGBA")
            apart = np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16))
        assert (apart > 8).mean() < 0.01, "another picture"
        assert read_metadata(again)["ground"] == read_metadata(made)["ground"]


def test_a_run_by_a_picture_alone_needs_no_name(studio: Studio, cutout: Path) -> None:
    given = picture_settings(studio, str(cutout), None, None, None)
    run = studio.submit({**given, "seed": 1}, [studio.files.save_reference(OWLS)], [])
    assert len(studio.status(run).jobs) == 1
    with pytest.raises(UserError, match="Name at least one subject"):
        studio.submit({"seed": 1}, [studio.files.save_reference(OWLS)], [])
