"""Relational retrieval: does the nearest picture share the logic, among pictures that share the looks?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.encoder import load_encoder
from analogen.relsim.evaluation.metrics import recall_at
from analogen.relsim.evaluation.similarity_measures import encoder_ways
from analogen.relsim.world.dataset import (
    Sample,
    Selection,
    draw_sample,
    held_out_relations,
    held_out_selection,
    trained_relations,
    trap_of,
)
from analogen.relsim.world.grammar import Composition, draw_composition, neighbours, parse
from analogen.relsim.world.relations import Relation
from analogen.relsim.world.render import render

PICTURE_PX = 128
# Every query competes with its own traps: the same subject, second thing, style, palette, ground and placement
# under other relations.
TRAPS = 2
COMPOSITIONS = 60  # of each split of the grammar


@dataclass(frozen=True)
class Galleries:
    """Pictures to search and to search with; relations as indices into `relations`.

    queries[i] comes with TRAPS gallery rows that share its looks; each relation has further gallery rows that share
    neither subject nor looks with any query.
    """

    relations: list[str]
    queries: list[Image.Image]
    query_relation: NDArray[np.int64]
    gallery: list[Image.Image]
    gallery_relation: NDArray[np.int64]


def draw_galleries(
    relations: Sequence[Relation],
    selection: Selection,
    queries: int,
    seed: int,
    distractors: Sequence[Relation] = (),
    rivals_of: Mapping[str, Sequence[Relation]] | None = None,
) -> Galleries:
    """Hard references of the relations, all alike often; `distractors` only fill the gallery.

    For every query one other drawing of its relation with another subject is in the gallery, and TRAPS traps, drawn by
    `rivals_of` its relation, by default by any other one.
    """
    rng = np.random.default_rng([seed, 20])
    names = [r.id for r in relations]
    kinds = [*relations, *distractors]
    asked: list[Sample] = []
    stored: list[Sample] = []
    for number in range(queries):
        relation = relations[number % len(relations)]
        query = draw_sample(relation, selection, rng)
        match = draw_sample(relation, selection, rng)
        while match.subject == query.subject:
            match = draw_sample(relation, selection, rng)
        asked.append(query)
        stored.append(match)
        rivals = rivals_of[relation.id] if rivals_of else [kind for kind in kinds if kind.id != relation.id]
        stored += [trap_of(query, rivals[int(i)], rng) for i in rng.choice(len(rivals), TRAPS, replace=False)]
    index = {kind.id: i for i, kind in enumerate(kinds)}
    return Galleries(
        names,
        [Image.fromarray(render(s.scene, PICTURE_PX)) for s in asked],
        np.array([index[s.relation] for s in asked]),
        [Image.fromarray(render(s.scene, PICTURE_PX)) for s in stored],
        np.array([index[s.relation] for s in stored]),
    )


def draw_composition_galleries(split: str, selection: Selection, queries: int, seed: int) -> Galleries:
    """As `draw_galleries`, of compositions of a split of the grammar: "train", "held_out" or "held_out_atoms".

    COMPOSITIONS of them. The traps of each are drawn by its neighbours, which differ from it in one part: a query is
    answered only by a picture that has all of its parts.
    """
    rng = np.random.default_rng([seed, 21])
    asked: dict[str, list[Composition]] = {}
    while len(asked) < COMPOSITIONS:
        composition = draw_composition(rng, split)
        near = neighbours(composition)
        asked[composition.id] = [near[int(i)] for i in rng.choice(len(near), 3 * TRAPS, replace=False)]
    relations = [parse(name).relation() for name in asked]
    rivals = {name: [one.relation() for one in near] for name, near in asked.items()}
    others = {one.id: one for near in rivals.values() for one in near if one.id not in asked}
    return draw_galleries(relations, selection, queries, seed, list(others.values()), rivals)


def run_retrieval(
    encoder: str = "mini", queries: int = 1000, seed: int = 0, device: str = "auto"
) -> Iterator[dict[str, object]]:
    """One row per split and way of comparing: recall at 1 and 5, the encoder beside the attribute baselines."""
    mini = load_encoder(encoder, "cpu" if device == "auto" else device)
    trained = trained_relations()
    subjects, art = held_out_selection(), held_out_selection(held_out_style=True)
    splits: dict[str, Callable[[], Galleries]] = {
        "held-out subjects": lambda: draw_galleries(trained, subjects, queries, seed),
        "held-out art": lambda: draw_galleries(trained, art, queries, seed),
        "held-out relations": lambda: draw_galleries(held_out_relations(), subjects, queries, seed, trained),
        "held-out compositions": lambda: draw_composition_galleries("held_out", subjects, queries, seed),
        "held-out atoms": lambda: draw_composition_galleries("held_out_atoms", subjects, queries, seed),
    }
    for split, draw in splits.items():
        drawn = draw()
        same = drawn.query_relation[:, None] == drawn.gallery_relation[None]
        for name, embed in encoder_ways(mini).items():
            asked, stored = embed(drawn.queries), embed(drawn.gallery)
            yield {
                "split": split, "by": name, "queries": len(drawn.queries), "gallery": len(drawn.gallery),
                "r_at_1": round(recall_at(asked, stored, same, 1), 4),
                "r_at_5": round(recall_at(asked, stored, same, 5), 4),
                "chance": round(float(same.mean()), 4),
            }  # fmt: skip
