"""Promises of confusions: pairs show what an encoder takes for one another, and nothing is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analogen.relsim.mini.confusions import count_confusions, pair_odds
from analogen.relsim.mini.data import Pool, draw_pool
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.world.dataset import Selection, held_out_selection
from analogen.relsim.world.relations import RELATIONS


def test_confused_relations_are_drawn_more_often_and_with_each_other() -> None:
    counts = np.array([[10, 0, 0, 0], [0, 4, 6, 0], [0, 2, 8, 0], [0, 0, 0, 10]])
    first, second = pair_odds(counts)
    assert first.sum() == pytest.approx(1)
    np.testing.assert_allclose(second.sum(axis=1), 1)
    assert first[1] > first[2] > 5 * first[0] == pytest.approx(5 * first[3])
    assert second[1].argmax() == 2
    assert second[1, 2] == pytest.approx(second[2, 1], rel=0.02)
    np.testing.assert_allclose(second[0, [1, 2, 3]], 1 / 3)
    assert (first > 0).all()
    assert (second[~np.eye(4, dtype=bool)] > 0).all()
    assert not second.diagonal().any()


def test_an_encoder_without_errors_or_without_readings_gets_uniform_odds() -> None:
    for counts in (np.eye(3, dtype=np.int64) * 5, np.zeros((3, 3), np.int64)):
        first, second = pair_odds(counts)
        np.testing.assert_allclose(first, 1 / 3)
        np.testing.assert_allclose(second, (1 - np.eye(3)) / 2)


def test_a_single_relation_makes_no_pairs() -> None:
    with pytest.raises(ValueError, match="1 relations given: pairs need two"):
        pair_odds(np.array([[3]]))


def test_shipped_encoder_confuses_a_grid_with_an_odd_one_out_and_not_with_a_pedestal() -> None:
    relations = [RELATIONS[name] for name in ("grid", "odd_one_out", "pedestal")]
    counts = count_confusions(MiniEncoder(), held_out_selection(), relations, each=30, seed=1)
    assert (counts.diagonal() >= 12).all()
    assert counts[0, 1] + counts[1, 0] > counts[2].sum() - counts[2, 2] + counts[0, 2] + counts[1, 2]
    again = count_confusions(MiniEncoder(), held_out_selection(), relations, each=30, seed=1)
    np.testing.assert_array_equal(counts, again)


def test_a_pool_holds_the_requested_pairs(
    tmp_path: Path, few_selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analogen.relsim.mini.data.SHARD", 16)
    confused = np.array([[8, 0, 0], [0, 2, 6], [0, 6, 2]])
    odds = pair_odds(confused)._replace(second=np.array([[0.0, 1, 0], [0, 0, 1], [0, 1, 0]]))
    odds = odds._replace(first=np.array([0.0, 0.5, 0.5]))
    draw_pool(tmp_path, few_selection, ["ring", "grid", "odd_one_out"], range(1), seed=0, odds=odds)
    pairs = Pool(tmp_path).labels.relation.reshape(-1, 2)
    assert {tuple(pair) for pair in pairs.tolist()} == {(1, 2), (2, 1)}
