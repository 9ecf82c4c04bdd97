"""Promises of the measures of structure beyond the caption."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analogen.relsim.world.dataset import draw_sample, training_selection
from analogen.relsim.world.relations import RELATIONS, Draft
from analogen.relsim.world.scene import Element, Scene
from analogen.relsim.world.structure import MEASURES, Fact, agree, facts_of, kept_facts, with_mirroring_applied

WINDS = ("up", "upper right", "right", "lower right", "down", "lower left", "left", "upper left")
WAYS = {wind: 45.0 * number for number, wind in enumerate(WINDS)}
# What a drawing says of itself, in the order of its relation's measures; "" where it says nothing comparable.
SAID: dict[str, tuple[str, ...]] = {
    "riding": ("seat",), "parent_and_child": ("child",), "crowned": ("tilt",), "giant": ("count",),
    "portrait": ("frame",), "orbit": ("count", ""), "eclipse": ("direction",), "balance": ("lower", "subject"),
    "thought_of": ("thinker",), "ring": ("count", "orientation"), "spiral": ("count", "direction", ""),
    "kaleidoscope": ("fold",), "grid": ("lattice",), "odd_one_out": ("lattice",), "checkerboard": ("lattice",),
    "pyramid": ("",), "shape_of_many": ("count", "shape", ""), "missing_piece": ("lattice",),
    "magnified": ("direction",), "bullseye": ("rings",), "stretched": ("orientation",), "kintsugi": ("count",),
    "before_after": ("change", "layout"), "day_and_night": ("split", ""),
    "counting_up": ("", "layout"), "zoom_in": ("layout",), "pedestal": ("light",),
    "toppling": ("count", "falls"), "tumbling": ("count", "layout", "direction"),
    "growth_stages": ("count", "layout"), "fading_away": ("count", "layout"), "ripening": ("count", "layout"),
    "eaten_up": ("count", "layout"), "sliced": ("count", "orientation"), "chimera": ("orientation", "direction"),
    "half_drawn": ("orientation", "direction"), "false_shadow": ("direction",),
}  # fmt: skip
PLAIN = ("count", "direction")


def said_by(facts: dict[str, Any], name: str) -> Any:
    return (facts["rows"], facts["columns"]) if name == "lattice" else facts.get(name)


@pytest.mark.parametrize("relation", sorted(MEASURES))
def test_measures_find_what_was_drawn(relation: str) -> None:
    names = SAID.get(relation, PLAIN[: len(MEASURES[relation])])
    assert len(names) == len(MEASURES[relation])
    asked = wrong = 0
    for seed in range(24):
        draft = Draft(np.random.default_rng(seed))
        RELATIONS[relation].draw(draft)
        for name, fact in zip(names, facts_of(relation, Scene(tuple(draft.elements))), strict=True):
            said = said_by(draft.facts, name)
            if said is None or fact.value is None:
                continue
            if isinstance(fact.value, float):
                said = WAYS[said]
            asked += 1
            wrong += not agree(said, fact.value) if isinstance(fact.value, float) else said != fact.value
    assert asked == 0 or wrong <= 0.05 * asked, f"{wrong} of {asked}"
    assert asked > 0 or not any(names)


def test_a_mirrored_reference_points_the_other_way() -> None:
    draft = Draft(np.random.default_rng(3))
    RELATIONS["parade"].draw(draft)
    scene = Scene(tuple(draft.elements))
    mirrored = replace(scene, frame=replace(scene.frame, mirror=True))
    ways = [facts_of("parade", s)[1] for s in (scene, mirrored)]
    assert {way.value for way in ways} == {"left", "right"}
    assert with_mirroring_applied(with_mirroring_applied(mirrored)) == with_mirroring_applied(mirrored)
    assert dict(kept_facts("parade", scene, mirrored)) == {"count": True, "direction": False}


def test_every_scene_keeps_its_own_structure_and_a_broken_one_none() -> None:
    rng = np.random.default_rng(5)
    for relation in MEASURES:
        scene = draw_sample(RELATIONS[relation], training_selection(), rng).scene
        assert all(kept for _, kept in kept_facts(relation, scene, scene)), relation
        broken = Scene((Element("rect", 0, 0, 0.5),))
        assert not any(kept for _, kept in kept_facts(relation, scene, broken)), relation


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("relation", sorted(RELATIONS))
@pytest.mark.parametrize("kept", [1, 2, 3, "at one spot", "in a row", "in a column"])
def test_broken_scenes_are_measured_and_checked_without_a_warning(relation: str, kept: int | str) -> None:
    elements = draw_sample(RELATIONS[relation], training_selection(), np.random.default_rng(5)).scene.elements
    if isinstance(kept, int):
        subjects = [e for e in elements if e.kind == "subject"]
        elements = tuple(e for e in elements if e not in subjects[kept:])
    else:
        wide, tall = kept == "in a row", kept == "in a column"
        elements = tuple(replace(e, x=e.x * wide, y=e.y * tall) for e in elements)
    scene = Scene(elements)
    facts_of(relation, scene)
    RELATIONS[relation].holds(scene)


def test_counts_agree_within_one_and_many_are_told_apart() -> None:
    assert agree(5, 6)
    assert not agree(5, 7)
    assert agree(350.0, 20.0)
    assert not agree(0.0, 90.0)
    assert not agree("left", None)
    copies = tuple(Element("subject", x / 10, 0, 0.1) for x in range(12))
    assert kept_facts("heap", Scene(copies), Scene(copies[:11])) == [("many", True)]
    assert facts_of("forbidden", Scene(copies)) == []
    assert facts_of("tower", Scene(copies)) == [Fact("count", 12)]
