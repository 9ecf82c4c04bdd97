"""The grammar of logics: what it draws, and whether its checkers accept just that."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator

from analogen.relsim.world.dataset import draw_sample, training_selection
from analogen.relsim.world.grammar import ATOMS, Composition, compose, compositions, draw_composition, neighbours, parse
from analogen.relsim.world.grammar.arrangements import MAX_THINGS
from analogen.relsim.world.grammar.composition import SMALLEST
from analogen.relsim.world.grammar.named import NAMED
from analogen.relsim.world.measure import overlap
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.scene import Element, Scene, from_json, to_json

SELECTION = training_selection()
SPLITS = ("train", "held_out", "held_out_atoms")
# The arrangements in which things are meant to lie on each other.
OVERLAPPING = ("heap", "nest")


def scene_of(composition: Composition, rng: Generator, hard: bool = False) -> Scene:
    return draw_sample(composition.relation(), SELECTION, rng, hard=hard).scene


def some(count: int, seed: int) -> list[Composition]:
    """Half of them at random among all, half as training draws them."""
    rng = np.random.default_rng(seed)
    every = compositions()
    drawn = [draw_composition(rng, SPLITS[i % 3]) for i in range(count // 2)]
    return drawn + [every[int(i)] for i in rng.integers(len(every), size=count - len(drawn))]


@pytest.fixture(scope="module")
def drawn() -> list[tuple[Composition, Scene]]:
    """400 compositions, three scenes of each."""
    rng = np.random.default_rng(11)
    return [(c, scene_of(c, rng, hard=turn == 2)) for c in some(400, seed=10) for turn in range(3)]


def test_every_compositions_own_scenes_pass_its_checker(drawn: list[tuple[Composition, Scene]]) -> None:
    wrong = [(c.id, c.broken_parts(scene)) for c, scene in drawn if not c.relation().holds(scene)]
    assert len(wrong) <= 0.01 * len(drawn), wrong


@pytest.mark.parametrize("arrangement", ATOMS["arrangement"])
def test_scenes_of_each_plain_arrangement_pass(arrangement: str) -> None:
    rng = np.random.default_rng(12)
    wrong = [compose(arrangement).broken_parts(scene_of(compose(arrangement), rng)) for _ in range(30)]
    assert sum(map(bool, wrong)) <= 1, wrong


def test_things_are_few_enough_and_large_enough_to_be_seen(drawn: list[tuple[Composition, Scene]]) -> None:
    for c, scene in drawn:
        assert 1 <= len(scene.things) <= MAX_THINGS, c
        assert min(e.size for e in scene.things) >= SMALLEST - 1e-6, c


def test_everything_lies_within_the_picture(drawn: list[tuple[Composition, Scene]]) -> None:
    for c, scene in drawn:
        for e in scene.things:
            assert max(abs(e.x), abs(e.y)) + e.size / 2 <= 1.0, c
        for e in scene.elements:
            assert max(abs(e.x) + e.width / 2, abs(e.y) + e.height / 2) <= 1.02 or e.kind == "water", (c, e)


def test_things_overlap_only_where_the_arrangement_means_it(drawn: list[tuple[Composition, Scene]]) -> None:
    for c, scene in drawn:
        if c.arrangement in OVERLAPPING:
            continue
        things = [replace(e, turn=0.0, size=0.85 * e.size) for e in scene.things]  # art seldom fills its corners
        worst = max((overlap(a, b) for i, a in enumerate(things) for b in things[:i]), default=0.0)
        assert worst <= 0.12, c


def test_scenes_survive_json(drawn: list[tuple[Composition, Scene]]) -> None:
    assert all(from_json(to_json(scene)) == scene for _, scene in drawn[::20])


def test_scenes_of_neighbours_are_rejected() -> None:
    rng = np.random.default_rng(13)
    accepted: Counter[tuple[str, str]] = Counter()
    tried = 0
    for c in some(150, seed=14):
        near = neighbours(c)
        for i in rng.permutation(len(near))[:8]:
            tried += 1
            if c.relation().holds(scene_of(near[int(i)], rng)):
                accepted[near[int(i)].id, c.id] += 1
    assert sum(accepted.values()) <= 0.03 * tried, accepted


@pytest.mark.parametrize("arrangement", ATOMS["arrangement"])
def test_scenes_of_other_arrangements_are_rejected(arrangement: str) -> None:
    rng = np.random.default_rng(15)
    checked = compose(arrangement).relation()
    others = [compose(a) for a in ATOMS["arrangement"] if a != arrangement for _ in range(4)]
    accepted = [c.id for c in others if checked.holds(scene_of(c, rng))]
    assert len(accepted) <= 0.03 * len(others), accepted


def jittered(e: Element, rng: Generator) -> Element:
    x, y = rng.normal(0, 0.035 * e.size, 2)
    return replace(
        e, x=e.x + float(x), y=e.y + float(y), size=e.size * float(rng.normal(1, 0.025)),
        turn=e.turn + float(rng.normal(0, 2.5)),
    )  # fmt: skip


def test_checkers_tolerate_what_a_composer_gets_slightly_wrong() -> None:
    rng = np.random.default_rng(16)
    wrong = []
    for c in some(200, seed=17):
        scene = scene_of(c, rng)
        noisy = replace(scene, elements=tuple(jittered(e, rng) if e.is_thing else e for e in scene.elements))
        if not c.relation().holds(noisy):
            wrong.append((c.id, c.broken_parts(noisy)))
    assert len(wrong) <= 10, wrong


def test_the_order_of_elements_does_not_matter_to_regular_arrangements() -> None:
    rng = np.random.default_rng(18)
    for c in (
        parse(i) for i in ("ring/fading/one_odd/none", "lattice/colour/alike/framed", "row/growing/alike/on_shelf")
    ):
        scene = scene_of(c, rng)
        things = list(scene.things)
        rng.shuffle(things)  # type: ignore[arg-type]
        others = [e for e in scene.elements if not e.is_thing]
        assert c.broken_parts(replace(scene, elements=(*others, *things))) == {}


def test_a_progression_the_other_way_round_is_rejected() -> None:
    rng = np.random.default_rng(19)
    for arrangement in ("row", "column", "ring", "spiral", "lattice", "rising", "plus", "wedge"):
        for there, back in (("growing", "shrinking"), ("fading", "appearing"), ("paling", "colouring")):
            scene = scene_of(compose(arrangement, there), rng)
            broken = compose(arrangement, back).broken_parts(scene)
            assert "progression" in broken or "arrangement" in broken, (arrangement, there)


@pytest.mark.parametrize(
    ("made", "read", "part"),
    [
        ("ring/none/alike/none", "ring/fading/alike/none", "progression"),
        ("row/growing/alike/none", "row/none/alike/none", "progression"),
        ("lattice/none/one_odd/none", "lattice/none/alternating/none", "casting"),
        ("ring/none/alike/in_bubble", "ring/none/alike/behind_bars", "setting"),
        ("ring/none/alike/none", "spiral/none/alike/none", "arrangement"),
        ("row/fading/one_small/framed", "row/fading/one_large/framed", "casting"),
    ],
)
def test_the_broken_part_is_named(made: str, read: str, part: str) -> None:
    for seed in range(5):
        assert set(parse(read).broken_parts(scene_of(parse(made), np.random.default_rng(seed)))) == {part}


def test_a_slip_of_the_arrangement_leaves_the_other_parts_their_credit() -> None:
    scene = scene_of(parse("row/fading/alike/framed"), np.random.default_rng(3))
    things = [replace(e, y=e.y + 0.3 * (-1) ** i) if e.is_thing else e for i, e in enumerate(scene.elements)]
    assert set(parse("row/fading/alike/framed").broken_parts(replace(scene, elements=tuple(things)))) <= {
        "arrangement",
        "setting",
    }


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), boxes=st.lists(st.tuples(*[st.floats(-1, 1)] * 2, st.floats(0.01, 2)), max_size=26)
)
def test_checkers_answer_any_scene(seed: int, boxes: list[tuple[float, float, float]]) -> None:
    """Never an exception of another kind, however odd the scene."""
    rng = np.random.default_rng(seed)
    kinds = ("subject", "subject", "subject", "other", "bars", "frame")
    scene = Scene(tuple(Element(kinds[int(rng.integers(6))], x, y, size) for x, y, size in boxes))
    composition = draw_composition(rng, SPLITS[seed % 3])
    assert isinstance(composition.broken_parts(scene), dict)
    composition.relation().why_broken(scene)


@pytest.mark.parametrize("name", NAMED)
def test_named_relations_are_the_compositions_that_they_are_said_to_be(name: str) -> None:
    rng = np.random.default_rng(20)
    composition = parse(NAMED[name])
    reasons = [composition.broken_parts(draw_sample(RELATIONS[name], SELECTION, rng).scene) for _ in range(40)]
    assert sum(not broken for broken in reasons) >= 36, reasons


def test_same_seed_same_scene() -> None:
    c = parse("spiral/growing/one_odd/on_panel")
    assert scene_of(c, np.random.default_rng(4)) == scene_of(c, np.random.default_rng(4))
