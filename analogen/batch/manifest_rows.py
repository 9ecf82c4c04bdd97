"""Reads the rows of a manifest from CSV or JSON Lines, one at a time."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from analogen.errors import UserError
from analogen.request_schema import check_name, parse_cell

# No row needs a longer line: it has a name, some paths and some numbers.
MAX_LINE_BYTES = 4 * 2**20
Row = dict[str, Any]


class Problem(NamedTuple):
    """Why a row of a manifest cannot be used."""

    line: int
    message: str


def open_manifest(path: Path) -> BinaryIO:
    """Open a manifest. Raises UserError if it cannot be read."""
    from analogen.relsim.images import open_checked

    try:
        return open_checked(path, max_bytes=2**50)
    except (ValueError, FileNotFoundError) as error:
        raise UserError(str(error)) from error


def reader_of(path: Path) -> Callable[..., Iterator[tuple[int, Row | Problem]]]:
    """The function that reads a manifest, by its suffix. Raises UserError for an unknown suffix."""
    readers = {".csv": read_csv, ".jsonl": read_jsonl, ".ndjson": read_jsonl}
    if path.suffix.lower() not in readers:
        raise UserError(f"{path}: a manifest ends in .csv or .jsonl: save it as one of them")
    return readers[path.suffix.lower()]


def read_csv(
    path: Path, file: BinaryIO, digest: Callable[[bytes], object], columns: Sequence[str]
) -> Iterator[tuple[int, Row | Problem]]:
    """Yield (line number, row or problem) of a CSV file. digest: called with the bytes of each line.

    columns: the names that the header may have.
    """
    reader = csv.reader(_lines(path, file, digest), strict=True)
    header: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "field limit" in str(error):
                limit = csv.field_size_limit()
                raise UserError(f"{path} line {line}: has a cell of over {limit} characters: shorten it") from error
            # After an error in the quotation marks, the start of the next row is unknown.
            raise UserError(f"{path} line {line}: is not CSV ({error}): check its quotation marks") from error
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _header(path, line, cells, columns)
        elif len(cells) != len(header):
            yield line, Problem(line, f"has {len(cells)} cells, and the header has {len(header)}: check its commas")
        else:
            try:
                yield line, _cells(header, cells)
            except UserError as error:
                yield line, Problem(line, str(error))


def read_jsonl(
    path: Path, file: BinaryIO, digest: Callable[[bytes], object], columns: Sequence[str]
) -> Iterator[tuple[int, Row | Problem]]:
    """Yield (line number, row or problem) of a JSON lines file. digest: called with the bytes of each line."""
    for number, line in enumerate(_lines(path, file, digest), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_unique, parse_constant=_refuse_constant)
        except UserError as error:
            yield number, Problem(number, str(error))
        except (ValueError, RecursionError) as error:
            reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
            yield number, Problem(number, f"is not JSON ({reason[:80]}): expected one object per line")
        else:
            if isinstance(row, dict):
                yield number, row
            else:
                yield number, Problem(number, f"is {repr(row)[:40]}: expected an object, {{...}}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise UserError(f"{next(n for n in names if names.count(n) > 1)[:40]!r} comes twice: give it once")
    return row


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _header(path: Path, line: int, cells: list[str], columns: Sequence[str]) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    if len(header) == 1 and re.search(r"[;\t]", header[0]):
        raise UserError(f"{path} line {line}: its columns are separated by semicolons or tabs: use commas")
    for name in header:
        try:
            check_name(name, tuple(columns))
        except UserError as error:
            raise UserError(f"{path} line {line}: {error}") from error
        if header.count(name) > 1:
            raise UserError(f"{path} line {line}: column {name!r} comes twice: give it once")
    return header


def _cells(header: list[str], cells: list[str]) -> Row:
    """The values of the cells that are not empty; several references are a JSON list."""
    row: Row = {}
    for name, cell in zip(header, cells, strict=True):
        text = cell.strip()
        if not text:
            continue
        if name == "id":
            row[name] = text
        elif name != "reference":
            row[name] = parse_cell(name, text)
        elif text.startswith("["):
            try:
                row[name] = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f'reference is {text[:40]!r}: expected a path, or several as a JSON list, ["a.png", "b.png"]'
                ) from error
        else:
            row[name] = text
    return row


def _lines(path: Path, file: BinaryIO, digest: Callable[[bytes], object]) -> Iterator[str]:
    """The decoded lines, without the byte order mark that some programs write at the start."""
    for number in range(1, 2**62):
        line = file.readline(MAX_LINE_BYTES + 1)
        if not line:
            return
        if len(line) > MAX_LINE_BYTES:
            raise UserError(f"{path} line {number}: is over {MAX_LINE_BYTES // 2**20} MiB long: expected one asset")
        digest(line)
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{path} line {number}: is not UTF-8 text: save the manifest as UTF-8") from error
        if "\0" in text:
            raise UserError(f"{path} line {number}: holds a zero byte: save the manifest as UTF-8 text")
        yield text
