"""Promises of readings by the parts head: what it tells is drawn, near what was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analogen.relsim.mini.reading.conforming import conform
from analogen.relsim.mini.reading.rule_fitting import fit_rule, fit_with_places
from analogen.relsim.world.grammar import ATOMS, Composition, parse
from analogen.relsim.world.grammar.rules import allowed
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import Element, Scene

KINDS = [  # casting and progression in turn; not "missing", whose places are not all filled
    *((casting, "none") for casting in ATOMS["casting"] if allowed("row", "none", casting, "none")),
    *(("alike", progression) for progression in ATOMS["progression"]),
]


def sure_of(part: str, atom: str, share: float = 0.95) -> dict[str, float]:
    rest = (1 - share) / (len(ATOMS[part]) - 1)
    return {each: share if each == atom else rest for each in ATOMS[part]}


def drawn(id: str, seed: int = 0) -> Scene:
    draft = Draft(np.random.default_rng(seed))
    parse(id).draw(draft)
    return Scene(tuple(draft.elements))


def faded(things: tuple[Element, ...] | list[Element], share: float) -> list[Element]:
    """The things with all that tells them apart weakened, as pixels tell it, but for their kinds and sizes."""
    return [
        replace(
            e, opacity=1 - share * (1 - e.opacity), saturation=1 - share * (1 - e.saturation), clip=replace(e.clip),
            brightness=1 - share * (1 - e.brightness), sketch=share * e.sketch, pixel=share * e.pixel,
            silhouette=share * e.silhouette,
        )
        for e in things
    ]  # fmt: skip


def conformed(scene: Scene, casting: dict[str, float], progression: dict[str, float]) -> Scene:
    rule, chosen = fit_with_places(scene)
    assert chosen is not None
    read = (rule.casting, rule.progression) if rule.exact else None
    made = conform(rule.arrangement, chosen.found, casting, progression, read)
    assert made is not None
    return Scene(tuple(made.things))


@pytest.mark.parametrize(("casting", "progression"), [kind for kind in KINDS if kind[0] != "missing"])
def test_what_pixels_show_weakly_is_drawn_as_the_head_tells_it(casting: str, progression: str) -> None:
    scene = drawn(f"row/{progression}/{casting}/none", seed=3)
    weak = Scene(tuple(faded(scene.things, 0.5)))
    made = conformed(weak, sure_of("casting", casting), sure_of("progression", progression))
    rule = fit_rule(made)
    assert (rule.arrangement, rule.casting, rule.progression, rule.exact) == ("row", casting, progression, True)
    assert Composition("row", progression, casting).relation().why_broken(made) is None
    np.testing.assert_allclose([(e.x, e.y) for e in made.things], [(e.x, e.y) for e in scene.things])


def test_what_is_read_exactly_and_held_likely_stays_as_it_is() -> None:
    scene = drawn("ring/none/one_odd/none")
    made = conformed(scene, sure_of("casting", "one_odd", 0.5), sure_of("progression", "none"))
    assert sorted(made.things, key=repr) == sorted(scene.things, key=repr)


@pytest.mark.parametrize("at", range(6))
def test_the_odd_one_is_the_one_that_was_measured(at: int) -> None:
    things = [Element("other" if i == at else "subject", 0.3 * i - 0.75, 0.0, 0.25, opacity=0.9) for i in range(6)]
    things[5 - at] = replace(things[5 - at], saturation=0.2)  # a reading error
    casting = {**sure_of("casting", "one_odd", 0.8), "led_by_other": 0.05}
    made = conformed(Scene(tuple(things)), casting, sure_of("progression", "none"))
    assert [e.kind for e in made.things] == [e.kind for e in things] or at == 0
    assert len({e.saturation for e in made.things}) == 1


def test_strong_pixels_outweigh_a_head_in_doubt() -> None:
    things = [Element("subject", 0.3 * i - 0.75, 0.0, 0.08 + 0.04 * i) for i in range(6)]
    progression = {**dict.fromkeys(ATOMS["progression"], 0.0), "none": 0.6, "growing": 0.4}
    made = conformed(Scene(tuple(things)), sure_of("casting", "alike"), progression)
    assert fit_rule(made).progression == "growing"


def test_things_that_differ_by_their_arrangement_are_left_alone() -> None:
    scene = drawn("nest/none/alike/none")
    rule, chosen = fit_with_places(scene)
    assert chosen is not None
    assert rule.arrangement == "nest"
    assert conform("nest", chosen.found, sure_of("casting", "alike"), sure_of("progression", "none")) is None
