"""Promises of the judges' pictures: pairs in the same looks, every split, labels where a judge may be asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from analogen.relsim.evaluation import judge_pictures
from analogen.relsim.evaluation.judge_pictures import (
    SHARES,
    JudgePool,
    draw_judge_pair,
    draw_judge_pool,
    judges_selection,
)
from analogen.relsim.world.art import TRAINING_STYLES, ArtLibrary
from analogen.relsim.world.dataset import Selection
from analogen.relsim.world.material import Material


def test_judges_see_every_art_family_and_split() -> None:
    library, selection = ArtLibrary.shipped(), judges_selection()
    assert selection.styles == TRAINING_STYLES
    assert set(library.nouns(split="held_out", stock=True)) <= set(selection.subjects)


@pytest.mark.parametrize("kind", list(SHARES))
def test_a_pair_shows_two_relations_or_two_things_alone(kind: str, few_selection: Selection) -> None:
    rng = np.random.default_rng(4)
    first, second = draw_judge_pair(kind, Material(), rng, 64, ("ring", "grid", "bullseye"), few_selection)
    assert first.pixels.shape == second.pixels.shape == (64, 64, 3)
    assert not np.array_equal(first.pixels, second.pixels)
    assert {first.subject, second.subject} <= set(few_selection.subjects)
    if kind == "alone":
        assert first.relation == second.relation == ""
    else:
        assert first.relation != second.relation
        assert first.subject == second.subject


def test_things_that_are_not_of_the_stock_have_no_name(tmp_path: Path, few_selection: Selection) -> None:
    for name, color in (("gizmo", "red"), ("widget", "blue")):
        thing = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
        ImageDraw.Draw(thing).ellipse((4, 8, 36, 32), fill=color)
        thing.save(tmp_path / f"{name}.png")
    rng, material = np.random.default_rng(0), Material(tmp_path)
    named = [
        picture.subject
        for _ in range(12)
        for picture in draw_judge_pair("photograph", material, rng, 64, ("ring", "grid"), few_selection)
    ]
    assert "" in named
    assert set(named) <= {"", *few_selection.subjects}


def test_shards_are_drawn_once_and_again_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_pictures, "SHARD", 4)
    draw_judge_pool(tmp_path / "a", 2, seed=1, side=64)
    draw_judge_pool(tmp_path / "b", 1, seed=1, side=64)
    draw_judge_pool(tmp_path / "b", 2, seed=1, side=64)
    first, second = JudgePool(tmp_path / "a"), JudgePool(tmp_path / "b")
    rows = np.arange(8)
    assert np.array_equal(first.images(rows), second.images(rows))
    assert first.relations.tolist() == second.relations.tolist()
    assert first.subjects.tolist() == second.subjects.tolist()
    assert len(JudgePool(tmp_path / "a", shards=1)) == 4
    with pytest.raises(FileNotFoundError, match="holds no pictures for judges"):
        JudgePool(tmp_path / "none")
