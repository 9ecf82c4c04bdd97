"""Promises of layouts as data: each dialect says what the scene shows, as the library that reads it reads it back."""

from __future__ import annotations

import json

import pytest
from diffusers import BriaFibo2Pipeline
from diffusers.modular_pipelines.flux3.prompt_upsampler import (
    boxes_to_canvas,
    split_caption,
    valid_added_row,
    valid_canvas_box,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from analogen.pipelines.diffusion.layout_boxes import (
    BACKGROUND,
    GRID,
    Box,
    boxes_of,
    layout_json,
    layout_words,
    moved,
    place_in_words,
    written,
)
from analogen.relsim.world.scene import Clip, Element, Frame, Scene

ROW = Scene(
    (
        Element("ground", 0, 0.8, 1.0),
        Element("subject", -0.6, 0, 0.4),
        Element("subject", 0.0, 0, 0.4, opacity=0.5),
        Element("other", 0.6, 0, 0.16, turn=180),
        Element("bars", 0.0, 0.0, 0.9),
    )
)


def test_boxes_stand_where_the_scene_has_its_things() -> None:
    boxes = boxes_of(ROW, 400, 200, "bicycle", "cat")
    assert [box.words for box in boxes] == ["bicycle", "bicycle, half faded", "tiny cat, upside down", "set of bars"]
    first = boxes[0]
    # One unit is half of the short side: 100 px; the middle is at (200, 100).
    assert (first.left, first.top, first.right, first.bottom) == pytest.approx((0.3, 0.4, 0.4, 0.6))
    assert [box.name for box in boxes] == ["bicycle_1", "bicycle_2", "cat_1", "set_of_bars_1"]


def test_states_are_said_in_words() -> None:
    parts = (
        Element("subject", -0.5, -0.5, 0.2, mirror=True, sketch=1.0),
        Element("subject", 0.5, -0.5, 0.2, turn=90, saturation=0.0),
        Element("subject", -0.5, 0.5, 0.6, clip=Clip("bite", 1, 0, 0.3)),
        Element("subject", 0.5, 0.5, 0.2, turn=-40, silhouette=1.0),
    )
    words = [box.words for box in boxes_of(Scene(parts), 100, 100, "owl")]
    assert words == [
        "owl, mirrored, only a line drawing",
        "owl, lying on its right side, without colour",
        "huge owl, with a piece missing",
        "owl, tilted to the left, only a dark silhouette",
    ]


def test_the_placement_of_the_whole_scene_moves_its_boxes() -> None:
    scene = Scene((Element("subject", 0.5, 0, 0.2),), frame=Frame(mirror=True, scale=0.5))
    (box,) = boxes_of(scene, 100, 100, "owl")
    assert (box.left + box.right) / 2 == pytest.approx(0.375)
    assert box.right - box.left == pytest.approx(0.05)


def test_what_lies_outside_has_no_box_and_what_sticks_out_is_cut() -> None:
    scene = Scene((Element("subject", 3, 0, 0.2), Element("subject", 1, 0, 0.4)))
    (box,) = boxes_of(scene, 100, 100, "owl")
    assert box.right == 1
    with pytest.raises(ValueError, match="nothing of its scene lies in the picture"):
        written("flux3", "owls", boxes_of(Scene((Element("subject", 3, 0, 0.2),)), 100, 100, "owl"))


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ((0.5, 0.1, 0.4, 0.9), "empty or inverted"),
        ((0.1, 0.5, 0.9, 0.5), "empty or inverted"),
        ((100, 100, 300, 300), "not within the picture"),
        ((float("nan"), 0, 1, 1), "not within the picture"),
    ],
)
def test_inverted_empty_and_foreign_boxes_are_refused(sides: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Box("owl_1", "owl", *sides)


def test_flux3_reads_its_table_back() -> None:
    boxes = boxes_of(ROW, 1024, 1024, "bicycle", "cat")
    caption, rows = split_caption(written("flux3", "bicycles in a row", boxes))
    assert caption.startswith("bicycles in a row.")
    assert rows is not None
    assert [row["id"] for row in rows] == [box.name for box in boxes]
    for row, box in zip(rows, boxes, strict=True):
        assert valid_canvas_box(row["bbox"]) == box.on_grid
        assert caption.count(f"<{row['id']}>") == 1
        assert row["desc"] == box.words
    _, moved = split_caption(written("flux3", "bicycles in a row", boxes, sees_picture=True))
    assert moved is not None
    assert {(row["from"], row["src_bbox"]) for row in moved} == {("target", None)}
    assert [valid_canvas_box(row["tgt_bbox"]) for row in moved] == [box.on_grid for box in boxes]


def test_ideogram_reads_its_caption_back() -> None:
    boxes = boxes_of(ROW, 1024, 1024, "bicycle", "cat")
    caption = json.loads(written("ideogram4", "bicycles in a row", boxes))
    assert list(caption) == ["high_level_description", "compositional_deconstruction"]
    parts = caption["compositional_deconstruction"]
    assert parts["background"] == BACKGROUND
    for element, box in zip(parts["elements"], boxes, strict=True):
        assert list(element) == ["type", "bbox", "desc"]
        y0, x0, y1, x1 = element["bbox"]
        assert (y0 / GRID, x0 / GRID) == pytest.approx((box.top, box.left), abs=0.5 / GRID)
        assert 0 <= y0 < y1 <= GRID
        assert 0 <= x0 < x1 <= GRID


def test_fibo_reads_its_caption_back() -> None:
    boxes = boxes_of(ROW, 1024, 1024, "bicycle", "cat")
    caption, instruction = BriaFibo2Pipeline._parse_prompt(written("fibo2", "bicycles in a row", boxes))
    assert instruction is None
    assert isinstance(caption, dict)
    assert caption["short_description"] == "bicycles in a row"
    assert [one["description"] for one in caption["objects"]] == [box.words for box in boxes]
    assert [one["location"] for one in caption["objects"]][:3] == ["left", "center", "right"]
    caption, instruction = BriaFibo2Pipeline._parse_prompt(written("fibo2", "owls", boxes, sees_picture=True))
    assert instruction == "owls"
    assert isinstance(caption, dict)
    assert len(caption["objects"]) == len(boxes)


def test_other_tools_get_all_dialects() -> None:
    boxes = boxes_of(ROW, 1024, 512, "bicycle", "cat")
    told = layout_json("bicycles in a row", boxes, 1024, 512)
    rows = boxes_to_canvas(told["boxes"])  # what FLUX.3's own tools do with them
    assert [row["bbox"] for row in rows] == [box.on_grid for box in boxes]
    assert json.loads(told["ideogram4"])
    assert split_caption(told["flux3"])[1]


def test_unknown_dialects_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of flux3, ideogram4, fibo2"):
        written("flux9", "owls", boxes_of(ROW, 100, 100, "owl"))


def test_a_layout_is_said_in_a_sentence_with_counts() -> None:
    assert layout_words(ROW, "bicycle", "cat").startswith("three bicycles in a row")
    alone = Scene((Element("subject", 0, 0, 0.5),))
    assert layout_words(alone, "owl") == "an owl"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            Element, st.sampled_from(["subject", "other", "star"]), st.floats(-1.2, 1.2), st.floats(-1.2, 1.2),
            st.floats(0.02, 1.5), st.floats(0.2, 5), st.floats(-720, 720),
        ), min_size=1, max_size=12,
    ),
    st.sampled_from(["owl", "Łódź", "cup of tea", "3D cube"]),
)  # fmt: skip
def test_any_scene_gives_boxes_that_its_models_take(elements: list[Element], subject: str) -> None:
    boxes = boxes_of(Scene(tuple(elements)), 768, 1024, subject)
    assert len({box.name for box in boxes}) == len(boxes)
    if boxes:
        caption, rows = split_caption(written("flux3", "a picture", boxes))
        assert rows is not None
        assert all(valid_canvas_box(row["bbox"]) and f"<{row['id']}>" in caption for row in rows)
        assert all(place_in_words(box) for box in boxes)


def test_flux3_is_told_which_thing_of_the_picture_moves_where_and_what_goes_away() -> None:
    places = ((0.5, 0.5), (-0.6, 0.0), (0.6, -0.6))
    seen = boxes_of(Scene(tuple(Element("subject", x, y, 0.2) for x, y in places)), 640, 640, "thing")
    wanted = boxes_of(Scene((Element("subject", -0.5, 0, 0.3), Element("other", 0.5, 0, 0.3))), 640, 640, "owl", "cat")
    boxes, gone = moved(wanted, seen)
    assert [box.source for box in boxes] == [seen[1].sides, None]  # the nearest of its kind; a cat was not there
    assert len(gone) == 2
    caption, rows = split_caption(written("flux3", "an owl and a cat", boxes, sees_picture=True, gone=gone))
    assert rows is not None
    assert [valid_added_row(row, caption) for row in rows] == rows  # as the library's own check takes them
    assert [row["from"] for row in rows] == ["ref_image_0", "target", "ref_image_0", "ref_image_0"]
    assert rows[0]["src_bbox"] == seen[1].on_grid
    assert [row["tgt_bbox"] for row in rows[2:]] == [None, None]
    assert moved(wanted, ()) == (wanted, ())
