"""Promises of relations in words: the direction that they name is kept, and every placeholder is understood or said."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analogen.relsim.world.dataset import draw_sample, training_selection
from analogen.relsim.world.direction import kept_in_direction
from analogen.relsim.world.grammar import parse
from analogen.relsim.world.measure import Broken
from analogen.relsim.world.relation_words import direction_of, read_words
from analogen.relsim.world.scene import Element, Scene

# (words, opposite words), five each of eight kinds.
OPPOSITES = [
    # size
    ("{subject} getting larger and larger", "{subject} getting smaller and smaller"),
    ("{subject} growing", "{subject} shrinking"),
    ("a row of {subject}, each larger than the last", "a row of {subject}, each smaller than the last"),
    ("{subject} from tiny to large, step by step", "{subject} from large to tiny, step by step"),
    ("{subject} swelling bigger with every step", "{subject} dwindling, smaller with every step"),
    # presence
    ("{subject} fading in", "{subject} fading away"),
    ("{subject} slowly appearing", "{subject} slowly disappearing"),
    ("{subject} from barely visible to solid", "{subject} from solid to barely visible"),
    ("{subject}, less and less transparent", "{subject}, more and more transparent"),
    ("{subject} emerging one after another", "{subject} vanishing one after another"),
    # colour
    ("{subject} gaining colour", "{subject} losing colour"),
    ("{subject} from grey to full colour", "{subject} from full colour to grey"),
    ("{subject}, more and more colourful", "{subject}, less and less colourful"),
    ("{subject} filling with color", "{subject} draining to gray"),
    ("a line of {subject} getting more colourful", "a line of {subject} getting greyer"),
    # light
    ("{subject} brightening", "{subject} darkening"),
    ("{subject} brighter and brighter", "{subject} darker and darker"),
    ("{subject} from dark to bright", "{subject} from bright to dark"),
    ("{subject} becoming lighter", "{subject} becoming darker"),
    ("each {subject} brighter than the last, ever brighter", "each {subject} dimmer than the last, ever dimmer"),
    # what is left
    ("{subject} being eaten up", "{subject} put back together"),
    ("{subject} from whole to remnant", "{subject} from remnant to whole"),
    ("{subject} with more and more bites taken", "{subject} made whole again"),
    ("{subject} becoming a sketch", "{subject} coming to life from a sketch"),
    ("{subject} from detail to coarse pixels", "{subject} from coarse pixels to detail"),
    # along a way
    ("{subject} growing from left to right", "{subject} growing from right to left"),
    ("{subject} fading from top to bottom", "{subject} fading from bottom to top"),
    ("{subject} shrinking downwards", "{subject} shrinking upwards"),
    ("{subject} darkening to the right", "{subject} darkening to the left"),
    ("a ring of {subject} fading clockwise", "a ring of {subject} fading counterclockwise"),
    # out and in, round and round
    ("{subject} fading outwards", "{subject} fading inwards"),
    ("{subject} losing colour from the middle outwards", "{subject} losing colour towards the middle"),
    ("a spiral of {subject} winding clockwise", "a spiral of {subject} winding anti-clockwise"),
    ("a ring of {subject} darkening clockwise", "a ring of {subject} brightening clockwise"),
    ("{subject} appearing outward", "{subject} disappearing outward"),
    # slopes
    ("{subject} on a diagonal going up", "{subject} on a diagonal going down"),
    ("{subject} like steps leading up", "{subject} like steps leading down"),
    ("an ascending line of {subject}", "a descending line of {subject}"),
    ("{subject} on the way up", "{subject} on the way down"),
    ("a rising line of {subject}", "a falling line of {subject}"),
]

# Wordings that were written when the patterns had been, each of which was misunderstood.
MORE_OPPOSITES = [
    ("a row of {subject}, smallest on the left", "a row of {subject}, biggest on the left"),
    ("{subject} in increasing order", "{subject} in decreasing order"),
    ("{subject} inflating", "{subject} deflating"),
    ("{subject} scaled up progressively", "{subject} scaled down progressively"),
    ("{subject} magnifying", "{subject} minimising"),
    ("a growing {subject}", "a shrinking {subject}"),
    ("{subject} gets more visible", "{subject} gets fainter"),
    ("{subject} materialising out of nothing", "{subject} dissolving into nothing"),
    ("{subject} slowly appearing", "{subject} melting away"),
    ("{subject} becoming colourful", "{subject} turning grey"),
    ("a sketch becoming {subject}", "{subject} becoming a sketch"),
    ("{subject} depixelating", "{subject} pixelating"),
]


def things(places: list[tuple[float, float]]) -> list[Element]:
    return [Element("subject", x, y, 0.2) for x, y in places]


def scenes() -> list[Scene]:
    """Every change in a row, a column, two rows, a ring, a spiral, and the two slopes; made by rule, evenly."""
    line = np.linspace(-0.8, 0.8, 6)
    turns = np.radians(np.arange(0, 360, 45))
    coil = np.radians(np.linspace(0, 600, 12))
    layouts = [
        [(float(x), 0.0) for x in line], [(0.0, float(y)) for y in line],
        [(x, y) for y in (-0.3, 0.3) for x in (-0.6, 0.0, 0.6)],
        [(0.7 * math.sin(t), -0.7 * math.cos(t)) for t in turns],
        [(t / 12 * math.sin(t), -t / 12 * math.cos(t)) for t in coil],
        [(float(x), float(x) / 2) for x in line], [(float(x), -float(x) / 2) for x in line],
        [(r * math.sin(t), -r * math.cos(t)) for r in (0.1, 0.4, 0.8) for t in np.radians((0, 120, 240))],
    ]  # fmt: skip
    made = []
    for places in layouts:
        for name in ("size", "opacity", "saturation", "brightness", "sketch", "pixel", "taken"):
            elements = []
            for step, thing in enumerate(things(places)):
                level = 0.1 + 0.8 * step / (len(places) - 1)
                from dataclasses import replace

                from analogen.relsim.world.scene import Clip

                value = Clip("bite", 1.0, 0.0, level) if name == "taken" else level * (0.25 if name == "size" else 1)
                elements.append(replace(thing, **{"clip" if name == "taken" else name: value}))
            made.append(Scene(tuple(elements)))
    return made


def test_other_wordings_are_read_as_opposites_too() -> None:
    for words, opposite in MORE_OPPOSITES:
        one, other = direction_of(words), direction_of(opposite)
        assert one is not None, words
        assert other is not None, opposite
        assert one.along == other.along.opposite, (words, one, opposite, other)


def test_forty_pairs_of_opposite_wordings_are_read_as_opposites() -> None:
    assert len(OPPOSITES) == 40
    for words, opposite in OPPOSITES:
        one, other = direction_of(words), direction_of(opposite)
        assert one is not None, words
        assert other is not None, opposite
        assert one.along == other.along.opposite, (words, one, opposite, other)


@pytest.mark.parametrize(("words", "opposite"), OPPOSITES, ids=[words for words, _ in OPPOSITES])
def test_scenes_are_turned_into_the_direction_of_the_words(words: str, opposite: str) -> None:
    one, other = direction_of(words), direction_of(opposite)
    kept = 0
    for scene in scenes():
        (first, is_first), (second, is_second) = kept_in_direction(scene, one), kept_in_direction(scene, other)
        if not (is_first and is_second):
            continue
        kept += 1
        assert first != second
        assert scene in (first, second), "one of the two directions is that of the scene itself"
        assert kept_in_direction(first, one) == (first, True)
        assert kept_in_direction(first, other)[0] != first
        assert len(first.elements) == len(scene.elements)
    assert kept, "no arrangement can show this direction"


def test_the_documented_example_is_read_as_it_is_said() -> None:
    words = read_words("{subject} getting smaller and smaller")
    assert words.direction is not None
    assert (words.direction.change, words.direction.sign) == ("size", -1)
    assert words.embedded == "{subject} growing from tiny to full-grown, stage by stage"
    assert read_words("{subject} shrinking").embedded == words.embedded
    assert words.text == "{subject} getting smaller and smaller"


@pytest.mark.parametrize(
    "words",
    [
        "many {subject} in a ring", "a large {subject} in front of a smaller one", "{subject} not getting smaller",
        "{subject} first growing, then shrinking", "a tree with {subject} growing on it",
        "a small {other} circling a large {subject}", "{subject} without fading",
        "a growing spiral of {subject}", "{subject} melting like wax", "the smallest {subject} on the left of {other}",
    ],
)  # fmt: skip
def test_words_without_one_direction_leave_scenes_as_they_are(words: str) -> None:
    assert direction_of(words) is None
    scene = scenes()[0]
    assert kept_in_direction(scene, None) == (scene, True)


def test_turned_growth_still_stands_in_order_and_within_the_picture() -> None:
    turned = 0
    for arrangement in ("row", "column", "ring"):
        for seed in range(6):
            relation = parse(f"{arrangement}/growing/alike/none").relation()
            scene = draw_sample(relation, training_selection(), np.random.default_rng(seed), hard=False).scene
            reversed_, kept = kept_in_direction(scene, direction_of("{subject} getting smaller and smaller"))
            if not kept:
                continue
            turned += 1
            shrinking = parse(f"{arrangement}/shrinking/alike/none").relation()
            try:
                shrinking.check(reversed_)
            except Broken as reason:
                pytest.fail(f"{arrangement} {seed}: {reason}")
    assert turned >= 12


@pytest.mark.parametrize(
    ("words", "read", "note"),
    [
        ("{Subject} in a ring", "{subject} in a ring", ""),
        ("{ SUBJECT } in a ring", "{subject} in a ring", ""),
        ("[subject] in a ring", "{subject} in a ring", ""),
        ("many {object} in a ring", "many {subject} in a ring", "{object} in the words is read as {subject}"),
        ("{} in a ring", "{subject} in a ring", "{} in the words is read as {subject}"),
        ("{thing} beside {subject}", "{other} beside {subject}", "{thing} in the words is read as {other}"),
        ("{a} circling {b}", "{subject} circling {other}", "{b} in the words is read as {other}"),
        ("many owls in a ring", "many {subject} in a ring", "'owls' in the words is read as {subject}"),
        ("a tower of teapots", "a tower of {subject}", "'teapots' in the words is read as {subject}"),
        ("bicycles in a row", "{subject} in a row", "'bicycles' in the words is read as {subject}"),
        ("stacked into a pyramid", "stacked into a pyramid", ""),
        ("one stands out among many", "one stands out among many", ""),
        ("a ring", "a ring", ""),
    ],
)
def test_placeholders_and_plain_nouns_are_understood_or_said(words: str, read: str, note: str) -> None:
    found = read_words(words, subject="bicycle")
    assert found.text == read
    assert [one for one in found.notes if note in one] if note else found.notes == ()
