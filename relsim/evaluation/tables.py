"""Reads tables of users in CSV or JSON Lines, with paths relative to the table's folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analogen.relsim.data.corpus import read_rows
from analogen.relsim.data.shards import StoredPicture


def read_table(path: str | Path, columns: Sequence[str], optional: Sequence[str] = ()) -> list[dict[str, str]]:
    """Reads the named columns as text, without further columns. A missing optional column is "".

    Raises FileNotFoundError or ValueError with one line: no such file, another kind of file, a column that is
    missing, a row without a value, no rows.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file: expected CSV or JSON lines with {', '.join(columns)}")
    found: list[dict[str, str]] = []
    for where, row in table_rows(path):
        missing = [name for name in columns if not _text(row.get(name))]
        if missing:
            raise ValueError(f"{where}: has no {' and no '.join(missing)}: every row needs {', '.join(columns)}")
        found.append({name: _text(row.get(name)) for name in (*columns, *optional)})
    if not found:
        raise ValueError(f"{path}: has no rows: expected {', '.join(columns)}")
    return found


def picture_at(table: str | Path, value: str) -> StoredPicture:
    """The picture that a table's cell names, relative to the table's folder."""
    return StoredPicture(Path(table).parent / value)


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes JSON Lines, the whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    temporary.replace(path)


def table_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Reads (location, row) of all rows, with all columns. Raises ValueError for the first bad row."""
    if path.suffix.lower() in (".csv", ".tsv"):
        return _csv_rows(path)
    found = []
    for where, row in read_rows(path):
        if isinstance(row, str):
            raise ValueError(f"{path}: {row}")
        found.append((where, row))
    return found


def _csv_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
            return [(f"{path.name} line {reader.line_num}", dict(row)) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as CSV ({error}): save it as CSV in UTF-8") from error


def _text(value: Any) -> str:
    """A cell as text. Numbers become text; other values become ""."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()
