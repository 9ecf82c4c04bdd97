"""Triplets: is the anchor nearer to the positive, which shares its logic, than to the negative?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from analogen.relsim.data.shards import Stored
from analogen.relsim.evaluation.metrics import bootstrap_mean, rounded
from analogen.relsim.evaluation.similarity_measures import NothingLeft, Rows, Way, rows_of
from analogen.relsim.evaluation.tables import picture_at, read_table

COLUMNS = ("anchor", "positive", "negative", "group")
ALL = "all"


class Triplet(NamedTuple):
    anchor: Stored
    positive: Stored
    negative: Stored
    group: str


def read_triplets(table: str | Path) -> list[Triplet]:
    """Rows of a CSV (or JSON lines) with the columns anchor, positive, negative and group.

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
    ways: Sequence[Way],
    refused: list[dict[str, str]],
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """A row for every way and group, and one for all: the share of triplets that are right, with its interval.

    A tie is wrong. Triplets with a picture that cannot be read are left out, their pictures added to `refused`.
    Raises NothingLeft if none is whole.
    """
    anchors = _unique([t.anchor for t in triplets])
    others = _unique([p for t in triplets for p in (t.positive, t.negative)])
    asked = rows_of(anchors, ways, "asked", progress=progress)
    stored = rows_of(others, ways, "stored", progress=progress)
    refused.extend({row["path"]: row for row in (*asked.refused, *stored.refused)}.values())
    anchor_at = {anchors[i].name: place for place, i in enumerate(asked.kept)}
    other_at = {others[i].name: place for place, i in enumerate(stored.kept)}
    whole = [
        t for t in triplets if t.anchor.name in anchor_at and {t.positive.name, t.negative.name} <= other_at.keys()
    ]
    if not whole:
        raise NothingLeft(f"none of {len(triplets)} triplets has all its pictures; the first: {refused[0]['reason']}")
    groups = [*dict.fromkeys(t.group for t in whole), ALL]
    for way in ways:
        rows: Rows = asked.rows[way.name][[anchor_at[t.anchor.name] for t in whole]]
        near, far = (
            way.pairs(rows, stored.rows[way.name][[other_at[picture.name] for picture in side]])
            for side in ([t.positive for t in whole], [t.negative for t in whole])
        )
        right = near > far if way.higher else near < far
        for group in groups:
            part = [bool(r) for r, t in zip(right, whole, strict=True) if group in (t.group, ALL)]
            found = rounded(bootstrap_mean([float(r) for r in part], seed))
            told = {"accuracy": found["mean"], "low": found["low"], "high": found["high"]}
            yield {"by": way.name, "group": group, "triplets": len(part), **told}


def _unique(pictures: Sequence[Stored]) -> list[Stored]:
    return list({picture.name: picture for picture in pictures}.values())
