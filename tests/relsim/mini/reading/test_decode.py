"""From cells to things: what a perfect head says of a scene gives the scene back."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from cells import perfect_cells
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analogen.relsim.mini.reading.decode import SAME_BOX, Detection, decode, distinct, kinds_of, shared_area
from analogen.relsim.world.dataset import draw_sample, training_selection
from analogen.relsim.world.grammar import draw_composition
from analogen.relsim.world.measure import turn_between
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.scene import Clip, Element, Scene

CELLS = 24


def apart(scene: Scene) -> bool:
    """Whether its elements are in cells apart, no two things have one box, and all can be seen: what a head of one
    centre for each cell can tell."""
    seen = [e for e in scene.elements if e.kind != "shadow"]
    boxes = [(e.x - e.width / 2, e.y - e.height / 2, e.x + e.width / 2, e.y + e.height / 2) for e in scene.things]
    if any(shared_area(a, b) > SAME_BOX for a, b in itertools.combinations(boxes, 2)):
        return False
    spots = [((e.x + 1) / 2 * CELLS, (e.y + 1) / 2 * CELLS) for e in seen]
    return all(math.dist(a, b) > 2.2 for a, b in itertools.combinations(spots, 2)) and all(
        0.3 < x < CELLS - 0.3 and 0.3 < y < CELLS - 0.3 for x, y in spots
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 100_000), named=st.booleans())
def test_perfect_cells_give_the_things_back(seed: int, named: bool) -> None:
    rng = np.random.default_rng(seed)
    relation = list(RELATIONS.values())[seed % len(RELATIONS)] if named else draw_composition(rng).relation()
    scene = draw_sample(relation, training_selection(), rng, hard=False).scene
    things = [e for e in scene.things if e.opacity > 0.05]
    assume(apart(scene) and all(e.size > 0.1 for e in things))
    found = [d for d in decode(perfect_cells(scene, CELLS)) if d.is_thing]
    assert len(found) == len(things)
    kinds = dict(zip(map(id, found), kinds_of(found), strict=True))
    pairs = []
    for e in things:
        d = min(found, key=lambda d: math.dist((2 * d.x - 1, 2 * d.y - 1), (e.x, e.y)))
        assert math.dist((2 * d.x - 1, 2 * d.y - 1), (e.x, e.y)) < 1e-3
        assert abs(2 * d.size / e.size - 1) < 1e-3
        assert abs(turn_between(d.turn, e.turn)) < 0.1
        assert abs(d.levels["opacity"] - e.opacity) < 1e-3
        assert d.clip.kind == e.clip.kind
        pairs.append((kinds[id(d)], e.kind))
    assert len(set(pairs)) == len({kind for _, kind in pairs}) == len({number for number, _ in pairs})


def detection(x: float, y: float, size: float, score: float, kind: str = "thing") -> Detection:
    return Detection(kind, x, y, size, 1.0, 0.0, 1.0, {}, Clip(), np.ones(16, np.float32) / 4, score)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.05, 0.8), st.floats(0.1, 1)), min_size=1, max_size=12
    )
)
def test_distinct_elements_are_distinct_and_the_surest_stays(boxes: list[tuple[float, float, float, float]]) -> None:
    found = [dataclasses.replace(detection(*box), levels={"number": i}) for i, box in enumerate(boxes)]
    kept = distinct(found)
    surest = max(found, key=lambda d: d.score)
    assert (kept[0].x, kept[0].y) == (surest.x, surest.y)
    assert surest.score <= kept[0].score <= 1
    # Each stands for the surest of those that were found there.
    first = [found[int(k.levels["number"])] for k in kept]
    assert all(shared_area(a.box, b.box) <= SAME_BOX for a, b in itertools.combinations(first, 2))


def test_a_small_thing_on_a_large_one_stays() -> None:
    assert len(distinct([detection(0.5, 0.5, 0.6, 0.9), detection(0.5, 0.5, 0.2, 0.5)])) == 2


def test_a_thing_and_a_prop_in_one_place_stay() -> None:
    assert len(distinct([detection(0.5, 0.5, 0.5, 0.9), detection(0.5, 0.5, 0.5, 0.5, "bars")])) == 2


def test_two_in_one_place_are_one() -> None:
    (one,) = distinct([detection(0.5, 0.5, 0.2, 0.4), detection(0.53, 0.5, 0.22, 0.6)])
    assert one.x == 0.53
    assert 0.2 < one.size < 0.22
    assert one.score == pytest.approx(1 - 0.6 * 0.4)


def test_the_largest_kind_comes_first() -> None:
    scene = Scene(tuple(Element("other" if i else "subject", -0.75 + 0.5 * i, 0, 0.4) for i in range(4)))
    found = [d for d in decode(perfect_cells(scene)) if d.is_thing]
    numbers = [number for _, number in sorted(zip((d.x for d in found), kinds_of(found), strict=True))]
    assert numbers == [1, 0, 0, 0]


def test_nothing_gives_nothing() -> None:
    assert decode(perfect_cells(Scene(()))) == []
    assert kinds_of([]) == []
