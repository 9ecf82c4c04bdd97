"""Promises of settling: near-equal becomes equal, and nothing moves by more than is stated."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analogen.pipelines.composer.settle import DEGREES, PLACE, RATIO, settle
from analogen.relsim.world.relations import RELATIONS, Draft
from analogen.relsim.world.scene import Clip, Element, Scene

NUMBERS = (
    "x", "y", "size", "aspect", "turn", "opacity", "hue", "saturation", "brightness", "silhouette", "sketch", "pixel",
)  # fmt: skip


def thing(x: float = 0.0, y: float = 0.0, size: float = 0.4, **rest: float) -> Element:
    return Element("subject", x, y, size, **rest)  # type: ignore[arg-type]


@st.composite
def scenes(draw: st.DrawFn) -> list[Element]:
    """Random numbers in odd positions: exact ties with the limits are nobody's case. Turns stay below even turning."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, spread = draw(st.integers(1, 8)), draw(st.sampled_from([0.01, 0.03, 0.1, 0.5]))
    rows = []
    for _ in range(count):
        kind = str(rng.choice(["subject", "other", "rect"]))
        noise = rng.normal(size=8) * spread
        rows.append(
            Element(
                kind, *(noise[:2] + rng.integers(-2, 3, 2) * 0.3), size=0.4 * math.exp(noise[2]),
                aspect=math.exp(noise[3]), turn=14 * noise[4], hue=90 * noise[5],
                opacity=float(np.clip(0.8 + noise[6], 0, 1)), pixel=float(np.clip(0.3 + noise[7], 0, 1)),
            )
        )  # fmt: skip
    return rows


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_settling_twice_equals_once(elements: list[Element]) -> None:
    once = settle(elements)
    for first, second in zip(once, settle(once), strict=True):
        for name in NUMBERS:
            assert getattr(second, name) == pytest.approx(getattr(first, name), abs=1e-9), name


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_nothing_moves_more_than_stated(elements: list[Element]) -> None:
    settled = settle(elements)
    for kind in {e.kind for e in elements}:
        pairs = [(a, b) for a, b in zip(elements, settled, strict=True) if a.kind == kind]
        reach = PLACE * float(np.mean([b.size for _, b in pairs])) + 1e-9
        for a, b in pairs:
            assert abs(a.x - b.x) <= reach
            assert abs(a.y - b.y) <= reach
            assert max(a.size / b.size, b.size / a.size) <= RATIO + 1e-9
            assert max(a.aspect / b.aspect, b.aspect / a.aspect) <= RATIO + 1e-9
            assert abs(a.turn - b.turn) <= DEGREES
            assert abs(a.hue - b.hue) <= 12
            assert abs(a.opacity - b.opacity) <= 0.08 + 1e-9
            assert abs(a.pixel - b.pixel) <= 0.08 + 1e-9


@settings(max_examples=50, deadline=None)
@given(scenes(), st.randoms(use_true_random=False))
def test_order_of_elements_does_not_matter(elements: list[Element], random: object) -> None:
    order = list(np.random.default_rng(len(elements)).permutation(len(elements)))
    shuffled, straight = settle([elements[i] for i in order]), settle(elements)
    for place, row in enumerate(order):
        for name in NUMBERS:
            assert getattr(shuffled[place], name) == pytest.approx(getattr(straight[row], name), abs=1e-9), name


def test_near_equal_values_become_equal() -> None:
    settled = settle([thing(-0.6, 0.01, 0.40, turn=2), thing(0.0, -0.01, 0.41), thing(0.6, 0.0, 0.39, turn=-2)])
    for name, value in (("y", 0.0), ("turn", 0.0)):
        assert [getattr(e, name) for e in settled] == pytest.approx([value] * 3)
    assert len({e.size for e in settled}) == 1
    assert settled[0].size == pytest.approx(0.4, rel=0.01)
    assert [e.x for e in settled] == [-0.6, 0.0, 0.6]


def test_staircases_are_left_alone() -> None:
    """Steps so small that each is near the next, but not the first near the last: growth, not a slip."""
    stairs = [thing(x=0.02 * i - 0.2, y=0.7 - 0.02 * i, size=0.4 * 1.03**i, turn=3.0 * i) for i in range(20)]
    for before, after in zip(stairs, settle(stairs), strict=True):
        assert after.x == before.x
        assert after.y == before.y
        assert after.turn == before.turn
        assert after.size == pytest.approx(before.size, rel=1e-12)


def test_nearly_even_turning_becomes_even_and_wild_turning_stays() -> None:
    slipped = [thing(0.3 * i - 0.6, turn=turn) for i, turn in enumerate((0, 52, 75, 120, 160))]
    assert [e.turn for e in settle(slipped)] == pytest.approx([0, 40, 80, 120, 160])
    wild = [thing(0.3 * i - 0.6, turn=turn) for i, turn in enumerate((0, 120, 30, 90, 160))]
    assert [e.turn for e in settle(wild)] == pytest.approx([e.turn for e in wild])


def test_mirrored_pairs_turn_as_mirror_images() -> None:
    places, turns = ((0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5)), (30.0, 170.0, -160.0, -50.0)
    rosette = [
        dataclasses.replace(thing(x, y, turn=turn), mirror=i % 2 == 1)
        for i, ((x, y), turn) in enumerate(zip(places, turns, strict=True))
    ]
    found = [e.turn for e in settle(rosette)]
    assert found[0] == pytest.approx(-found[3], abs=0.01)
    assert found[1] == pytest.approx(-found[2], abs=0.01)
    assert found[0] + found[1] == pytest.approx(180, abs=0.01)
    unflipped = [dataclasses.replace(e, mirror=False) for e in rosette]
    assert [e.turn for e in settle(unflipped)] == pytest.approx([e.turn for e in unflipped])


def test_closer_and_closer_windows_aim_at_one_point_and_tiles_do_not() -> None:
    aims, amounts = ((0.2, 0.0), (-0.1, 0.1), (0.0, 0.0)), (1.8, 0.9, 0.5)
    views = [
        dataclasses.replace(thing(0.6 * i - 0.6), clip=Clip("window", u, v, amount))
        for i, ((u, v), amount) in enumerate(zip(aims, amounts, strict=True))
    ]
    assert len({(e.clip.u, e.clip.v) for e in settle(views)}) == 1
    tiles = [dataclasses.replace(e, clip=dataclasses.replace(e.clip, amount=0.5)) for e in views]
    assert [e.clip for e in settle(tiles)] == [e.clip for e in tiles]


def test_small_things_beside_a_line_lie_on_it_and_others_stay() -> None:
    ring = Element("ring", 0, 0, 1.2, aspect=2.0)
    beside, inside, far = Element("other", 0.95, 0.1, 0.25), thing(0.0, 0.0, 0.8), Element("other", 0.3, 0.9, 0.2)
    _, moved, kept, away = settle([ring, beside, inside, far])
    half = ring.width / 2 - 0.035 * ring.size, ring.height / 2 - 0.035 * ring.size
    assert (moved.x / half[0]) ** 2 + (moved.y / half[1]) ** 2 == pytest.approx(1, abs=0.01)
    assert math.hypot(moved.x - beside.x, moved.y - beside.y) <= 0.8 * beside.size
    assert kept == inside
    assert (away.x, away.y) == (far.x, far.y)


def test_kinds_are_settled_apart() -> None:
    pair = [thing(0.0, 0.0), dataclasses.replace(thing(0.01, 0.01, 0.41), kind="rect")]
    assert settle(pair) == pair


def test_single_element_and_no_element_stay() -> None:
    assert settle([thing(0.123, turn=3)]) == [thing(0.123, turn=3)]
    assert settle([]) == []


def test_what_is_no_number_stays() -> None:
    before = [thing(), dataclasses.replace(thing(0.5), mirror=True, standing=True, pattern="dots", palette="red")]
    for first, second in zip(before, settle(before), strict=True):
        for name in ("kind", "mirror", "standing", "pattern", "palette", "clip"):
            assert getattr(second, name) == getattr(first, name)


@pytest.mark.parametrize("name", sorted(RELATIONS))
def test_settling_breaks_no_logic(name: str) -> None:
    for seed in range(6):
        draft = Draft(np.random.default_rng(seed))
        RELATIONS[name].draw(draft)
        assert RELATIONS[name].why_broken(Scene(tuple(settle(draft.elements)))) is None
