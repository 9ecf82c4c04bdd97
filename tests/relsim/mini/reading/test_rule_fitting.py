"""Rules fitted to the places of things name the arrangement that they were drawn in, and survive a reader's errors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analogen.relsim.mini.reading.rule_fitting import fit_rule
from analogen.relsim.mini.reading.sentence import PLACES, caption_of, sentence_of
from analogen.relsim.world.grammar import ATOMS, PARTS, Composition, compose, draw_composition
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import Element, Scene

EACH = 6


def scene_of(composition: Composition, rng: np.random.Generator) -> Scene:
    draft = Draft(rng)
    composition.draw(draft)
    return Scene(tuple(draft.elements))


def spoiled(scene: Scene, rng: np.random.Generator, jitter: float) -> Scene:
    """Things a little off in place, size and turn."""
    return Scene(
        tuple(
            replace(
                e,
                x=e.x + rng.normal(0, jitter * e.size),
                y=e.y + rng.normal(0, jitter * e.size),
                size=e.size * math.exp(rng.normal(0, jitter)),
                turn=e.turn + rng.normal(0, 60 * jitter),
            )
            if e.is_thing
            else e
            for e in scene.elements
        )
    )


@pytest.mark.parametrize("arrangement", ATOMS["arrangement"])
def test_the_sentence_names_every_arrangement(arrangement: str) -> None:
    rng = np.random.default_rng(ATOMS["arrangement"].index(arrangement))
    for _ in range(EACH):
        scene = scene_of(compose(arrangement), rng)
        rule = fit_rule(scene)
        assert rule.arrangement == arrangement
        assert rule.composition == compose(arrangement).id
        assert PLACES[arrangement] in sentence_of(scene, rule) or rule.rows
        assert rule.certainty > 0.5


def test_compositions_are_named_by_all_their_parts() -> None:
    rng, right = np.random.default_rng(0), dict.fromkeys(PARTS, 0)
    for _ in range(100):
        composition = draw_composition(rng)
        rule = fit_rule(scene_of(composition, rng))
        for part in PARTS:
            right[part] += getattr(rule, part) == getattr(composition, part)
    assert min(right.values()) >= 97


@pytest.mark.parametrize(("error", "least"), [("jitter", 0.95), ("a miss", 0.8), ("a double", 0.9), ("a tilt", 0.95)])
def test_arrangements_survive_what_a_reader_gets_wrong(error: str, least: float) -> None:
    rng, right, tried = np.random.default_rng(1), 0, 0
    for _ in range(80):
        composition = draw_composition(rng)
        scene = spoiled(scene_of(composition, rng), rng, 0.05 if error == "jitter" else 0.02)
        things, confidences = list(scene.things), None
        if len(things) < 5:
            continue
        if error == "a miss":
            things.pop(int(rng.integers(len(things))))
        elif error == "a double":
            e = things[int(rng.integers(len(things)))]
            things.append(replace(e, x=e.x + 0.25 * e.size, size=0.8 * e.size))
            confidences = [0.9] * (len(things) - 1) + [0.4]
        elif error == "a tilt":
            c, s = math.cos(math.radians(5)), math.sin(math.radians(5))
            things = [replace(e, x=c * e.x - s * e.y, y=s * e.x + c * e.y, turn=e.turn + 5) for e in things]
        tried += 1
        right += fit_rule(Scene(tuple(things)), confidences).arrangement == composition.arrangement
    assert right >= least * tried


def test_more_things_than_the_grammar_draws_are_still_a_row_and_a_ring() -> None:
    row = Scene(tuple(Element("subject", -0.9 + 0.18 * i, 0.1, 0.15) for i in range(11)))
    assert fit_rule(row).arrangement == "row"
    angles = [2 * math.pi * i / 22 for i in range(22)]
    ring = Scene(tuple(Element("subject", 0.8 * math.sin(a), -0.8 * math.cos(a), 0.18) for a in angles))
    assert fit_rule(ring).arrangement == "ring"


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.1, 0.8), st.booleans()), min_size=0, max_size=20)
)
def test_any_things_have_a_sentence_with_their_count(spots: list[tuple[float, float, float, bool]]) -> None:
    scene = Scene(tuple(Element("other" if other else "subject", x, y, size) for x, y, size, other in spots))
    rule = fit_rule(scene)
    sentence = sentence_of(scene, rule)
    assert 0 <= rule.certainty <= 1
    assert "\n" not in sentence
    assert "  " not in sentence
    count = len(spots)
    words = ("no thing", "one thing", "two", "three things")
    assert sentence.startswith(words[count]) if count < len(words) else " things" in sentence
    assert ("{subject}" in caption_of(scene, rule, sentence)) == bool(count)


@pytest.mark.parametrize(
    ("id", "sentence", "caption"),
    [
        ("single/none/alike/behind_bars", "one thing behind bars", "one {subject} alone, behind bars"),
        (
            "ring/shrinking/one_odd/none",
            "things in a ring, each smaller than the last, one of them different",
            "{subject} in a ring, each smaller than the last, one of them replaced by {other}",
        ),
    ],
)
def test_sentences_and_captions_read_well(id: str, sentence: str, caption: str) -> None:
    scene = scene_of(Composition(*id.split("/")), np.random.default_rng(0))
    rule = fit_rule(scene)
    assert sentence_of(scene, rule).endswith(sentence)
    assert caption_of(scene, rule, "") == caption


def test_scattered_things_are_said_to_be() -> None:
    spots = [(-0.7, -0.6), (0.1, -0.75), (0.6, -0.2), (-0.3, 0.05), (0.7, 0.65), (-0.75, 0.55), (0.05, 0.7)]
    scene = Scene(tuple(Element("subject", x, y, 0.3) for x, y in spots))
    assert sentence_of(scene, fit_rule(scene)) == "seven things scattered, all alike"
