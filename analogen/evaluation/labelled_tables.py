"""Reads tables whose rows name a relation of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analogen.errors import UserError
from analogen.relsim.evaluation.tables import read_table
from analogen.relsim.world.relations import RELATIONS


def read_labelled(table: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read a CSV or JSON lines file with the column `relation` and the named columns.

    Raises UserError for missing columns and unknown relations.
    """
    try:
        rows = read_table(table, ("relation", *columns), optional)
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from error
    unknown = sorted({row["relation"] for row in rows} - set(RELATIONS))
    if unknown:
        raise UserError(f"{table}: unknown relation {unknown[0]!r}; known: {', '.join(RELATIONS)}")
    return rows
