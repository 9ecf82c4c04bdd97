"""Promises of relational retrieval in the world: galleries in which looks lead astray."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator

from analogen.relsim.evaluation import world_retrieval
from analogen.relsim.evaluation.baselines import pixel_vectors
from analogen.relsim.evaluation.metrics import recall_at
from analogen.relsim.evaluation.similarity_measures import encoder_measures
from analogen.relsim.evaluation.world_retrieval import (
    HARD_NEGATIVES,
    Galleries,
    draw_composition_galleries,
    draw_galleries,
    run_retrieval,
)
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.world.dataset import Sample, Selection, draw_sample, hard_negative_of
from analogen.relsim.world.grammar import parse
from analogen.relsim.world.relations import RELATIONS, Relation

KINDS = [RELATIONS[name] for name in ("ring", "grid", "before_after", "peeking")]


@pytest.fixture(scope="module")
def drawn(few_selection: Selection) -> Galleries:
    return draw_galleries(KINDS, few_selection, 12, seed=0)


def test_gallery_has_a_match_and_hard_negatives_for_every_query(drawn: Galleries) -> None:
    stored = drawn.gallery_relation.reshape(12, 1 + HARD_NEGATIVES)
    assert (stored[:, 0] == drawn.query_relation).all()
    assert (stored[:, 1:] != drawn.query_relation[:, None]).all()
    assert (stored[:, 1] != stored[:, 2]).all()
    assert len(drawn.gallery) == 12 * (1 + HARD_NEGATIVES)
    assert {picture.size for picture in drawn.queries + drawn.gallery} == {(128, 128)}


def test_relations_are_queried_equally_often(drawn: Galleries) -> None:
    assert np.bincount(drawn.query_relation).tolist() == [3, 3, 3, 3]
    assert drawn.relations == [kind.id for kind in KINDS]


def test_matches_show_another_subject_and_hard_negatives_the_same_looks(
    monkeypatch: pytest.MonkeyPatch, few_selection: Selection
) -> None:
    drawings: list[Sample] = []
    trapped: list[tuple[Sample, Sample]] = []

    def spy_draw(relation: Relation, selection: Selection, rng: Generator) -> Sample:
        drawings.append(draw_sample(relation, selection, rng))
        return drawings[-1]

    def spy_trap(sample: Sample, relation: Relation, rng: Generator) -> Sample:
        trapped.append((sample, hard_negative_of(sample, relation, rng)))
        return trapped[-1][1]

    monkeypatch.setattr(world_retrieval, "draw_sample", spy_draw)
    monkeypatch.setattr(world_retrieval, "hard_negative_of", spy_trap)
    draw_galleries(KINDS, few_selection, 6, seed=1)
    assert len(trapped) == 6 * HARD_NEGATIVES
    for query, trap in trapped:
        first, second = query.scene, trap.scene
        assert trap.relation != query.relation
        assert (trap.subject, trap.other) == (query.subject, query.other)
        assert (second.subject, second.style, second.palette) == (first.subject, first.style, first.palette)
        assert second.background == first.background
    queries = {id(query) for query, _ in trapped}
    for number, query in enumerate(drawings):
        if id(query) in queries:
            match = next(d for d in drawings[number + 1 :] if d.subject != query.subject)
            assert id(match) not in queries
            assert match.relation == query.relation


def test_distractors_only_fill_the_gallery(few_selection: Selection) -> None:
    drawn = draw_galleries(KINDS[:1], few_selection, 2, 0, distractors=KINDS[1:])
    assert set(drawn.query_relation) == {0}
    assert set(drawn.gallery_relation) > {0}


def test_same_seed_draws_the_same_galleries(few_selection: Selection) -> None:
    def pixels(seed: int) -> bytes:
        drawn = draw_galleries(KINDS, few_selection, 2, seed)
        return b"".join(picture.tobytes() for picture in drawn.queries + drawn.gallery)

    assert pixels(3) == pixels(3)
    assert pixels(3) != pixels(4)


def test_attributes_fail_where_relations_succeed(drawn: Galleries) -> None:
    same = drawn.query_relation[:, None] == drawn.gallery_relation[None]
    knowing = np.eye(len(KINDS), dtype=np.float32)
    assert recall_at(knowing[drawn.query_relation], knowing[drawn.gallery_relation], same, 1) == 1
    assert recall_at(pixel_vectors(drawn.queries), pixel_vectors(drawn.gallery), same, 1) < 0.5


@pytest.fixture(scope="module")
def rows(tiny_encoder_folder: Path) -> list[dict[str, object]]:
    return list(run_retrieval(str(tiny_encoder_folder), queries=3, device="cpu"))


def test_retrieval_reports_every_split_and_measure(rows: list[dict[str, object]], tiny_encoder_folder: Path) -> None:
    splits = (
        "held-out subjects", "held-out art", "held-out relations", "held-out compositions", "held-out atoms",
    )  # fmt: skip
    names = list(encoder_measures(MiniEncoder(tiny_encoder_folder)))
    assert [(row["split"], row["by"]) for row in rows] == [(split, name) for split in splits for name in names]
    for row in rows:
        shares = [row[name] for name in ("r_at_1", "r_at_5", "chance")]
        assert all(isinstance(share, float) and 0 <= share <= 1 for share in shares)
        assert (row["queries"], row["gallery"]) == (3, 9)


@pytest.mark.parametrize("split", ["held_out", "held_out_atoms"])
def test_hard_negatives_of_compositions_differ_in_one_part(
    monkeypatch: pytest.MonkeyPatch, few_selection: Selection, split: str
) -> None:
    trapped: list[tuple[str, str]] = []

    def spy(sample: Sample, relation: Relation, rng: Generator) -> Sample:
        trapped.append((sample.relation, relation.id))
        return hard_negative_of(sample, relation, rng)

    monkeypatch.setattr(world_retrieval, "hard_negative_of", spy)
    monkeypatch.setattr(world_retrieval, "COMPOSITIONS", 5)
    drawn = draw_composition_galleries(split, few_selection, 5, seed=2)
    assert all(parse(name).split == split for name in drawn.relations)
    for first, second in trapped:
        assert sum(a != b for a, b in zip(first.split("/"), second.split("/"), strict=True)) == 1
    stored = drawn.gallery_relation.reshape(5, 1 + HARD_NEGATIVES)
    assert (stored[:, 0] == drawn.query_relation).all()
    assert (stored[:, 1:] != drawn.query_relation[:, None]).all()
