"""Evaluates analogies of any generator: how much of the input's logic the output keeps, and how much it copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from analogen.relsim.data.shards import StoredPicture
from analogen.relsim.evaluation.metrics import bootstrap_mean, rounded
from analogen.relsim.evaluation.similarity_measures import NothingToMeasure, SimilarityMeasure, compute_rows
from analogen.relsim.evaluation.tables import picture_at, read_table

COLUMNS = ("input", "instruction", "output")
# The paper's second table: relsim up, CLIP-I down (less is copied), LPIPS up (less is copied).
MEASURES = ("relation", "clip-i", "lpips")


class GeneratedAnalogy(NamedTuple):
    """An input picture and the output of a model for an instruction; model: "" if the table has no such column."""

    input: StoredPicture
    instruction: str
    output: StoredPicture
    model: str


def read_analogies(table: str | Path) -> list[GeneratedAnalogy]:
    """Reads a CSV or JSON Lines table with the columns input, instruction, output and, optionally, model.

    Raises FileNotFoundError or ValueError with one line.
    """
    return [
        GeneratedAnalogy(
            picture_at(table, row["input"]), row["instruction"], picture_at(table, row["output"]), row["model"]
        )
        for row in read_table(table, COLUMNS, optional=("model",))
    ]


def run_analogies(
    analogies: Sequence[GeneratedAnalogy],
    measures: Sequence[SimilarityMeasure],
    refused: list[dict[str, str]],
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Compares inputs with outputs. Yields a row for every model and measure: the mean, in the measure's own unit, and
    its confidence interval.

    Rows with a picture that cannot be read are left out, and the picture is added to `refused`.
    Raises NothingToMeasure if no row has both its pictures.
    """
    inputs, outputs = ([getattr(row, side) for row in analogies] for side in ("input", "output"))
    input_rows = compute_rows(inputs, measures, "queries", progress=progress)
    output_rows = compute_rows(outputs, measures, "gallery", progress=progress)
    refused.extend({row["path"]: row for row in (*input_rows.refused, *output_rows.refused)}.values())
    input_at = {i: place for place, i in enumerate(input_rows.kept)}
    output_at = {i: place for place, i in enumerate(output_rows.kept)}
    whole = [i for i in range(len(analogies)) if i in input_at and i in output_at]
    if not whole:
        raise NothingToMeasure(
            f"none of {len(analogies)} rows has both its pictures; the first: {refused[0]['reason']}"
        )
    for model in dict.fromkeys(analogies[i].model for i in whole):
        part = [i for i in whole if analogies[i].model == model]
        for measure in measures:
            values = measure.similarity_pairwise(
                input_rows.rows[measure.name][[input_at[i] for i in part]],
                output_rows.rows[measure.name][[output_at[i] for i in part]],
            )
            yield {"model": model, "by": measure.name, "rows": len(part), **rounded(bootstrap_mean(values, seed))}
