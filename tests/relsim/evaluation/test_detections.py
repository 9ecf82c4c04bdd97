"""Promises of relsim.evaluation.detections: each thing is matched once, near enough and of about its size."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from analogen.relsim.evaluation.detections import Detections, Thing, fits, match, score_detections


def drawn(rng: np.random.Generator, count: int) -> list[Thing]:
    places, sizes = rng.uniform(0.1, 0.9, (count, 2)), rng.uniform(0.05, 0.3, count)
    return [(float(x), float(y), float(size)) for (x, y), size in zip(places, sizes, strict=True)]


def test_the_things_themselves_are_all_found() -> None:
    scenes = [drawn(np.random.default_rng(i), i) for i in range(6)]
    assert score_detections(scenes, scenes) == Detections(1.0, 1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("found", "right"),
    [
        ((0.5 + 0.069, 0.5, 0.2), True),
        ((0.5 + 0.071, 0.5, 0.2), False),
        ((0.5, 0.5, 0.399), True),
        ((0.5, 0.5, 0.401), False),
        ((0.5, 0.5, 0.101), True),
        ((0.5, 0.5, 0.099), False),
        ((0.5, 0.5, 0.0), False),
    ],
)
def test_place_and_size_have_limits(found: Thing, right: bool) -> None:
    assert fits(found, (0.5, 0.5, 0.2)) is right


def test_a_thing_is_found_once() -> None:
    twice = score_detections([[(0.5, 0.5, 0.2), (0.51, 0.5, 0.2)]], [[(0.5, 0.5, 0.2)]])
    assert twice == Detections(0.5, 1.0, pytest.approx(2 / 3), 0.0, 1.0)


def test_the_surest_chooses_first() -> None:
    found, true = [(0.55, 0.5, 0.2), (0.5, 0.5, 0.2)], [(0.5, 0.5, 0.2)]
    assert match(found, true) == [(0, 0)]
    assert match(found, true, [0.1, 0.9]) == [(1, 0)]


def test_order_does_not_matter_with_scores() -> None:
    rng = np.random.default_rng(3)
    true = drawn(rng, 9)
    found = [(x + 0.01, y - 0.01, 1.2 * size) for x, y, size in true] + drawn(rng, 3)
    scores = rng.random(len(found)).tolist()
    pairs = {(found[i], true[j]) for i, j in match(found, true, scores)}
    order = rng.permutation(len(found)).tolist()
    moved = match([found[i] for i in order], true, [scores[i] for i in order])
    assert {(found[order[i]], true[j]) for i, j in moved} == pairs


def test_greedy_is_at_most_the_best_matching() -> None:
    """The best matching by trying all: greedy never finds more, and half of it at least."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        true = drawn(rng, 4)
        found = [(x + float(rng.normal(0, 0.05)), y, s) for x, y, s in true]
        best = max(
            sum(fits(found[i], true[j]) for i, j in enumerate(order)) for order in itertools.permutations(range(4))
        )
        greedy = len(match(found, true))
        assert best / 2 <= greedy <= best


def test_nothing_found_and_nothing_there() -> None:
    assert score_detections([[]], [[]]) == Detections(1.0, 1.0, 1.0, 1.0, 1.0)
    missed = score_detections([[]], [[(0.5, 0.5, 0.2)]])
    assert (missed.recall, missed.f1, missed.count_exact) == (0.0, 0.0, 0.0)
    invented = score_detections([[(0.5, 0.5, 0.2)]], [[]])
    assert (invented.precision, invented.f1) == (0.0, 0.0)


def test_numbers_must_agree() -> None:
    with pytest.raises(ValueError, match="2 pictures, true ones of 1"):
        score_detections([[], []], [[]])
    with pytest.raises(ValueError, match="of 0 pictures"):
        score_detections([], [])
    with pytest.raises(ValueError, match="1 found things and 2 scores"):
        match([(0.5, 0.5, 0.2)], [], [0.1, 0.2])
