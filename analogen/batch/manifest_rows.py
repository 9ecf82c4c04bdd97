"""Reads the rows of a manifest from CSV or JSON Lines, one at a time."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from analogen.errors import UserError
from analogen.request_schema import check_names, parse_cell, plain_name

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
    readers = {
        ".csv": read_csv, ".tsv": read_csv, ".tab": read_csv, ".jsonl": read_jsonl, ".ndjson": read_jsonl,
    }  # fmt: skip
    if path.suffix.lower() not in readers:
        how = "one object per line" if path.suffix.lower() == ".json" else "a spreadsheet saves as CSV"
        raise UserError(f"{path}: a manifest ends in .csv, .tsv or .jsonl: save it as one of them ({how})")
    return readers[path.suffix.lower()]


def read_csv(
    path: Path, file: BinaryIO, digest: Callable[[bytes], object], columns: Sequence[str]
) -> Iterator[tuple[int, Row | Problem]]:
    """Yield (line number, row or problem) of a CSV file. digest: called with the bytes of each line.

    Columns are separated by commas, semicolons or tabs, as the header shows or a first line such as "sep=;" says. Lines
    end in any of the three ways. Cells and columns beyond the header's last name may be there if they are empty.
    columns: the names that the header may have.
    """
    lines, skipped, separator = _separated(_lines(path, file, digest), columns)
    reader = csv.reader(lines, strict=True, delimiter=separator)
    header: list[str] | None = None
    while True:
        line = skipped + reader.line_num + 1
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
            continue
        extra = [(number, cell) for number, cell in enumerate(cells[len(header) :], len(header) + 1) if cell.strip()]
        if len(cells) < len(header) or extra:
            more = f": cell {extra[0][0]} is {extra[0][1].strip()[:40]!r}" if extra else ""
            name = {",": "commas", ";": "semicolons", "\t": "tabs"}[separator]
            yield (
                line,
                Problem(line, f"has {len(cells)} cells, and the header has {len(header)}{more}: check its {name}"),
            )
        else:
            try:
                yield line, _cells(header, cells[: len(header)])
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
                yield number, {plain_name(name): value for name, value in row.items()}
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


def _separated(lines: Iterator[str], columns: Sequence[str]) -> tuple[Iterator[str], int, str]:
    """The lines from the header on, the number of lines before it, and what separates the columns."""
    skipped = 0
    for line in lines:
        told = re.fullmatch(r'"?sep=(.)"?[\r\n]*', line, re.IGNORECASE)
        if told and told[1] in ",;\t":  # for Excel
            return lines, skipped + 1, told[1]
        if not line.strip(" ,;\t\r\n"):
            skipped += 1
            continue
        names = {mark: [plain_name(cell.strip('"')) for cell in line.split(mark)] for mark in ",;\t"}
        known = {mark: sum(name in columns for name in own) for mark, own in names.items()}
        best = max(",;\t", key=lambda mark: (known[mark], len(names[mark])))
        return itertools.chain([line], lines), skipped, best
    return iter(()), skipped, ","


def _header(path: Path, line: int, cells: list[str], columns: Sequence[str]) -> list[str]:
    header = [plain_name(cell) for cell in cells]
    while header and not header[-1]:
        header.pop()
    for number, name in enumerate(header, 1):
        if not name or name.startswith("unnamed:"):
            raise UserError(
                f"{path} line {line}: column {number} has no name: give it one, or leave it out (pandas: "
                "to_csv(index=False))"
            )
    try:
        check_names(header, tuple(columns))
    except UserError as error:
        raise UserError(f"{path} line {line}: {error}") from error
    for name in header:
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
            value = parse_cell(name, text)
            if value is not None:
                row[name] = value
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
    """The decoded lines, without the byte order mark that some programs write at the start.

    They end in a line feed, in a carriage return, or in both.
    """
    for number, line in enumerate(_raw_lines(file), 1):
        if len(line) > MAX_LINE_BYTES:
            raise UserError(f"{path} line {number}: is over {MAX_LINE_BYTES // 2**20} MiB long: expected one asset")
        digest(line)
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            but = " but UTF-16" if number == 1 and line[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
            raise UserError(f"{path} line {number}: is not UTF-8 text{but}: save the manifest as UTF-8") from error
        if "\0" in text:
            raise UserError(f"{path} line {number}: holds a zero byte: save the manifest as UTF-8 text")
        yield text


def _raw_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines with their ends; the last one read is longer than MAX_LINE_BYTES where a line is."""
    rest = b""
    while block := file.readline(MAX_LINE_BYTES + 1):
        rest += block
        # A line feed ends a line, and so does a carriage return without one; of a long line the end is not read yet.
        *whole, rest = re.split(rb"(?<=\r)(?!\n)(?=.)", rest, flags=re.DOTALL)
        yield from whole
        if rest.endswith(b"\n") or len(rest) > MAX_LINE_BYTES:
            yield rest
            rest = b""
    if rest:
        yield rest
