"""Promises of readings that are completed by what the parts head tells."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analogen.relsim.mini.reading import fit_rule
from analogen.relsim.mini.reading.arranging import candidates
from analogen.relsim.mini.reading.assembling import Told, assembled
from analogen.relsim.mini.reading.completing import dressed, missed_things
from analogen.relsim.mini.reading.rule_fitting import fit_with_places
from analogen.relsim.world.grammar import ATOMS, PARTS, compose
from analogen.relsim.world.grammar.fitting import Found
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import Background, Element, Scene


def drawn(*parts: str, seed: int = 0) -> Scene:
    draft = Draft(np.random.default_rng(seed))
    compose(*parts).draw(draft)
    return Scene(tuple(draft.elements))


def sure_of(**told: str) -> dict[str, dict[str, float]]:
    """By part how likely each atom is: those told are nearly sure, of the others the usual ones."""
    usual = {"arrangement": "row", "progression": "none", "casting": "alike", "setting": "none", **told}
    return {
        part: {atom: 0.95 if atom == usual[part] else 0.05 / (len(ATOMS[part]) - 1) for atom in ATOMS[part]}
        for part in PARTS
    }


def told_of(scene: Scene) -> tuple[list[Told], list[Told]]:
    things = [(e, 0.9, int(e.kind == "other")) for e in scene.things]
    return things, [(e, 0.9, -1) for e in scene.elements if not e.is_thing]


@pytest.mark.parametrize("name", ["ring", "row", "lattice", "pyramid"])
def test_a_missed_thing_gets_its_place(name: str) -> None:
    _, chosen = fit_with_places(drawn(name))
    assert chosen is not None
    whole = chosen.found
    kept = [i for i in range(len(whole.things)) if i != 2]
    found = Found(whole.layout, [whole.things[i] for i in kept], whole.slots[kept], 0.0)
    (made,) = missed_things(found).values()
    assert math.dist((made.x, made.y), (whole.things[2].x, whole.things[2].y)) < 0.3 * made.size
    assert missed_things(whole) == {}


@pytest.mark.parametrize("setting", [atom for atom in ATOMS["setting"] if atom != "none"])
def test_props_of_a_setting_are_drawn_about_things_that_stay_where_they_are(setting: str) -> None:
    arrangement = "pyramid" if setting not in ("behind_wall", "in_bowl", "before_star") else "row"
    arrangement = "single" if setting in ("in_bowl", "before_star") else arrangement
    things = [replace(e, x=0.5 * e.x + 0.1, y=0.5 * e.y, size=0.5 * e.size) for e in drawn(arrangement).things]
    made = dressed(setting, things)
    assert [(e.x, e.y, e.size) for e in made.things] == [(e.x, e.y, e.size) for e in things]
    rule = fit_rule(Scene((*made.behind, *made.things, *made.front)))
    assert rule.setting == setting


def test_an_arrangement_that_is_told_is_found_among_things_that_are_none() -> None:
    things = [*drawn("row").things]
    size = things[0].size
    extra = [Element("subject", things[1].x, 0.8, size), Element("subject", things[-1].x, -0.7, size)]
    confidences = [0.9] * len(things) + [0.4, 0.45]
    told = sure_of(arrangement="row")["arrangement"]
    assert "row" not in {c.arrangement for c in candidates([*things, *extra], confidences)}
    first = candidates([*things, *extra], confidences, told)[0]
    assert first.arrangement == "row"
    assert set(map(id, first.left_out)) == set(map(id, extra))


def test_a_reading_follows_the_parts_head_where_pixels_saw_less() -> None:
    scene = drawn("ring", "none", "one_odd", "framed", seed=2)
    things, props = told_of(scene)
    assert [e.kind for e, _, _ in props] == ["frame"]
    seen = [told for i, told in enumerate(things) if i != 3 or told[0].kind == "other"]
    told = sure_of(arrangement="ring", casting="one_odd", setting="framed")
    reading = assembled(seen, [], Background(), (512, 512), (0, 0, 512, 512), parts=told)
    assert reading.rule.composition == "ring/none/one_odd/framed"
    assert reading.count == len(things)
    assert min(reading.confidences) < 0.5  # what was added is not sure
    without = assembled(seen, [], Background(), (512, 512), (0, 0, 512, 512))
    assert without.count == len(seen)
    assert without.rule.setting == "none"


def test_one_empty_place_stays_empty_if_the_head_tells_so() -> None:
    things, _ = told_of(drawn("ring", seed=1))
    told = sure_of(arrangement="ring", casting="missing")
    reading = assembled(things[1:], [], Background(), (512, 512), (0, 0, 512, 512), parts=told)
    assert reading.count == len(things) - 1


@pytest.mark.parametrize("pair", ["facing_pair", "back_to_back"])
def test_a_pair_faces_as_the_head_tells(pair: str) -> None:
    things, _ = told_of(drawn(pair))
    plain = [(replace(e, mirror=False), c, k) for e, c, k in things]
    reading = assembled(plain, [], Background(), (512, 512), (0, 0, 512, 512), parts=sure_of(arrangement=pair))
    assert reading.rule.arrangement == pair
