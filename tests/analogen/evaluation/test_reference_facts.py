"""Facts that can be checked in a result: read from scenes that are known, and compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analogen.evaluation.reference_facts import agrees, facts_of_reading, kept
from analogen.relsim.mini.reading import reading_of
from analogen.relsim.world.dataset import draw_sample, held_out_selection
from analogen.relsim.world.grammar import parse
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.scene import Scene


def scene_of(id: str, seed: int = 0) -> Scene:
    relation = RELATIONS[id] if id in RELATIONS else parse(id).relation()
    return draw_sample(relation, held_out_selection(), np.random.default_rng(seed)).scene


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("ring/none/alike/none", {"arrangement": "ring"}),
        ("row/shrinking/alike/none", {"arrangement": "row", "progression": "shrinking"}),
        ("lattice/none/one_odd/none", {"casting": "one_odd"}),
    ],
)
def test_parts_of_a_logic_are_facts(id: str, expected: dict[str, str]) -> None:
    scene = scene_of(id)
    found = facts_of_reading(reading_of(scene))
    assert found.items() >= expected.items()
    assert found["things"] == len(scene.things)


def test_what_is_usual_is_no_fact() -> None:
    scene = scene_of("ring/none/alike/none")
    alone = replace(scene, elements=scene.things[:1])
    assert not facts_of_reading(reading_of(alone)).keys() & {"things", "progression", "casting"}


@pytest.mark.parametrize("relation", ["flock", "spiral", "grid"])
def test_a_scene_keeps_its_own_facts_and_loses_them_when_it_is_thinned(relation: str) -> None:
    scene = scene_of(relation, 3)
    facts = facts_of_reading(reading_of(scene), relation)
    assert len(facts) >= 2
    assert all(kept(facts, facts_of_reading(reading_of(scene), relation)).values())
    half = replace(scene, elements=scene.elements[: len(scene.elements) // 2])
    assert not all(kept(facts, facts_of_reading(reading_of(half), relation)).values())


def test_counts_agree_within_one_or_a_share() -> None:
    assert agrees("things", 5, 6)
    assert not agrees("things", 5, 7)
    assert agrees("things", 20, 23)
    assert not agrees("things", 20, 24)
    assert not agrees("things", 5, None)
    assert not agrees("arrangement", "ring", "row")
    assert agrees("direction 0", 350.0, 20.0)
