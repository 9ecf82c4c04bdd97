"""The benchmark of analogies: references with their logic, their structure and the subject to be shown."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analogen.errors import UserError
from analogen.evaluation.reference_facts import Facts
from analogen.relsim.evaluation.tables import read_table
from analogen.relsim.world.structure import Value

TABLE = "references.jsonl"
_TEXTS = ("id", "file", "manner", "logic", "shows", "subject")


@dataclass(frozen=True)
class BenchmarkReference:
    """One reference, and what is asked.

    id        The name of the result's file, without its suffix.
    path      The picture.
    manner    How it was made: drawn, photographed, composed or laid out.
    relation  Id of the catalogue's relation; "" for a logic without a name.
    logic     The logic in words, with {subject} and perhaps {other}.
    shows     What the reference shows.
    subject   What the result has to show. other: the second thing, "" where the logic has none.
    facts     What can be checked in the result, see `reference_facts`.
    """

    id: str
    path: Path
    manner: str
    relation: str
    logic: str
    shows: str
    subject: str
    other: str
    facts: Facts


def read_benchmark(folder: Path) -> list[BenchmarkReference]:
    """The references of a benchmark's folder, in its order. Raises UserError with one line."""
    table = folder / TABLE
    if not table.is_file():
        raise UserError(
            f"{table}: no such file: name the folder of the benchmark with --benchmark, such as benchmarks/analogies"
        )
    found: dict[str, BenchmarkReference] = {}
    for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), start=1):
        where = f"{table} line {number}"
        try:
            row: dict[str, Any] = json.loads(line)
            facts = {str(name): _value(value) for name, value in row.get("structure", {}).items()}
            texts = [str(row[name]) for name in _TEXTS]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{where}: is no reference ({error}): every line needs {', '.join(_TEXTS)}") from error
        id, file, manner, logic, shows, subject = texts
        if id in found:
            raise UserError(f"{where}: the id {id!r} is there twice: every reference needs one of its own")
        relation, other = str(row.get("relation") or ""), str(row.get("other") or "")
        found[id] = BenchmarkReference(id, folder / file, manner, relation, logic, shows, subject, other, facts)
    if not found:
        raise UserError(f"{table}: has no references")
    return list(found.values())


def _value(value: Any) -> Value:
    """A value as `Facts` have it: JSON has no tuples."""
    return tuple(int(part) for part in value) if isinstance(value, list) else value


def read_subjects(path: Path, known: set[str]) -> dict[str, str]:
    """The subjects of results by id, from CSV or JSON lines with id and subject. Raises UserError with one line."""
    try:
        rows = read_table(path, ("id", "subject"))
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from error
    strange = sorted({row["id"] for row in rows} - known)
    if strange:
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        raise UserError(f"{path}: {strange[0]!r}{more} is the id of no reference: ids are those of {TABLE}")
    return {row["id"]: row["subject"] for row in rows}
