"""Reads manifests (tables of assets to make, CSV or JSON Lines) as a stream, and checks them whole before the run."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from analogen.batch.manifest_rows import Problem, open_manifest, reader_of
from analogen.errors import UserError
from analogen.request_schema import NAMES, check_names, reference_paths, request_from
from analogen.types import Request

COLUMNS = ("id", *NAMES)
MAX_ID_BYTES = 120
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


class Asset(NamedTuple):
    """One row.

    values   Plain values with all defaults, paths as they are written.
    request  The same as a checked request, paths relative to the manifest's folder.
    """

    line: int
    id: str
    values: dict[str, Any]
    request: Request


@dataclass(frozen=True)
class CheckedManifest:
    """The totals of a manifest whose rows can all be used. sha256: of the file."""

    rows: int
    pictures: int
    candidates: int
    sha256: str


class Manifest:
    """A file of assets.

    defaults  Plain values for what a row leaves out; "seed" is mixed with the row's id.
    columns   The columns that a row may have.
    file_of   Maps the name of a file in a row to its path, relative to the manifest's folder. It raises UserError for a
              file that may not be read.

    Raises UserError for a file that is not a manifest, and for defaults that a request does not accept.
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
        self._rows = reader_of(self.path)
        open_manifest(self.path).close()

    def assets(
        self, digest: Callable[[bytes], object] = lambda line: None, headers: bool = False
    ) -> Iterator[Asset | Problem]:
        """Yield each row in order, as an asset or as a problem; rows are not kept in memory.

        digest: called with the bytes of each line. headers: read the header of each picture too, so that a file that
        is no picture is a problem; without it the row fails when it is made. Raises UserError if the file as a whole
        cannot be read.
        """
        # References repeat. The cache is for this reading only, since files may change later.
        problem_of = lru_cache(maxsize=4096)(_picture_problem if headers else _file_problem)
        # The ids are kept on disk once there are many, so that memory does not grow with the rows.
        with open_manifest(self.path) as file, _SeenIds() as names:
            number = -1
            for number, (line, found) in enumerate(self._rows(self.path, file, digest, self.columns)):
                try:
                    yield self._asset(number, line, found, names, problem_of)
                except UserError as error:
                    yield Problem(line, str(error))
            if number < 0:
                raise UserError(f"{self.path}: holds no rows: give one asset per line")

    def check(self, report: Callable[[Problem], None] = lambda problem: None, headers: bool = False) -> CheckedManifest:
        """Read all rows. Raises UserError, with line numbers, if any of them cannot be used.

        report: called with each problem. headers: see `assets`.
        """
        digest = hashlib.sha256()
        rows = pictures = candidates = num_problems = 0
        first: list[Problem] = []
        for found in self.assets(digest.update, headers):
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
        return CheckedManifest(rows, pictures, candidates, digest.hexdigest())

    def _file(self, name: str) -> str:
        return found_name(self.path.parent, self._file_of(name))

    def _asset(
        self,
        number: int,
        line: int,
        found: dict[str, Any] | Problem,
        names: _SeenIds,
        problem_of: Callable[[str], str | None],
    ) -> Asset:
        if isinstance(found, Problem):
            raise UserError(found.message)
        check_names(list(found), self.columns)
        name = checked_id(found.pop("id", None), f"{number:06d}")
        earlier = names.add(name, line)
        if earlier is not None:
            raise UserError(f"id {name!r} is that of line {earlier} too: every asset needs its own")
        values = {**self.defaults, **{key: value for key, value in found.items() if value is not None}}
        # There are at least as many candidates as pictures to keep, unless the row itself says otherwise.
        if "candidates" not in found and isinstance(values.get("num_images"), int):
            values["candidates"] = max(values["num_images"], int(values.get("candidates", Request.candidates)))
        if "seed" not in found:
            values["seed"] = seed_of(name, int(self.defaults.get("seed", 0)))
        if "reference" in values:
            values["reference"] = [self._file(path) for path in reference_paths(values["reference"])]
        for column in ("subject_image", "style_image", "art", "scene", "becomes"):
            if isinstance(values.get(column), str):
                values[column] = self._file(values[column])
        request = request_from(values, self.path.parent)
        own = (request.becomes, request.subject_image, request.style_image, request.scene)
        for path in (*request.references, *own):
            if path is None:
                continue
            problem = problem_of(str(path))
            if problem is not None:
                raise UserError(problem)
        if request.art is not None and not request.art.is_dir():
            raise UserError(
                f"art {request.art}: no such folder: give one of cut-outs, or a library of analogen art add"
            )
        return Asset(line, name, values, request)


def found_name(folder: Path, name: str) -> str:
    """The name under which a file lies in the folder: as it is, in another normal form of Unicode, or with slashes for
    the backslashes of Windows. The name itself if there is none."""
    forms = [name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))]
    forms += [form.replace("\\", "/") for form in forms if "\\" in form]
    try:
        return next((form for form in forms if (folder / form).exists()), name)
    except (OSError, ValueError):
        return name


def checked_id(value: object, default: str) -> str:
    """Check the id of an asset, which becomes the name of its files. Raises UserError if it cannot be a file name."""
    if value is None:
        return default
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise UserError(f"id is {repr(value)[:60]}: expected text")
    shown = value if len(value) <= 40 else value[:40] + "..."
    if not value.strip() or value != value.strip():
        raise UserError(f"id is {shown!r}: expected a name without white space around it")
    if re.search(r'[/\\<>:"|?*]', value) or value.startswith((".", "-")):
        raise UserError(
            f'id is {shown!r}: it names files, so it cannot hold / \\ < > : " | ? * or start with a dot or a dash'
        )
    if not value.isprintable() or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise UserError(f"id is {shown!r}: it holds characters that cannot be shown")
    if len(value.encode()) > MAX_ID_BYTES:
        raise UserError(f"id {shown!r} has {len(value.encode())} bytes, at most {MAX_ID_BYTES} fit a file name")
    if _RESERVED.fullmatch(value):
        raise UserError(f"id is {shown!r}: Windows reserves that name")
    return value


def seed_of(name: str, base: int) -> int:
    """The seed of a row without one: the same in each run of the manifest, different for each row."""
    return int.from_bytes(hashlib.sha256(f"{base} {name}".encode()).digest()[:4], "big")


class _SeenIds:
    """The ids that were read so far with their lines, in a temporary database."""

    def __enter__(self) -> _SeenIds:
        self._base = sqlite3.connect("", isolation_level=None)
        self._base.execute("PRAGMA journal_mode = OFF")
        self._base.execute("CREATE TABLE names (name TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._base.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def add(self, name: str, line: int) -> int | None:
        """The line of an equal id, if there is one. Ids that differ in case only are the same file on some systems."""
        key = unicodedata.normalize("NFC", name).casefold()
        if self._base.execute("INSERT OR IGNORE INTO names VALUES (?, ?)", (key, line)).rowcount:
            return None
        return int(self._base.execute("SELECT line FROM names WHERE name = ?", (key,)).fetchone()[0])


def _file_problem(path: str) -> str | None:
    """Why a file cannot be opened, None if it can. Whether it holds a picture is checked later, when it is read."""
    from analogen.relsim.images import open_checked

    try:
        open_checked(Path(path)).close()
    except (ValueError, FileNotFoundError) as error:
        return str(error)
    return None


def _picture_problem(path: str) -> str | None:
    """Why a file is no picture or drawing by its header, None if it may be one. Its pixels are not decoded."""
    from analogen.relsim.images import check_header

    if path.lower().endswith((".svg", ".json")):
        return _file_problem(path)
    try:
        check_header(Path(path))
    except (ValueError, FileNotFoundError) as error:
        return str(error)
    return None
