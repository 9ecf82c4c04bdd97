"""Analogies that any generator made: how much of the input's logic the output keeps, and how much it copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from analogen.relsim.data.shards import Stored
from analogen.relsim.evaluation.metrics import bootstrap_mean, rounded
from analogen.relsim.evaluation.similarity_measures import NothingLeft, Way, rows_of
from analogen.relsim.evaluation.tables import picture_at, read_table

COLUMNS = ("input", "instruction", "output")
# The paper's second table: relsim up, CLIP-I down (less is copied), LPIPS up (less is copied).
WAYS = ("relation", "clip-i", "lpips")


class Made(NamedTuple):
    """One picture and what a model made of it by an instruction; model: "" if the table has no such column."""

    input: Stored
    instruction: str
    output: Stored
    model: str


def read_analogies(table: str | Path) -> list[Made]:
    """Rows of a CSV or JSON lines with input, instruction and output, and optionally model.

    Raises FileNotFoundError or ValueError with one line.
    """
    return [
        Made(picture_at(table, row["input"]), row["instruction"], picture_at(table, row["output"]), row["model"])
        for row in read_table(table, COLUMNS, optional=("model",))
    ]


def run_analogies(
    made: Sequence[Made],
    ways: Sequence[Way],
    refused: list[dict[str, str]],
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """A row for every model and way: the mean of input against output, in the way's own unit, with its interval.

    Rows with a picture that cannot be read are left out, their pictures added to `refused`.
    Raises NothingLeft if none is whole.
    """
    inputs, outputs = ([getattr(row, side) for row in made] for side in ("input", "output"))
    asked = rows_of(inputs, ways, "asked", progress=progress)
    stored = rows_of(outputs, ways, "stored", progress=progress)
    refused.extend({row["path"]: row for row in (*asked.refused, *stored.refused)}.values())
    asked_at = {i: place for place, i in enumerate(asked.kept)}
    stored_at = {i: place for place, i in enumerate(stored.kept)}
    whole = [i for i in range(len(made)) if i in asked_at and i in stored_at]
    if not whole:
        raise NothingLeft(f"none of {len(made)} rows has both its pictures; the first: {refused[0]['reason']}")
    for model in dict.fromkeys(made[i].model for i in whole):
        part = [i for i in whole if made[i].model == model]
        for way in ways:
            values = way.pairs(
                asked.rows[way.name][[asked_at[i] for i in part]], stored.rows[way.name][[stored_at[i] for i in part]]
            )
            yield {"model": model, "by": way.name, "rows": len(part), **rounded(bootstrap_mean(values, seed))}
