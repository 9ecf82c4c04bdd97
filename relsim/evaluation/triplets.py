"""Triplet accuracy: the share of triplets whose anchor is nearer to the positive than to the negative."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from analogen.relsim.data.shards import StoredPicture
from analogen.relsim.evaluation.metrics import bootstrap_mean, rounded
from analogen.relsim.evaluation.similarity_measures import NothingToMeasure, Rows, SimilarityMeasure, compute_rows
from analogen.relsim.evaluation.tables import picture_at, read_table

COLUMNS = ("anchor", "positive", "negative", "group")
ALL = "all"


class Triplet(NamedTuple):
    anchor: StoredPicture
    positive: StoredPicture
    negative: StoredPicture
    group: str


def read_triplets(table: str | Path) -> list[Triplet]:
    """Reads a CSV or JSON Lines table with the columns anchor, positive, negative and group.

    Raises FileNotFoundError or ValueError with one line.
    """
    return [
        Triplet(
            picture_at(table, row["anchor"]),
            picture_at(table, row["positive"]),
            picture_at(table, row["negative"]),
            row["group"],
        )
        for row in read_table(table, COLUMNS)
    ]


def run_triplets(
    triplets: Sequence[Triplet],
    measures: Sequence[SimilarityMeasure],
    refused: list[dict[str, str]],
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yields a row for every measure and group, and one for all triplets: the accuracy and its interval.

    A tie counts as wrong. Triplets with a picture that cannot be read are left out, and the picture is added to
    `refused`. Raises NothingToMeasure if no triplet has all its pictures.
    """
    anchors = _unique([t.anchor for t in triplets])
    others = _unique([p for t in triplets for p in (t.positive, t.negative)])
    asked = compute_rows(anchors, measures, "queries", progress=progress)
    stored = compute_rows(others, measures, "gallery", progress=progress)
    refused.extend({row["path"]: row for row in (*asked.refused, *stored.refused)}.values())
    anchor_at = {anchors[i].name: place for place, i in enumerate(asked.kept)}
    other_at = {others[i].name: place for place, i in enumerate(stored.kept)}
    whole = [
        t for t in triplets if t.anchor.name in anchor_at and {t.positive.name, t.negative.name} <= other_at.keys()
    ]
    if not whole:
        raise NothingToMeasure(
            f"none of {len(triplets)} triplets has all its pictures; the first: {refused[0]['reason']}"
        )
    groups = [*dict.fromkeys(t.group for t in whole), ALL]
    for measure in measures:
        rows: Rows = asked.rows[measure.name][[anchor_at[t.anchor.name] for t in whole]]
        near, far = (
            measure.similarity_pairwise(rows, stored.rows[measure.name][[other_at[picture.name] for picture in side]])
            for side in ([t.positive for t in whole], [t.negative for t in whole])
        )
        right = near > far if measure.higher_is_closer else near < far
        for group in groups:
            part = [bool(r) for r, t in zip(right, whole, strict=True) if group in (t.group, ALL)]
            found = rounded(bootstrap_mean([float(r) for r in part], seed))
            told = {"accuracy": found["mean"], "low": found["low"], "high": found["high"]}
            yield {"by": measure.name, "group": group, "triplets": len(part), **told}


def _unique(pictures: Sequence[StoredPicture]) -> list[StoredPicture]:
    return list({picture.name: picture for picture in pictures}.values())
