"""The grammar of logics: parts, ids, captions, splits and sampling."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from analogen.relsim.world.dataset import draw_sample, training_selection
from analogen.relsim.world.grammar import (
    ATOMS,
    HELD_OUT_ATOMS,
    PARTS,
    Composition,
    compose,
    compositions,
    draw_composition,
    held_out_atoms,
    held_out_compositions,
    neighbours,
    of_split,
    parse,
    trained_compositions,
)
from analogen.relsim.world.grammar.castings import OTHERS
from analogen.relsim.world.grammar.rules import allowed
from analogen.relsim.world.relations import RELATIONS


def test_thousands_of_compositions_remain_after_the_rules() -> None:
    every = compositions()
    assert len(every) >= 3000
    assert len({c.id for c in every}) == len(every)


def test_every_atom_occurs_in_a_composition() -> None:
    seen = {part: {getattr(c, part) for c in compositions()} for part in PARTS}
    assert {part: set(atoms) for part, atoms in ATOMS.items()} == seen


def test_ids_round_trip() -> None:
    assert all(parse(c.id) == c for c in compositions()[::7])


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("ring", "expected arrangement/progression/casting/setting"),
        ("ring/none/alike/none/none", "expected arrangement/progression/casting/setting"),
        ("rings/none/alike/none", "unknown arrangement 'rings', perhaps ring"),
        ("ring/swelling/alike/none", "unknown progression 'swelling'"),
        ("ring/none/one_odd/behind_bar", "unknown setting 'behind_bar', perhaps behind_bars"),
        ("single/growing/alike/none", "is no composition: these parts do not go together"),
        ("", "expected arrangement/progression/casting/setting"),
    ],
)
def test_a_bad_id_is_answered_in_one_clear_line(bad: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        parse(bad)
    assert "\n" not in str(caught.value)


def test_captions_name_the_things_and_nothing_else() -> None:
    for c in compositions()[::11]:
        assert len(c.captions) >= 6, c
        for caption in c.captions:
            assert set(re.findall(r"\{.*?\}", caption)) == {"{subject}"} | (
                {"{other}"} if c.casting in OTHERS else set()
            )
            assert not re.search(r"  |,,|^\W|, $", caption.replace("{subject}", "it")), caption


def test_captions_have_a_short_and_a_long_wording() -> None:
    for c in compositions()[::101]:
        lengths = [len(caption) for caption in c.captions]
        assert min(lengths) <= 0.7 * max(lengths), c


def test_no_two_compositions_share_a_caption() -> None:
    counted = Counter(caption for c in compositions() for caption in c.captions)
    assert counted.most_common(1)[0][1] == 1


def test_no_composition_is_called_like_a_relation_that_it_is_not() -> None:
    from analogen.relsim.world.grammar.named import NAMED

    captions = {
        caption: c.id for c in compositions() if c.parts[1:] == ("none", "alike", "none") for caption in c.captions
    }
    for relation in RELATIONS.values():
        for caption in relation.captions:
            assert captions.get(caption, NAMED.get(relation.id)) == NAMED.get(relation.id), caption


def test_splits_are_disjoint_and_complete() -> None:
    parts = [set(of_split(s)) for s in ("train", "held_out", "held_out_atoms")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(compositions())
    assert set(trained_compositions()) == parts[0]
    assert set(held_out_compositions()) == parts[1]


def test_a_tenth_is_held_out() -> None:
    share = len(held_out_compositions()) / (len(held_out_compositions()) + len(trained_compositions()))
    assert 0.09 <= share <= 0.11


def test_held_out_atoms_occur_in_no_trained_composition() -> None:
    assert len(held_out_atoms()) == 2
    for c in (*trained_compositions(), *held_out_compositions()):
        assert not set(c.parts) & set(held_out_atoms())
    for part, atom in HELD_OUT_ATOMS.items():
        assert all(c.relation().held_out for c in of_split("held_out_atoms") if getattr(c, part) == atom)


def test_splits_are_fixed_by_the_id_alone() -> None:
    """In another process, with another hash seed, the same ids are held out."""
    code = (
        "from analogen.relsim.world.grammar import held_out_compositions as h; print(*sorted(c.id for c in h())[::50])"
    )
    other = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
    )
    assert other.stdout.decode().split() == sorted(c.id for c in held_out_compositions())[::50]


def test_known_ids_keep_their_split() -> None:
    """Published figures speak of these: a change of the split is a change of the benchmark."""
    assert parse("ring/none/alike/none").split == "train"
    assert parse("wave/none/alike/none").split == "held_out_atoms"
    assert parse("ring/darkening/alike/none").split == "held_out_atoms"
    known = ("single/none/alike/in_ring", "facing_pair/none/alike/behind_bars", "facing_pair/none/alike/on_disc")
    assert all(parse(id).split == "held_out" for id in known)


@pytest.mark.parametrize("split", ["train", "held_out", "held_out_atoms"])
def test_drawn_compositions_belong_to_their_split(split: str) -> None:
    rng = np.random.default_rng(0)
    assert all(draw_composition(rng, split).split == split for _ in range(100))


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown split 'test'; known: train"):
        draw_composition(np.random.default_rng(0), "test")
    with pytest.raises(ValueError, match="unknown split 'test'"):
        of_split("test")


def test_sampling_balances_atoms_and_keeps_plain_ones_common() -> None:
    rng = np.random.default_rng(1)
    drawn = [draw_composition(rng) for _ in range(6000)]
    assert drawn == [draw_composition(again) for again in [np.random.default_rng(1)] for _ in range(6000)]
    arrangements = Counter(c.arrangement for c in drawn)
    trained = {a for a in ATOMS["arrangement"] if a not in held_out_atoms()}
    assert set(arrangements) == trained
    assert max(arrangements.values()) <= 2.5 * min(arrangements.values())
    plain = sum(c.parts[1:] == ("none", "alike", "none") for c in drawn) / len(drawn)
    assert 0.15 <= plain <= 0.35
    for part in PARTS[1:]:
        counts = Counter(getattr(c, part) for c in drawn)
        neutral = counts.most_common(1)[0][0]
        assert neutral in ("none", "alike")
        assert min(counts[a] for a in ATOMS[part] if a not in held_out_atoms()) >= 10


def test_neighbours_differ_in_exactly_one_part() -> None:
    for c in compositions()[::2503]:
        for other in neighbours(c):
            assert sum(a != b for a, b in zip(c.parts, other.parts, strict=True)) == 1
            assert allowed(*other.parts)
            assert c in neighbours(other)


def test_a_composition_is_a_relation_of_the_world() -> None:
    relation = parse("ring/shrinking/one_odd/behind_bars").relation()
    sample = draw_sample(relation, training_selection(), np.random.default_rng(0))
    assert sample.relation == "ring/shrinking/one_odd/behind_bars"
    assert sample.caption in relation.captions
    assert relation.needs_other
    assert relation.holds(sample.scene)
    assert relation is parse(relation.id).relation()


def test_direction_is_lost_in_a_mirror_where_the_words_say_it() -> None:
    assert not compose("row", "growing").mirror_ok
    assert not compose("ring", "fading").mirror_ok
    assert not compose("falling").mirror_ok
    assert compose("row").mirror_ok
    assert compose("column", "growing").mirror_ok
    assert compose("spiral", "growing").mirror_ok


def test_parts_in_a_constructor_are_not_checked_but_compose_checks_them() -> None:
    assert Composition("ring").id == "ring/none/alike/none"
    with pytest.raises(ValueError, match="unknown casting 'two_odd'"):
        compose("ring", casting="two_odd")
