"""Readings of whole pictures: from perfect cells, as JSON, and of pictures that there is nothing to read in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cells import perfect_cells
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from analogen.relsim.mini.model import MiniConfig, MiniNet
from analogen.relsim.mini.reading import (
    SceneReading,
    described,
    read_scene,
    read_scenes,
    reading_from_cells,
    reading_from_json,
    reading_of,
    reading_to_json,
)
from analogen.relsim.mini.reading.overlay import overlay
from analogen.relsim.world.dataset import draw_sample, training_selection
from analogen.relsim.world.grammar import draw_composition, parse
from analogen.relsim.world.render import render
from analogen.relsim.world.robustness import FRAMINGS
from analogen.relsim.world.scene import Element, Scene, to_json


@pytest.fixture(scope="module")
def net() -> MiniNet:
    torch.manual_seed(0)
    config = MiniConfig(image_size=64, trunk="efficientnet-lite0", dense_dim=8, dim=32, depth=1, heads=2)
    return MiniNet(config).eval()


def drawn(id: str, seed: int = 0, side: int = 256) -> tuple[Scene, Image.Image]:
    rng = np.random.default_rng(seed)
    scene = draw_sample(parse(id).relation(), training_selection(), rng, hard=False).scene
    return scene, Image.fromarray(render(scene, side))


@pytest.mark.parametrize(
    "id",
    [
        "ring/none/alike/none", "lattice/none/one_odd/none", "row/shrinking/alike/none",
        "pyramid/none/alternating/none", "arch/fading/alike/none", "single/none/alike/behind_bars",
        "row/none/one_grey/on_shelf", "wedge/none/one_shadow/none", "row/turning/alike/none",
        "column/none/one_large/none",
    ],
)  # fmt: skip
def test_pictures_with_a_perfect_head_are_read_as_drawn(id: str) -> None:
    right = 0
    for seed in range(5):
        scene, image = drawn(id, seed)
        reading = reading_from_cells(image, perfect_cells(scene))
        assert reading.count == len(scene.things)
        right += reading.rule.composition == id
    assert right >= 3  # round things do not show their turns, white ones no colour


def test_looks_are_measured_where_the_head_says_nothing() -> None:
    """Fading from the pixels alone: the levels of all things say "whole"."""
    scene, image = drawn("row/fading/alike/none", 1)
    plain = Scene(tuple(replace(e, opacity=1.0) if e.is_thing else e for e in scene.elements))
    reading = reading_from_cells(image, perfect_cells(plain))
    opacities = [e.opacity for e in sorted(reading.scene.things, key=lambda e: e.x)]
    assert opacities[0] == 1
    assert opacities[-1] < 0.45
    assert reading.rule.progression == "fading"


def test_places_of_wide_pictures_are_in_their_own_frame() -> None:
    elements = tuple(Element("subject", x, 0.0, 0.5) for x in (-1.2, 0.0, 1.2))
    scene = Scene(elements)
    image = Image.fromarray(render(scene, 384, 192))
    # In the square that the network sees, everything is half as large.
    square = Scene(tuple(replace(e, x=e.x / 2, size=e.size / 2) for e in elements))
    reading = reading_from_cells(image, perfect_cells(square))
    assert reading.size == (384, 192)
    np.testing.assert_allclose([e.x for e in reading.scene.things], [-1.2, 0, 1.2], atol=0.01)
    np.testing.assert_allclose([e.size for e in reading.scene.things], 0.5, rtol=0.01)
    again = render(reading.scene, 384, 192)
    assert again.shape == (192, 384, 3)


def test_plain_and_shaded_grounds_are_estimated() -> None:
    scene, _ = drawn("row/none/alike/none", 3)
    for kind, color, color2 in (("plain", "#3366aa", "#3366aa"), ("gradient", "#203040", "#90a0b0")):
        ground = replace(scene.background, kind=kind, color=color, color2=color2, turn=90.0)
        image = Image.fromarray(render(replace(scene, background=ground), 256))
        found = reading_from_cells(image, perfect_cells(scene)).scene.background
        assert found.kind == kind
        for told, true in ((found.color, color), (found.color2, color2)):
            channels = [(int(told[i : i + 2], 16), int(true[i : i + 2], 16)) for i in (1, 3, 5)]
            assert max(abs(a - b) for a, b in channels) <= 8


def test_a_border_is_cut_and_noted(net: MiniNet) -> None:
    _, image = drawn("ring/none/alike/none")
    framed = Image.fromarray(FRAMINGS["margin_20_black"](np.asarray(image)).pixels)
    whole, cut = read_scenes([image, framed], net)
    assert cut.crop == (51, 51, 307, 307)
    assert "border was cut" in cut.notes[0]
    assert cut.scene == whole.scene
    assert cut.sentence == whole.sentence


def written(lines: int) -> Image.Image:
    page = Image.new("RGB", (400, 300), "white")
    draw = ImageDraw.Draw(page)
    text = "The quick brown fox jumps over a lazy dog, and then it sleeps in the sun for an hour or two."
    for row in range(lines):
        draw.text((20, 20 + 26 * row), text[5 * row : 5 * row + 30], "black", ImageFont.load_default(17))
    return page


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (Image.new("RGB", (200, 200), "white"), "it is blank"),
        (Image.new("RGB", (200, 100), (12, 40, 90)), "it is blank"),
        (Image.new("RGBA", (200, 200), (255, 0, 0, 0)), "it is blank"),
        (Image.new("RGB", (8, 8), "red"), "it has only 8 x 8 pixels"),
        (written(3), "it shows text alone"),
        (written(9), "it shows text alone"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(net: MiniNet, image: Image.Image, reason: str) -> None:
    reading = read_scene(image, net)
    assert reading.sentence.startswith(f"nothing to read: {reason}")
    assert "\n" not in reading.sentence
    assert (reading.certainty, reading.count, reading.caption) == (0, 0, "")
    assert reading_from_json(reading_to_json(reading)) == reading


@pytest.mark.parametrize("id", ["lattice/none/alike/none", "row/none/alike/none", "ring/none/alike/none"])
def test_rows_of_things_are_no_text(net: MiniNet, id: str) -> None:
    for seed in range(4):
        _, image = drawn(id, seed)
        assert "text" not in read_scene(image, net).sentence


def test_batches_read_as_single_pictures_do(net: MiniNet, tmp_path: Path) -> None:
    pictures = [drawn("ring/none/alike/none", seed)[1] for seed in range(3)]
    path = tmp_path / "one.png"
    pictures[0].save(path)
    assert read_scenes([path, *pictures[1:]], net, batch_size=2)[0].scene == read_scene(pictures[0], net).scene


def test_encoders_without_a_dense_head_are_refused() -> None:
    with pytest.raises(ValueError, match="has no dense head"):
        read_scene(Image.new("RGB", (64, 64)), MiniNet(MiniConfig(image_size=32, dim=32, heads=2, depth=1)))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_json_gives_the_reading_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene = draw_sample(draw_composition(rng).relation(), training_selection(), rng, hard=False).scene
    reading = reading_of(scene, (640, 480))
    assert reading_from_json(reading_to_json(reading)) == reading
    unsure = replace(reading, confidences=tuple(float(v) for v in rng.random(len(scene.elements))))
    assert reading_from_json(reading_to_json(unsure)) == unsure


def test_a_scene_is_a_reading_and_an_edited_reading_is_described_anew() -> None:
    scene, _ = drawn("ring/none/alike/none")
    reading = reading_from_json(to_json(scene))
    assert reading.scene == scene
    assert reading.rule.arrangement == "ring"
    data = json.loads(reading_to_json(reading))
    data["elements"][1]["kind"] = "other"
    del data["elements"][1]["confidence"], data["elements"][1]["group"], data["reading"]["sentence"]
    edited = reading_from_json(json.dumps(data))
    assert edited.sentence.endswith("in a ring, one of them different")
    assert described(edited) == edited


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a reading"),
        ("[]", "expected a JSON object"),
        ("{}", "expected a JSON object with elements"),
        ('{"elements": 3}', "expected a JSON object with elements"),
        ('{"elements": [3]}', "not a reading"),
        ('{"elements": [], "readings": {}}', "readings"),
        ('{"elements": [], "reading": []}', "expected an object"),
        ('{"elements": [], "reading": {"extra": 1}}', "unknown key 'extra'"),
        ('{"elements": [], "reading": {"size": [0, 5]}}', "sides of 1 to"),
        ('{"elements": [], "reading": {"size": [1e400, 5]}}', "whole numbers"),
        ('{"elements": [], "reading": {"notes": [1]}}', "list of texts"),
        ('{"elements": [{"kind": "subject", "x": 0, "y": 0, "size": 1, "confidence": 2}]}', "number in [0, 1]"),
        ('{"elements": [{"kind": "subject", "x": 0, "y": 0, "size": 1, "confidence": NaN}]}', "number in [0, 1]"),
        ('{"elements": [{"kind": "subject", "x": 0, "y": 0, "size": 1, "group": "a"}]}', "whole number"),
        ('{"elements": [{"kind": "cat", "x": 0, "y": 0, "size": 1}]}', "unknown kind"),
        ('{"elements": [' + ", ".join(['{"kind": "subject", "x": 0, "y": 0, "size": 1}'] * 70) + "]}", "at most 64"),
        ('{"elements": [], "reading": {"rule": {"setting": "blob"}, "sentence": "", "caption": "", "certainty": 0}}',
         "setting is 'blob'"),
        ('{"elements": [], "reading": {"rule": 3, "sentence": "", "caption": "", "certainty": 0}}', "rule is 3"),
        ("[" * 100_000, "not a reading"),
        ('{"elements": [], "x": "' + "y" * 5_000_000 + '"}', "at most"),
    ],
)  # fmt: skip
def test_hostile_json_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="not a ") as refused:
        reading_from_json(text)
    message = str(refused.value)
    assert reason in message
    assert "\n" not in message
    assert len(message) < 400


def test_the_overlay_shows_boxes_and_the_sentence() -> None:
    scene, image = drawn("row/none/one_odd/none")
    reading = reading_from_cells(image, perfect_cells(scene))
    page = overlay(image, reading)
    assert page.width >= 640
    assert page.height > page.width  # the sentence below
    assert len(set(page.tobytes())) > 100
    blank = SceneReading(
        Scene(()), (), (), sentence="nothing to read: it is blank", size=(256, 256), crop=(0, 0, 256, 256)
    )
    assert overlay(image, blank).width == page.width
