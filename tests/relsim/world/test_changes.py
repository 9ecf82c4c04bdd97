"""Promises of the changes between scenes: what is found, and that it is made to scenes of any other shape."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analogen.relsim.mini.reading.change_sentence import change_sentence
from analogen.relsim.world.changes import NO_CHANGE, Change, apply_change, change_between, course_of
from analogen.relsim.world.grammar import Composition
from analogen.relsim.world.measure import turn_between
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import MAX_ELEMENTS, Clip, Element, Scene, box

ROW = [Element("subject", x, 0.0, 0.3) for x in (-0.75, -0.25, 0.25, 0.75)]
RING = [
    Element("subject", 0.7 * math.sin(a), -0.7 * math.cos(a), 0.25)
    for a in np.linspace(0, 2 * np.pi, 7, endpoint=False)
]


def scene(*elements: Element) -> Scene:
    return Scene(tuple(elements))


def changed(before: list[Element], after: list[Element], mine: list[Element]) -> list[Element]:
    """The things of `mine` after what turns `before` into `after`."""
    return apply_change(change_between(scene(*before), scene(*after)), scene(*mine)).things


def altered(things: list[Element], *numbers: int, **looks: object) -> list[Element]:
    return [replace(e, **looks) if i in numbers else e for i, e in enumerate(things)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        ({"turn": 90.0}, "each thing is turned by about 90 degrees"),
        ({"turn": 180.0}, "each thing is turned upside down"),
        ({"mirror": True}, "each thing is mirrored"),
        ({"opacity": 0.4}, "each thing fades"),
        ({"saturation": 0.0}, "each thing loses its colour"),
        ({"hue": 120.0}, "each thing takes another colour"),
        ({"silhouette": 1.0}, "each thing becomes a dark silhouette"),
        ({"sketch": 1.0}, "each thing becomes a line drawing"),
        ({"clip": Clip("bite", 1.0, 0.0, 0.3)}, "each thing is bitten"),
    ],
)
def test_what_all_become_all_become(looks: dict[str, object], said: str) -> None:
    after = altered(ROW, 0, 1, 2, 3, **looks)
    assert change_sentence(change_between(scene(*ROW), scene(*after))) == said
    for thing in changed(ROW, after, RING):
        for name, value in looks.items():
            assert getattr(thing, name) == (pytest.approx(value, abs=0.05) if isinstance(value, float) else value)


def test_one_alone_stays_one_at_about_its_place() -> None:
    after = altered(ROW, 3, kind="other")
    assert [e.kind for e in changed(ROW, after, RING)] == ["subject"] * 6 + ["other"]
    assert change_sentence(change_between(scene(*ROW), scene(*after))) == "one of them becomes another thing"
    large = changed(ROW, altered(ROW, 1, size=0.48), RING)
    assert sorted(e.size for e in large)[-1] == pytest.approx(0.4, rel=0.05)
    assert sorted(e.size for e in large)[-2] == pytest.approx(0.25, rel=0.05)


@pytest.mark.parametrize("first", [0, 1])
def test_every_second_one_is_every_second_one_of_more(first: int) -> None:
    row = [Element("subject", x, 0.0, 0.2) for x in np.linspace(-0.8, 0.8, 5)]
    after = altered(row, *range(first, 5, 2), turn=180.0)
    assert [e.turn for e in changed(row, after, RING)] == [180.0 if i % 2 == first else 0.0 for i in range(7)]
    said = change_sentence(change_between(scene(*row), scene(*after)))
    assert said == "every second one is turned upside down"


def test_what_goes_step_by_step_goes_on_over_more_things() -> None:
    after = [replace(e, opacity=o) for e, o in zip(ROW, (1.0, 0.75, 0.5, 0.25), strict=True)]
    faded = [e.opacity for e in changed(ROW, after, RING)]
    assert faded == pytest.approx(np.linspace(1, 0.25, 7), abs=0.06)
    bites = [replace(e, clip=Clip("bite", 1.0, 0.0, a)) for e, a in zip(ROW, (0.1, 0.25, 0.4, 0.55), strict=True)]
    amounts = [e.clip.amount for e in changed(ROW, bites, RING)]
    assert amounts == pytest.approx(np.linspace(0.1, 0.55, 7), abs=0.01)
    assert change_sentence(change_between(scene(*ROW), scene(*after))) == "step by step they fade"


def test_steps_follow_the_arrangement_not_the_order_of_the_list() -> None:
    """In a pyramid the things of one row become the same."""
    draft = Draft(np.random.default_rng(3))
    Composition("pyramid").draw(draft)
    pyramid = scene(*draft.elements)
    after = [replace(e, saturation=s) for e, s in zip(ROW, (1.0, 0.66, 0.33, 0.0), strict=True)]
    made = apply_change(change_between(scene(*ROW), scene(*after), "row", "row"), pyramid, "pyramid")
    rows: dict[float, set[float]] = {}
    for e in made.things:
        rows.setdefault(round(e.y, 3), set()).add(round(e.saturation, 4))
    assert len(rows) > 1
    assert all(len(values) == 1 for values in rows.values())


def test_small_differences_of_single_things_are_no_steps() -> None:
    """As readings of pictures are."""
    rng = np.random.default_rng(0)
    shaky = [replace(e, size=e.size * float(np.exp(rng.uniform(-0.12, 0.12)))) for e in ROW]
    change = change_between(scene(*shaky), scene(*altered(ROW, 2, turn=180.0)))
    assert course_of(change.things) == "one"
    assert change.moved is None


def test_added_props_stand_to_the_new_things_as_they_did() -> None:
    behind, front = box("rect", 0.0, 0.0, 2.0, 0.6), box("bars", 0.0, 0.0, 1.9, 0.5)
    change = change_between(scene(*ROW), scene(behind, *ROW, front))
    assert [(e.kind, before) for e, before in change.added] == [("rect", False), ("bars", True)]
    made = apply_change(change, scene(*RING)).elements
    assert [e.kind for e in made] == ["rect", *["subject"] * 7, "bars"]
    assert made[-1].width > 1.5
    assert made[-1].height > 1.2  # the ring is higher than the row, and so are its bars
    assert "a set of bars is put before them" in change_sentence(change)


def test_removed_props_are_taken_from_other_scenes_too() -> None:
    ban = box("ban", 0.0, 0.0, 1.8, 1.8)
    change = change_between(scene(*ROW, ban), scene(*ROW))
    assert change.removed == ("ban",)
    assert not apply_change(change, scene(*RING, replace(ban, x=0.1))).of("ban")
    assert change_sentence(change) == "the prohibition sign is taken away"


def test_one_thing_that_becomes_many_is_multiplied_with_all_that_it_is() -> None:
    one = [Element("subject", 0.0, 0.0, 1.0)]
    change = change_between(scene(*one), scene(*ROW))
    assert change_sentence(change) == "one thing becomes four"
    pair = [Element("subject", -0.3, 0.0, 0.5), Element("other", 0.3, 0.0, 0.5)]
    made = apply_change(change, scene(*pair)).things
    assert [e.kind for e in made] == ["subject", "other"] * 4
    crowd = [Element("subject", x, y, 0.1) for x in np.linspace(-1, 1, 6) for y in np.linspace(-1, 1, 6)]
    assert len(apply_change(change, scene(*crowd)).elements) == MAX_ELEMENTS


def test_the_whole_is_moved_turned_and_scaled() -> None:
    smaller = [replace(e, x=0.5 * e.x + 0.3, y=0.4, size=0.5 * e.size) for e in ROW]
    change = change_between(scene(*ROW), scene(*smaller))
    assert change.moved is not None
    assert all(one.is_none for one in change.things)
    made = apply_change(change, scene(*RING)).things
    assert [e.size for e in made] == pytest.approx([0.125] * 7)
    assert np.ptp([e.x for e in made]) == pytest.approx(0.5 * np.ptp([e.x for e in RING]), rel=1e-6)
    assert change_sentence(change).startswith("the whole becomes smaller")


def test_fewer_and_more_are_fewer_and_more_of_any_number() -> None:
    fewer = change_between(scene(*ROW), scene(*ROW[:3]))
    assert fewer.kept == (True, True, True, False)
    assert len(apply_change(fewer, scene(*RING)).things) == 6
    assert len(apply_change(fewer, scene(RING[0])).things) == 1  # something is left in any case
    row = [Element("subject", x, 0.0, 0.2) for x in np.linspace(-0.8, 0.8, 6)]
    more = change_between(scene(*ROW), scene(*row), "row", "row")
    assert more.more == 2
    assert len(apply_change(more, scene(*RING), "ring").things) == 9
    assert change_sentence(more).startswith("two more are added")


def test_a_new_arrangement_is_taken_by_as_many_as_there_are() -> None:
    ring = [Element("subject", e.x, e.y, 0.3) for e in RING[:4]]
    change = change_between(scene(*ROW), scene(*ring), "row", "ring")
    assert change.arrangement == "ring"
    assert change_sentence(change) == "they stand in a ring now"
    bowl = [Element("subject", float(x), float(0.5 * (1 - x * x)), 0.25) for x in np.linspace(-0.8, 0.8, 6)]
    made = apply_change(change, scene(*bowl), "bowl")
    Composition("ring").check(made)
    assert len(made.things) == 6


def test_the_odd_one_stays_the_odd_one_when_they_are_rearranged() -> None:
    before = altered(ROW, 1, kind="other")
    after = altered([replace(e, x=0.2 * e.x, y=1.2 * e.x) for e in ROW], 2, kind="other")
    assert all(not one.kind for one in change_between(scene(*before), scene(*after), "row", "column").things)


def test_a_scene_without_things_stays_as_it_is() -> None:
    change = change_between(scene(*ROW), scene(*altered(ROW, 0, 1, 2, 3, turn=90.0)))
    empty = scene(box("sun", 0.0, 0.0, 0.5, 0.5))
    assert apply_change(change, empty) == empty


things = st.builds(
    lambda kind, size, turn, mirror, opacity: Element(kind, 0.0, 0.0, size, turn=turn, mirror=mirror, opacity=opacity),
    st.sampled_from(["subject", "other"]), st.floats(0.2, 0.4), st.sampled_from([0.0, 45.0, 90.0, 180.0]),
    st.booleans(), st.sampled_from([1.0, 0.6]),
)  # fmt: skip
rows = st.lists(things, min_size=1, max_size=7).map(
    lambda row: [replace(e, x=float(x)) for e, x in zip(row, np.linspace(-1, 1, len(row)), strict=True)]
)


@given(rows, rows)
@settings(max_examples=40, deadline=None)
def test_no_change_changes_nothing(before: list[Element], mine: list[Element]) -> None:
    change = change_between(scene(*before), scene(*before))
    assert change.is_none
    assert change_sentence(change) == "nothing changes"
    for nothing in (change, Change()):
        made = apply_change(nothing, scene(*mine)).things
        assert [(e.kind, e.x, e.y, e.turn, e.mirror) for e in made] == [
            (e.kind, e.x, e.y, e.turn, e.mirror) for e in mine
        ]


@given(rows, st.data())
@settings(max_examples=40, deadline=None)
def test_a_change_made_to_its_own_first_scene_gives_the_second(before: list[Element], data: st.DataObject) -> None:
    looks = [
        data.draw(st.sampled_from([{}, {"turn": (e.turn + 90) % 360}, {"sketch": 1.0}, {"mirror": not e.mirror}]))
        for e in before
    ]
    after = [replace(e, **look) for e, look in zip(before, looks, strict=True)]
    change = change_between(scene(*before), scene(*after))
    made = apply_change(change, scene(*before)).things
    assert len(made) == len(after)
    for got, wanted in zip(made, after, strict=True):
        assert (got.kind, got.mirror) == (wanted.kind, wanted.mirror)
        assert math.hypot(got.x - wanted.x, got.y - wanted.y) < 0.15
        assert abs(turn_between(got.turn, wanted.turn)) < 22
        assert abs(got.sketch - wanted.sketch) < 0.45


def test_courses_have_names() -> None:
    odd = NO_CHANGE._replace(turn=90.0)
    assert course_of([NO_CHANGE, NO_CHANGE]) == "none"
    assert course_of([odd, odd]) == "all"
    assert course_of([NO_CHANGE, odd, NO_CHANGE]) == "one"
    assert course_of([odd, NO_CHANGE, odd, NO_CHANGE]) == "every second"
    assert course_of([NO_CHANGE, odd._replace(turn=30.0), odd]) == "step"
