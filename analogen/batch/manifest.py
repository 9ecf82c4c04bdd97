"""Manifests: tables of assets to make, CSV or JSONL, read as a stream and checked whole before anything is made."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from analogen.errors import UserError
from analogen.request_schema import NAMES, check_name, references_of, request_from, value_of
from analogen.types import Request

COLUMNS = ("id", *NAMES)
# A line holds a name, some paths and some numbers; whatever is longer is no manifest.
MAX_LINE_BYTES = 4 * 2**20
MAX_ID_BYTES = 120
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


class Asset(NamedTuple):
    """One row. values: plain and complete, paths as written; request: the same, checked, paths from the manifest."""

    line: int
    id: str
    values: dict[str, Any]
    request: Request


class Problem(NamedTuple):
    """Why a row cannot be used."""

    line: int
    message: str


@dataclass(frozen=True)
class Checked:
    """A manifest all of whose rows can be used. sha256: of its bytes."""

    rows: int
    pictures: int
    candidates: int
    sha256: str


class Manifest:
    """A file of assets. `defaults`: plain values for what a row leaves out; "seed" is mixed with the row's id.

    columns: the only ones that a row may have. file_of: where a file lies, from the manifest's folder, by its name as a
    row writes it; it raises UserError for one that may not be read.
    Raises UserError for a file that is no manifest and for defaults that no request takes.
    """

    def __init__(
        self,
        path: str | Path,
        defaults: Mapping[str, Any] | None = None,
        columns: Sequence[str] = COLUMNS,
        file_of: Callable[[str], str] = lambda name: name,
    ) -> None:
        self.path = Path(path)
        self.columns, self._file_of = tuple(columns), file_of
        self.defaults = {name: value for name, value in (defaults or {}).items() if value is not None}
        request_from({"num_images": 1, **self.defaults, "reference": "any", "subject": "any"}, Path())
        suffixes = {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".ndjson": _jsonl_rows}
        if self.path.suffix.lower() not in suffixes:
            raise UserError(f"{self.path}: a manifest ends in .csv or .jsonl: save it as one of them")
        self._rows = suffixes[self.path.suffix.lower()]
        _open(self.path).close()

    def assets(self, digest: Callable[[bytes], object] = lambda line: None) -> Iterator[Asset | Problem]:
        """Every row in order, as an asset or as the problem with it; nothing is kept in memory.

        digest: is handed every line's bytes. Raises UserError for what makes the whole file unreadable.
        """
        # References repeat; remembered for this reading only, since files come and go.
        problem_of = lru_cache(maxsize=4096)(_file_problem)
        # On disk once it outgrows its cache, so that memory stays flat for any number of rows.
        with _open(self.path) as file, _Names() as names:
            number = -1
            for number, (line, found) in enumerate(self._rows(self.path, file, digest, self.columns)):
                try:
                    yield self._asset(number, line, found, names, problem_of)
                except UserError as error:
                    yield Problem(line, str(error))
            if number < 0:
                raise UserError(f"{self.path}: holds no rows: give one asset per line")

    def check(self, report: Callable[[Problem], None] = lambda problem: None) -> Checked:
        """Read all rows. Raises UserError, with line numbers, if any of them cannot be used.

        report: is told every problem.
        """
        digest = hashlib.sha256()
        rows = pictures = candidates = num_problems = 0
        first: list[Problem] = []
        for found in self.assets(digest.update):
            if isinstance(found, Problem):
                report(found)
                num_problems += 1
                first = first if len(first) > 10 else [*first, found]
                continue
            rows += 1
            pictures += found.request.num_images
            candidates += found.request.candidates
        if first:
            message = f"{self.path} line {first[0].line}: {first[0].message}"
            if num_problems > 1:
                lines = ", ".join(str(problem.line) for problem in first[1:])
                lines += ", ..." if num_problems > len(first) else ""
                message += f" ({num_problems - 1} more of {rows + num_problems} rows cannot be used: lines {lines})"
            raise UserError(message)
        return Checked(rows, pictures, candidates, digest.hexdigest())

    def _asset(
        self,
        number: int,
        line: int,
        found: dict[str, Any] | Problem,
        names: _Names,
        problem_of: Callable[[str], str | None],
    ) -> Asset:
        if isinstance(found, Problem):
            raise UserError(found.message)
        for name in found:
            check_name(name, self.columns)
        name = checked_id(found.pop("id", None), f"{number:06d}")
        earlier = names.add(name, line)
        if earlier is not None:
            raise UserError(f"id {name!r} is that of line {earlier} too: every asset needs its own")
        values = {**self.defaults, **{key: value for key, value in found.items() if value is not None}}
        # What is kept comes out of what is made, unless the row itself says otherwise.
        if "candidates" not in found and isinstance(values.get("num_images"), int):
            values["candidates"] = max(values["num_images"], int(values.get("candidates", Request.candidates)))
        if "seed" not in found:
            values["seed"] = seed_of(name, int(self.defaults.get("seed", 0)))
        if "reference" in values:
            values["reference"] = [self._file_of(path) for path in references_of(values["reference"])]
        if isinstance(values.get("subject_image"), str):
            values["subject_image"] = self._file_of(values["subject_image"])
        request = request_from(values, self.path.parent)
        for path in (*request.references, *((request.subject_image,) if request.subject_image else ())):
            problem = problem_of(str(path))
            if problem is not None:
                raise UserError(problem)
        return Asset(line, name, values, request)


def checked_id(value: object, default: str) -> str:
    """An asset's id, which becomes the name of its files. Raises UserError for what could leave the folder."""
    if value is None:
        return default
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise UserError(f"id is {repr(value)[:60]}: expected text")
    shown = value if len(value) <= 40 else value[:40] + "..."
    if not value.strip() or value != value.strip():
        raise UserError(f"id is {shown!r}: expected a name without white space around it")
    if re.search(r'[/\\<>:"|?*]', value) or value.startswith("."):
        raise UserError(f'id is {shown!r}: it names files, so it cannot hold / \\ < > : " | ? * or start with a dot')
    if not value.isprintable() or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise UserError(f"id is {shown!r}: it holds characters that cannot be shown")
    if len(value.encode()) > MAX_ID_BYTES:
        raise UserError(f"id {shown!r} has {len(value.encode())} bytes, at most {MAX_ID_BYTES} fit a file name")
    if _RESERVED.fullmatch(value):
        raise UserError(f"id is {shown!r}: Windows keeps that name for itself")
    return value


def seed_of(name: str, base: int) -> int:
    """The seed of a row that gives none: the same in every run of the manifest, unlike from row to row."""
    return int.from_bytes(hashlib.sha256(f"{base} {name}".encode()).digest()[:4], "big")


class _Names:
    """The ids seen so far with their lines, in a temporary database."""

    def __enter__(self) -> _Names:
        self._base = sqlite3.connect("", isolation_level=None)
        self._base.execute("PRAGMA journal_mode = OFF")
        self._base.execute("CREATE TABLE names (name TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._base.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def add(self, name: str, line: int) -> int | None:
        """The line of an equal id, if there is one. Ids that differ in case alone are one file on some systems."""
        key = unicodedata.normalize("NFC", name).casefold()
        if self._base.execute("INSERT OR IGNORE INTO names VALUES (?, ?)", (key, line)).rowcount:
            return None
        return int(self._base.execute("SELECT line FROM names WHERE name = ?", (key,)).fetchone()[0])


def _open(path: Path) -> BinaryIO:
    from analogen.relsim.images import open_checked

    try:
        return open_checked(path, max_bytes=2**50)
    except ValueError as error:
        raise UserError(str(error)) from error
    except FileNotFoundError as error:
        raise UserError(str(error)) from error


def _file_problem(path: str) -> str | None:
    """Why a picture's file cannot be read; whether it holds a picture shows when it is."""
    from analogen.relsim.images import open_checked

    try:
        open_checked(Path(path)).close()
    except (ValueError, FileNotFoundError) as error:
        return str(error)
    return None


def _lines(path: Path, file: BinaryIO, digest: Callable[[bytes], object]) -> Iterator[str]:
    """Decoded lines, without the mark that some programs put at the start of UTF-8."""
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


def _jsonl_rows(
    path: Path, file: BinaryIO, digest: Callable[[bytes], object], columns: Sequence[str]
) -> Iterator[tuple[int, dict[str, Any] | Problem]]:
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
    raise ValueError(f"{name} is no number of JSON")


def _csv_rows(
    path: Path, file: BinaryIO, digest: Callable[[bytes], object], columns: Sequence[str]
) -> Iterator[tuple[int, dict[str, Any] | Problem]]:
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
            # After a slip of quoting nothing tells where the next row starts.
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


def _cells(header: list[str], cells: list[str]) -> dict[str, Any]:
    """The cells that hold something, as values; several references are a JSON list."""
    row: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=True):
        text = cell.strip()
        if not text:
            continue
        if name == "id":
            row[name] = text
        elif name != "reference":
            row[name] = value_of(name, text)
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
