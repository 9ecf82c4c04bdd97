"""Promises of the rows on which A : A' :: B : ? is measured."""

from __future__ import annotations

import numpy as np

from analogen.evaluation.changes import draw_rows
from analogen.relsim.world.changes import apply_change, change_between
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import Scene

ROWS = draw_rows(24, seed=1)


def test_rows_ask_for_held_out_compositions_and_change_one_part() -> None:
    assert all(row.wanted.held_out for row in ROWS)
    assert {row.part for row in ROWS} == {"progression", "casting", "setting", "arrangement"}
    for row in ROWS:
        assert len(row.before.things) == len(row.after.things)
        assert not row.is_right(row.own)
        if row.part != "arrangement":  # there the copy keeps the logic as well
            assert not row.is_right(row.after)


def test_a_drawing_of_the_wanted_composition_is_right() -> None:
    for row in ROWS:
        draft = Draft(np.random.default_rng(0))
        row.wanted.draw(draft)
        assert row.is_right(Scene(tuple(draft.elements)))


def test_the_change_made_is_right_far_more_often_than_a_copy() -> None:
    right = []
    for row in ROWS:
        before, after, own = row.arrangements
        change = change_between(row.before, row.after, before, after)
        right.append(row.is_right(apply_change(change, row.own, own, np.random.default_rng(0))))
    assert np.mean(right) > 0.7
