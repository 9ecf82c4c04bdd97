"""The input of a batch from a page: uploaded files and subjects, checked row by row and written as a manifest."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from analogen import Manifest, Problem, UserError, read_scene_file, write_atomic
from analogen.demos.messages import without_folders
from analogen.demos.uploads import read_upload

# The columns that a manifest from a page may have: none names a file or a model of the server.
COLUMNS = (
    "id", "reference", "scene", "relation", "subject", "subject_image", "other", "style", "negative_prompt", "svg",
    "num_images", "candidates", "seed", "steps", "guidance_scale", "relation_scale", "width", "height",
)  # fmt: skip
MANIFEST_SUFFIXES = (".csv", ".jsonl", ".ndjson")
SCENE_SUFFIX = ".json"
MAX_ROWS = 10_000
MAX_MANIFEST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class CheckedBatch:
    """A batch that can start. rows, pictures, candidates: their numbers; references, subjects: for the preview."""

    rows: int
    pictures: int
    candidates: int
    references: tuple[Path, ...]
    subjects: tuple[str, ...]


class BatchRefused(UserError):
    """Raised for a batch that cannot start. problems: one line each, with the file or the line of the manifest."""

    def __init__(self, message: str, problems: Sequence[str]) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class BatchUploads:
    """The uploaded files of one batch, found by the names that its manifest uses for them."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.manifests = [path for path in paths if path.suffix.lower() in MANIFEST_SUFFIXES]
        self.pictures = [path for path in paths if path not in self.manifests]
        self.duplicates: list[str] = []
        self._by_key: dict[str, Path] = {}
        self._name_by_key: dict[str, str] = {}
        for path in self.pictures:
            if _key(path.name) in self._by_key:
                self.duplicates.append(path.name)
            self._by_key[_key(path.name)] = path

    def find(self, name: str) -> str:
        """The path of the upload that a row names; of a path in the manifest only the last part counts.

        Raises UserError for a file that was not uploaded, and if two names of the manifest mean the same upload.
        """
        last = re.split(r"[/\\]", name)[-1]
        path = self._by_key.get(_key(last))
        if path is None:
            raise UserError(f"{last!r} is not among the uploaded files: upload it as well, or correct the name")
        earlier = self._name_by_key.setdefault(_key(last), name)
        if earlier != name:
            raise UserError(f"{name!r} and {earlier!r} would be the same upload {last!r}: give them different names")
        return str(path)


def _key(name: str) -> str:
    """The form in which names are compared: Gradio removes characters from an upload's name that it finds unsafe."""
    name = unicodedata.normalize("NFC", name)
    return "".join(letter for letter in name if letter.isalnum() or letter in "._-").casefold()


def check_uploads(uploads: BatchUploads) -> None:
    """Read every uploaded picture. Raises BatchRefused with all problems, and UserError for a second manifest."""
    if len(uploads.manifests) > 1:
        raise UserError(f"{len(uploads.manifests)} manifests were uploaded, expected one: remove the others")
    problems = [f"{name}: was uploaded twice: give the files different names" for name in uploads.duplicates]
    for path in uploads.pictures:
        wrong = None if path.suffix.lower() == ".svg" else _file_problem(path, path.stat().st_mtime_ns)
        if wrong is not None:
            problems.append(wrong)
    if problems:
        raise BatchRefused("Some files cannot be used", problems)


@lru_cache(maxsize=4096)
def _file_problem(path: Path, mtime_ns: int) -> str | None:
    """Why a picture or a scene cannot be read, None if it can; remembered until the file changes."""
    try:
        if path.suffix.lower() == SCENE_SUFFIX:
            read_scene_file(path)
        else:
            read_upload(path)
    except UserError as error:
        return without_folders(str(error))
    return None


def check_rows(
    manifest_path: Path, uploads: BatchUploads, defaults: dict[str, Any], limits: dict[str, int]
) -> CheckedBatch:
    """Check every row of a manifest. Raises BatchRefused with all problems, and UserError if it cannot be read at all.

    defaults: values for columns that a row leaves out; limits: the largest values of columns.
    """
    problems: list[Problem] = []
    subjects: list[str] = []
    pictures = candidates = rows = 0
    try:
        for row in Manifest(manifest_path, defaults, COLUMNS, uploads.find).assets():
            if isinstance(row, Problem):
                problems.append(row)
                continue
            over = [
                f"{name} is {getattr(row.request, name)}, at most {limit} here"
                for name, limit in limits.items()
                if (getattr(row.request, name) or 0) > limit
            ]
            if over:
                problems.append(Problem(row.line, "; ".join(over)))
                continue
            rows += 1
            pictures += row.request.num_images
            candidates += row.request.candidates
            subjects.append(row.request.subject or "(your picture)")
    except UserError as error:
        # An error of the whole file names it by the path of the server's copy.
        name = uploads.manifests[0].name if uploads.manifests else "the table"
        raise UserError(str(error).replace(str(manifest_path), name)) from None
    if rows > MAX_ROWS:
        raise UserError(f"the batch has {rows} rows, at most {MAX_ROWS} are possible: split the manifest")
    if problems:
        total = rows + len(problems)
        raise BatchRefused(
            f"{len(problems)} of {total} {'row' if total == 1 else 'rows'} cannot be used",
            [f"line {problem.line}: {without_folders(problem.message)}" for problem in problems],
        )
    shown = tuple(path for path in uploads.pictures if path.suffix.lower() != SCENE_SUFFIX)
    return CheckedBatch(rows, pictures, candidates, shown, tuple(dict.fromkeys(subjects)))


def write_manifest(uploads: BatchUploads, subjects: str, folder: Path) -> Path:
    """Write manifest.* into a folder: the uploaded one, or a row for every reference with every subject.

    subjects: one per line. Returns the path. Raises UserError if there is nothing to make rows of.
    """
    if uploads.manifests:
        source = uploads.manifests[0]
        if source.stat().st_size > MAX_MANIFEST_BYTES:
            raise UserError(f"{source.name}: is over {MAX_MANIFEST_BYTES // 2**20} MiB: split it")
        path = folder / f"manifest{source.suffix.lower()}"
        shutil.copyfile(source, path)
        return path
    names = [" ".join(line.split()) for line in (subjects or "").splitlines() if line.strip()]
    if not uploads.pictures:
        raise UserError("no files were uploaded: add reference pictures, or a manifest with its pictures")
    if not names:
        raise UserError("no subject was given: write one per line, or upload a manifest")
    pairs = ((reference, name) for reference in uploads.pictures for name in names)
    rows = [
        {"id": f"{_slug(reference.stem)}-{_slug(name)}-{number}", _column(reference): reference.name, "subject": name}
        for number, (reference, name) in enumerate(pairs)
    ]
    path = folder / "manifest.jsonl"
    write_atomic(path, "".join(json.dumps(row) + "\n" for row in rows).encode())
    return path


def _column(path: Path) -> str:
    """The column of a manifest that names an upload: that of references, or of scenes."""
    return "scene" if path.suffix.lower() == SCENE_SUFFIX else "reference"


def open_manifest(path: Path, defaults: dict[str, Any], pictures: Sequence[Path]) -> Manifest:
    """The manifest of a stored batch, whose pictures lie beside it and are given by their file names alone.

    The folder of a batch is renamed once it is complete, so that no path may be kept.
    """
    uploads = BatchUploads(pictures)
    return Manifest(path, defaults, COLUMNS, lambda name: Path(uploads.find(name)).name)


def _slug(text: str) -> str:
    return re.sub(r"[^\w]+", "_", text).strip("_")[:40] or "x"
