"""Promises of scenes as tensors: nothing of the logic is lost on the way there and back."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from analogen.pipelines.composer.features import (
    FEATURES,
    FIELDS,
    NUM_FEATURES,
    OFFSET,
    SCALE,
    WEIGHT,
    SceneTensors,
    collate,
    decode,
    encode,
    places,
)
from analogen.relsim.world.relations import RELATIONS, Draft
from analogen.relsim.world.scene import KINDS, MAX_ELEMENTS, Clip, Element, Scene

DISCRETE = ("kind", "mirror", "standing", "pattern", "palette")


def elements_of(name: str, seed: int) -> list[Element]:
    draft = Draft(np.random.default_rng(seed))
    RELATIONS[name].draw(draft)
    return draft.elements


def turn_apart(first: float, second: float) -> float:
    return abs((first - second + 180) % 360 - 180)


@pytest.mark.parametrize("name", sorted(RELATIONS))
def test_round_trip_keeps_scenes_of_every_relation(name: str) -> None:
    for seed in range(4):
        before = elements_of(name, seed)
        after = decode(*encode(before))
        for old, new in zip(before, after, strict=True):
            assert [getattr(new, field) for field in DISCRETE] == [getattr(old, field) for field in DISCRETE]
            for field in ("x", "y", "saturation", "brightness"):
                assert getattr(new, field) == pytest.approx(getattr(old, field), abs=1e-5), field
            for field in ("size", "aspect"):
                assert getattr(new, field) == pytest.approx(getattr(old, field), rel=1e-4), field
            assert turn_apart(new.turn, old.turn) <= 1.5
            assert turn_apart(new.hue, old.hue) <= 1.5
            for field in ("opacity", "silhouette", "sketch", "pixel"):
                assert getattr(new, field) == pytest.approx(getattr(old, field), abs=0.0401), field
            assert new.clip.kind == old.clip.kind
            if old.clip.kind != "none":
                for field in ("u", "v", "amount"):
                    assert getattr(new.clip, field) == pytest.approx(getattr(old.clip, field), abs=1e-5), field
        assert RELATIONS[name].why_broken(Scene(tuple(after))) is None


def test_tensors_have_the_stated_shapes_and_types() -> None:
    tokens, features = encode(elements_of("ring", 0))
    assert tokens.shape == (len(features), len(FIELDS))
    assert tokens.dtype == np.int64
    assert features.shape[1] == NUM_FEATURES == len(OFFSET) == len(SCALE) == len(WEIGHT) == len(FEATURES)
    assert features.dtype == np.float32
    assert (tokens < np.array(list(FIELDS.values()))).all()


def test_features_have_about_unit_spread() -> None:
    rows = np.concatenate([encode(elements_of(name, seed)).features for name in RELATIONS for seed in range(4)])
    assert np.abs(rows.mean(0)).max() < 2
    assert rows[:, :4].std(0).min() > 0.3
    assert rows.std(0).max() < 2


def test_newline_starts_every_row_of_a_grid_but_the_first() -> None:
    grid = [Element("subject", x, y, 0.3) for y in (-0.5, 0.5) for x in (-0.5, 0.0, 0.5)]
    assert encode(grid).tokens[:, 6].tolist() == [0, 0, 0, 1, 0, 0]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_decode_brings_any_numbers_into_range(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 3))
    tokens = np.array([[data.draw(st.integers(0, size - 1)) for size in FIELDS.values()] for _ in range(count)])
    number = st.floats(-1e4, 1e4, width=32)
    features = np.array([[data.draw(number) for _ in FEATURES] for _ in range(count)], np.float32)
    elements = decode(tokens, features)
    Scene(tuple(elements))  # refuses what is out of range
    for e in elements:
        assert max(abs(e.x), abs(e.y)) <= 2
        assert 0.006 < e.size < 4.5
        assert e.opacity >= 0.03
        assert -180 <= e.turn <= 180
        assert 0 <= e.saturation <= 2
        assert 0 <= e.brightness <= 2
    again = decode(*encode(elements))
    for old, new in zip(elements, again, strict=True):
        assert new.size == pytest.approx(old.size, rel=1e-4)
        assert new.x == pytest.approx(old.x, abs=1e-5)


def test_levels_and_angles_near_their_rest_come_to_rest() -> None:
    nearly = Element("subject", 0, 0, 0.5, turn=1.2, opacity=0.97, silhouette=0.03, pixel=0.5, hue=-1.0)
    (decoded,) = decode(*encode([nearly]))
    assert (decoded.turn, decoded.opacity, decoded.silhouette, decoded.hue) == (0, 1, 0, 0)
    assert decoded.pixel == pytest.approx(0.5)


def test_decode_takes_tensors_and_arrays_alike() -> None:
    tokens, features = encode(elements_of("ring", 0))
    assert decode(torch.from_numpy(tokens), torch.from_numpy(features)) == decode(tokens, features)


def test_unequal_lengths_are_refused() -> None:
    tokens, features = encode(elements_of("ring", 0))
    with pytest.raises(ValueError, match="shorter"):
        decode(tokens, features[:-1])


def test_clip_numbers_of_unclipped_things_are_dropped() -> None:
    element = Element("subject", 0, 0, 0.5, clip=Clip("none", 0.5, 0.5, 0.5))
    assert decode(*encode([element]))[0].clip == Clip()


def test_collate_pads_and_masks() -> None:
    scenes = [encode(elements_of("ring", 0)), encode(elements_of("before_after", 0))]
    batch = collate(scenes)
    assert batch.mask.sum(1).tolist() == [len(s.tokens) for s in scenes]
    for row, scene in enumerate(scenes):
        np.testing.assert_array_equal(batch.tokens[row][batch.mask[row]], scene.tokens)
        np.testing.assert_array_equal(batch.features[row][batch.mask[row]], scene.features)
        assert not batch.tokens[row][~batch.mask[row]].any()
        assert not batch.features[row][~batch.mask[row]].any()


def slow_places(tokens: list[list[int]], count: int) -> list[list[int]]:
    result = []
    for index in range(len(tokens)):
        if index >= count:
            result.append([0] * 5)
            continue
        kind = tokens[index][0]
        same = [other for other in range(count) if tokens[other][0] == kind]
        row = column = 0
        if kind < 2:
            rows: list[int] = []
            for other in range(index + 1):
                row += tokens[other][0] < 2 and tokens[other][6] == 1
                rows.append(row if tokens[other][0] < 2 else -1)
            column = rows[:-1].count(row)
        result.append([index, same.index(index), min(len(same), MAX_ELEMENTS - 1), row, column])
    return result


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=9), min_size=1, max_size=3))
def test_places_equal_slow_reference(scenes: list[list[tuple[int, bool]]]) -> None:
    tokens = [np.array([[kind, 0, 0, 0, 0, 0, newline] for kind, newline in scene]) for scene in scenes]
    batch = collate([SceneTensors(t, np.zeros((len(t), NUM_FEATURES), np.float32)) for t in tokens])
    found: Tensor = places(batch.tokens, batch.mask)
    for row, scene in enumerate(scenes):
        assert found[row].tolist() == slow_places(batch.tokens[row].tolist(), len(scene))


def test_places_of_the_fullest_scene_stay_below_the_limit() -> None:
    tokens = torch.zeros(1, MAX_ELEMENTS, len(FIELDS), dtype=torch.long)
    assert places(tokens, torch.ones(1, MAX_ELEMENTS, dtype=torch.bool)).max() == MAX_ELEMENTS - 1


def test_subject_and_other_are_the_first_kinds() -> None:
    """`places` tells things by kind < 2."""
    assert [dataclasses.replace(Element(kind, 0, 0, 1)).is_thing for kind in KINDS[:3]] == [True, True, False]
    assert math.prod(FIELDS.values()) < 2**62  # the training packs a token into one integer
