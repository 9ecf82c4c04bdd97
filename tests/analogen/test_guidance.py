"""Promises of what guides a candidate: the relation, the reading, or in doubt each in turn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analogen.composition import CandidatePlan, _faithful
from analogen.conditioning import Conditioning, guidance, with_reading
from analogen.relsim.mini.reading import SceneReading, reading_of
from analogen.relsim.world.arrangement_distance import arrangement_distance
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.render import SceneArt
from analogen.relsim.world.scene import Element, Scene
from analogen.types import FoundRelation

LETTER = Scene(tuple(Element("subject", x, y, 0.3) for x, y in ((-0.6, -0.7), (-0.6, 0), (-0.6, 0.7), (0.1, 0.7))))


def conditioned(confidence: float, caption: str, scene: Scene = LETTER) -> Conditioning:
    found = Conditioning(np.ones(384, np.float32) / 384**0.5, FoundRelation(caption, confidence), np.ones((1, 4)))
    return with_reading(found, reading_of(scene))


def caption_of(relation: str) -> str:
    from analogen.relsim.world.relations import RELATIONS

    return RELATIONS[relation].captions[0]


def test_a_sure_relation_guides_every_candidate() -> None:
    sure = conditioned(0.95, caption_of("ring"))
    assert not sure.doubtful
    for seed in (4, 5):
        guided = guidance(sure, seed)
        assert guided.relation_scale == 1
        assert not guided.faithful
        assert 0 < guided.looseness < 0.2


def test_a_new_logic_is_made_from_its_reading_alone() -> None:
    new = conditioned(0.2, caption_of("ring"))
    assert "new to mini" in new.notes[0]
    for seed in (4, 5):
        assert guidance(new, seed).faithful
        assert guidance(new, seed).relation_scale == 0


def test_in_doubt_candidates_follow_relation_and_reading_in_turn() -> None:
    doubtful = conditioned(0.55, caption_of("ring"))
    assert doubtful.doubtful
    assert "every second candidate keeps the arrangement" in doubtful.notes[-1]
    assert [guidance(doubtful, seed).faithful for seed in range(4)] == [False, True, False, True]
    assert [guidance(doubtful, seed).relation_scale for seed in range(2)] == [1, 0]


def test_a_reading_that_obeys_the_relation_leaves_no_doubt() -> None:
    angles = np.linspace(0, 2 * np.pi, 9)[:-1]
    ring = Scene(tuple(Element("subject", 0.7 * np.cos(a), 0.7 * np.sin(a), 0.25) for a in angles))
    assert not conditioned(0.55, caption_of("ring"), ring).doubtful


def test_a_reading_that_is_not_certain_casts_no_doubt() -> None:
    found = Conditioning(np.ones(384, np.float32) / 384**0.5, FoundRelation(caption_of("ring"), 0.55), np.ones((1, 4)))
    assert not with_reading(found, replace(reading_of(LETTER), certainty=0.3)).doubtful


def test_what_the_user_asks_of_the_arrangement_counts_for_every_candidate() -> None:
    doubtful = conditioned(0.55, caption_of("ring"))
    assert [guidance(doubtful, seed, asked=0.5).faithful for seed in range(2)] == [False, False]
    new = conditioned(0.2, caption_of("ring"))
    assert not guidance(new, 0, asked=0.5).faithful
    assert guidance(new, 0, asked=0.5).looseness == pytest.approx(0.5)
    assert guidance(new, 0, relation_scale=0.0).looseness == 1  # the whole reference is to be ignored


def plan(reading: SceneReading, faithful: bool) -> CandidatePlan:
    relation = np.ones(384, np.float32)
    return CandidatePlan(0, relation, Scene(()), SceneArt(ArtLibrary.shipped()), reading=reading, faithful=faithful)


def test_a_scene_that_strays_gives_way_to_the_reading_where_that_is_all_that_is_known() -> None:
    row = [Element("subject", x, 0, 0.3) for x in (-0.6, -0.2, 0.2, 0.6)]
    reading = reading_of(LETTER)
    assert arrangement_distance(_faithful(plan(reading, True), row), LETTER.elements) < 0.05
    assert _faithful(plan(reading, False), row) == tuple(row)
    near = [Element("subject", e.x + 0.02, e.y, 0.3) for e in LETTER.elements]
    assert _faithful(plan(reading, True), near) == tuple(near)
    assert len(_faithful(plan(reading, True), [])) == len(LETTER.elements)
