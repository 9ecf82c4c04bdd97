"""Measures retrieval on drawn pictures: whether the nearest picture has the same relation or only looks alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.encoder import load_encoder
from analogen.relsim.evaluation.metrics import recall_at
from analogen.relsim.evaluation.similarity_measures import encoder_measures
from analogen.relsim.world.dataset import (
    Sample,
    Selection,
    draw_sample,
    hard_negative_of,
    held_out_relations,
    held_out_selection,
    trained_relations,
)
from analogen.relsim.world.grammar import Composition, draw_composition, neighbours, parse
from analogen.relsim.world.relations import Relation
from analogen.relsim.world.render import render

PICTURE_PX = 128
# Hard negatives of every query: the same subject, second thing, style, palette, ground and placement under other
# relations.
HARD_NEGATIVES = 2
COMPOSITIONS = 60  # of each split of the grammar


@dataclass(frozen=True)
class Galleries:
    """Queries and a gallery; relations are indices into `relations`.

    For queries[i], HARD_NEGATIVES rows of the gallery share its looks; each relation has further rows that share
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
    negatives_of: Mapping[str, Sequence[Relation]] | None = None,
) -> Galleries:
    """Draws hard references of the relations, equally many of each; `distractors` only fill the gallery.

    For every query the gallery holds another drawing of its relation, with another subject, and HARD_NEGATIVES hard
    negatives, of the relations in `negatives_of` its own, by default of any other relation.
    """
    rng = np.random.default_rng([seed, 20])
    names = [r.id for r in relations]
    kinds = [*relations, *distractors]
    query_samples: list[Sample] = []
    gallery_samples: list[Sample] = []
    for number in range(queries):
        relation = relations[number % len(relations)]
        query = draw_sample(relation, selection, rng)
        match = draw_sample(relation, selection, rng)
        while match.subject == query.subject:
            match = draw_sample(relation, selection, rng)
        query_samples.append(query)
        gallery_samples.append(match)
        negatives = negatives_of[relation.id] if negatives_of else [kind for kind in kinds if kind.id != relation.id]
        gallery_samples += [
            hard_negative_of(query, negatives[int(i)], rng)
            for i in rng.choice(len(negatives), HARD_NEGATIVES, replace=False)
        ]
    index = {kind.id: i for i, kind in enumerate(kinds)}
    return Galleries(
        names,
        [Image.fromarray(render(s.scene, PICTURE_PX)) for s in query_samples],
        np.array([index[s.relation] for s in query_samples]),
        [Image.fromarray(render(s.scene, PICTURE_PX)) for s in gallery_samples],
        np.array([index[s.relation] for s in gallery_samples]),
    )


def draw_composition_galleries(split: str, selection: Selection, queries: int, seed: int) -> Galleries:
    """Like `draw_galleries`, for COMPOSITIONS compositions of a split of the grammar.

    split: "train", "held_out" or "held_out_atoms". The hard negatives of a composition are its neighbours, which differ
    from it in one part, so that only a picture with all of its parts is a right answer.
    """
    rng = np.random.default_rng([seed, 21])
    chosen: dict[str, list[Composition]] = {}
    while len(chosen) < COMPOSITIONS:
        composition = draw_composition(rng, split)
        near = neighbours(composition)
        chosen[composition.id] = [near[int(i)] for i in rng.choice(len(near), 3 * HARD_NEGATIVES, replace=False)]
    relations = [parse(name).relation() for name in chosen]
    negatives = {name: [one.relation() for one in near] for name, near in chosen.items()}
    others = {one.id: one for near in negatives.values() for one in near if one.id not in chosen}
    return draw_galleries(relations, selection, queries, seed, list(others.values()), negatives)


def run_retrieval(
    encoder: str = "mini", queries: int = 1000, seed: int = 0, device: str = "auto"
) -> Iterator[dict[str, object]]:
    """Yields one row per split and measure: recall at 1 and 5 of the encoder and of the attribute baselines."""
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
        for name, embed in encoder_measures(mini).items():
            query_rows, gallery_rows = embed(drawn.queries), embed(drawn.gallery)
            yield {
                "split": split, "by": name, "queries": len(drawn.queries), "gallery": len(drawn.gallery),
                "r_at_1": round(recall_at(query_rows, gallery_rows, same, 1), 4),
                "r_at_5": round(recall_at(query_rows, gallery_rows, same, 5), 4),
                "chance": round(float(same.mean()), 4),
            }  # fmt: skip
