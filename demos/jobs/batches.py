"""Batches of the studio: made in the background by the durable batch of `analogen batch`, whoever watches.

Every batch is a folder `batches/NAME` in the app's output: pictures, results.jsonl and the job store as the command
line makes them, and in `.input` what was uploaded. Whoever closes the page, or stops the server, finds it again.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from typing import Any

from analogen import BatchRun, Manifest, Problem, Request, RunError, Stages, UserError, write_atomic
from analogen.demos.uploads import read_upload

FOLDER, INPUT, ABOUT = "batches", ".input", "batch.json"
# What a page may ask for: nothing that names a file or a model of the server.
COLUMNS = (
    "id", "reference", "relation", "subject", "subject_image", "other", "style", "negative_prompt", "svg", "num_images",
    "candidates", "seed", "steps", "guidance_scale", "relation_scale", "width", "height",
)  # fmt: skip
TABLES = (".csv", ".jsonl", ".ndjson")
MAX_ROWS = 10_000
MAX_MANIFEST_BYTES = 16 * 2**20
SHOWN = 48


@dataclass(frozen=True)
class Checked:
    """A batch that can start. references, subjects: for the preview."""

    rows: int
    pictures: int
    candidates: int
    references: tuple[Path, ...]
    subjects: tuple[str, ...]


class Refused(UserError):
    """A batch that cannot start. problems: one line each, with its place."""

    def __init__(self, message: str, problems: Sequence[str]) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class Uploaded:
    """The files of one batch by the names that a manifest may call them."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.tables = [path for path in paths if path.suffix.lower() in TABLES]
        self.pictures = [path for path in paths if path not in self.tables]
        self.by_name: dict[str, Path] = {}
        self.twice: list[str] = []
        for path in self.pictures:
            if _key(path.name) in self.by_name:
                self.twice.append(path.name)
            self.by_name[_key(path.name)] = path
        self._called: dict[str, str] = {}

    def file_of(self, name: str, folder: Path | None = None) -> str:
        """The upload that a row means; of a path only the last part counts. folder: where the uploads were copied.

        Raises UserError for one that was not uploaded, or if two names of the manifest mean the same upload.
        """
        last = re.split(r"[/\\]", name)[-1]
        path = self.by_name.get(_key(last))
        if path is None:
            raise UserError(f"{last!r} is not among the uploaded files: upload it as well, or mend the name")
        before = self._called.setdefault(_key(last), name)
        if before != name:
            raise UserError(f"{name!r} and {before!r} would be the same upload {last!r}: give them different names")
        return str(path if folder is None else folder / path.name)


def _key(name: str) -> str:
    """Names as they compare: Gradio leaves out of an upload's name what it deems unsafe."""
    name = unicodedata.normalize("NFC", name)
    return "".join(letter for letter in name if letter.isalnum() or letter in "._-").casefold()


class Batches:
    """All batches of an output folder, one of which works at a time, those of earlier runs of the server included.

    defaults: plain values for what rows leave out, such as the model. downloads: where ZIP files go.
    limits: the most of a row's numbers. load, give_way: as for `BatchRun`.
    """

    def __init__(
        self,
        output: Path,
        downloads: Path,
        defaults: dict[str, Any] | None = None,
        limits: dict[str, int] | None = None,
        device: str = "auto",
        load: Callable[[Request], Stages] | None = None,
        give_way: Callable[[threading.Event], None] = lambda stop: None,
    ) -> None:
        self.folder, self._downloads = output / FOLDER, downloads
        self._defaults, self._limits, self._device = defaults or {}, limits or {}, device
        self._load, self._give_way = load, give_way
        self._runs: dict[str, BatchRun] = {}
        self._broken: dict[str, str] = {}
        self._lock = threading.RLock()
        self._closing, self._wake = False, threading.Event()
        self._scheduler = threading.Thread(target=self._schedule, name="batches", daemon=True)
        for draft in self.folder.glob(".new-*"):  # of a server that was killed while it copied
            shutil.rmtree(draft, ignore_errors=True)

    def start(self) -> None:
        """Open what is there, and work on what was not paused."""
        for name in self.names():
            self._open(name)
        self._scheduler.start()

    def close(self) -> None:
        """Stop; a later `start` goes on."""
        self._closing = True
        self._wake.set()
        if self._scheduler.is_alive():
            self._scheduler.join()
        for run in self._runs.values():
            run.close()

    def names(self) -> list[str]:
        """The newest first."""
        found = [path.parent.name for path in self.folder.glob(f"[!.]*/{ABOUT}")]
        return sorted(found, reverse=True)

    def check(self, paths: Sequence[Path], subjects: str, settings: dict[str, Any]) -> Checked:
        """Read every row and every picture, and start nothing. Raises Refused with all problems, or UserError."""
        uploaded = Uploaded(paths)
        self._check_pictures(uploaded)
        folder = self.folder / f".new-{token_hex(6)}"
        try:
            return self._checked(uploaded, subjects, settings, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def add(
        self, paths: Sequence[Path], subjects: str, settings: dict[str, Any], title: str = "", metadata: bool = True
    ) -> str:
        """Check, copy and queue a batch. Returns its name. Raises as `check` does.

        metadata: whether the pictures carry their settings.
        """
        title = " ".join((title or "").split())[:60]
        uploaded = Uploaded(paths)
        self._check_pictures(uploaded)
        draft = self.folder / f".new-{token_hex(6)}"
        inputs = draft / INPUT
        try:
            self._checked(uploaded, subjects, settings, draft)
            for path in uploaded.pictures:
                shutil.copyfile(path, inputs / path.name)
            about = {
                "title": title or time.strftime("%d %B, %H:%M"),
                "created": time.time(),
                "defaults": self._values(settings),
                "metadata": metadata,
                "manifest": self._table(inputs).name,
            }
            write_atomic(draft / ABOUT, json.dumps(about).encode())
            name = f"{time.strftime('%Y%m%d-%H%M%S')}-{token_hex(2)}"
            self._run(draft, about, [inputs / path.name for path in uploaded.pictures]).close()
            draft.rename(self.folder / name)
        except OSError as error:
            raise RunError(f"the batch cannot be kept ({(error.strerror or str(error)).lower()})") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self._open(name)
        self._wake.set()
        return name

    def run(self, name: str) -> BatchRun:
        """Raises UserError for a name that no batch has, or one that cannot be opened."""
        with self._lock:
            if name in self._broken:
                raise UserError(self._broken[name])
            if name not in self._runs:
                raise UserError("there is no such batch: choose one of the list")
            return self._runs[name]

    def title(self, name: str) -> str:
        return str(self._about(name).get("title", name))

    def pause(self, name: str) -> None:
        self.run(name).pause()

    def resume(self, name: str) -> None:
        """Go on, at the end of the queue of those that wait."""
        run = self.run(name)
        if run.status().state in ("paused", "pausing", "stopped"):
            run.resume()
            self._wake.set()

    def cancel(self, name: str) -> None:
        self.run(name).cancel()

    def retry(self, name: str) -> None:
        self.run(name).retry_failed()

    def archive(self, name: str) -> Path:
        """A ZIP file with the pictures so far and results.jsonl."""
        words = re.sub(r"[^\w-]+", "-", self.title(name)).strip("-") or name
        (self._downloads / name).mkdir(parents=True, exist_ok=True)
        return self.run(name).archive(self._downloads / name / f"{words}.zip")

    def ahead(self, name: str) -> int:
        """How many batches work or wait before this one."""
        before = 0
        for other, run in list(self._runs.items()):
            state = run.status().state if other != name else ""
            before += state == "running" or (state == "waiting" and other < name)
        return before

    def pictures(self, name: str, limit: int = SHOWN) -> list[tuple[Path, str]]:
        """The latest pictures, with what they show."""
        return [
            (self.folder / name / image["path"],
             f"{row.subject} (row {row.line})")
            for row in self.run(name).rows(limit)
            for image in row.images
        ][:limit]  # fmt: skip

    def _values(self, settings: dict[str, Any]) -> dict[str, Any]:
        return {**self._defaults, **{key: value for key, value in settings.items() if value is not None}}

    def _check_pictures(self, uploaded: Uploaded) -> None:
        if len(uploaded.tables) > 1:
            raise UserError(f"{len(uploaded.tables)} manifests came, expected one: remove the others")
        problems = [f"{name}: came twice: give the files different names" for name in uploaded.twice]
        for path in uploaded.pictures:
            wrong = None if path.suffix.lower() == ".svg" else _picture_problem(path, path.stat().st_mtime_ns)
            if wrong is not None:
                problems.append(wrong)
        if problems:
            raise Refused("Some files cannot be used", problems)

    def _checked(self, uploaded: Uploaded, subjects: str, settings: dict[str, Any], draft: Path) -> Checked:
        """Write the manifest into the draft's folder, and check all of its rows."""
        inputs = draft / INPUT
        inputs.mkdir(parents=True)
        table = self._write_table(uploaded, subjects, inputs)
        problems: list[Problem] = []
        named: list[str] = []
        pictures = candidates = rows = 0
        manifest = self._manifest(table, self._values(settings), uploaded.file_of)
        try:
            for found in manifest.assets():
                if isinstance(found, Problem):
                    problems.append(found)
                    continue
                over = [
                    f"{name} is {getattr(found.request, name)}, at most {most} here"
                    for name, most in self._limits.items()
                    if (getattr(found.request, name) or 0) > most
                ]
                if over:
                    problems.append(Problem(found.line, "; ".join(over)))
                    continue
                rows += 1
                pictures += found.request.num_images
                candidates += found.request.candidates
                named.append(found.request.subject or "(your picture)")
        except UserError as error:
            # What makes the whole file unreadable names it by its path.
            name = uploaded.tables[0].name if uploaded.tables else "the table"
            raise UserError(str(error).replace(str(table), name)) from None
        if rows > MAX_ROWS:
            raise UserError(f"{rows} rows came, at most {MAX_ROWS} are made at once: split the manifest")
        if problems:
            every = rows + len(problems)
            raise Refused(
                f"{len(problems)} of {every} {'row' if every == 1 else 'rows'} cannot be used",
                [f"line {one.line}: {without_folder(one.message)}" for one in problems],
            )
        return Checked(rows, pictures, candidates, tuple(uploaded.pictures), tuple(dict.fromkeys(named)))

    def _write_table(self, uploaded: Uploaded, subjects: str, inputs: Path) -> Path:
        if uploaded.tables:
            table = uploaded.tables[0]
            if table.stat().st_size > MAX_MANIFEST_BYTES:
                raise UserError(f"{table.name}: is over {MAX_MANIFEST_BYTES // 2**20} MiB: split it")
            kept = inputs / f"manifest{table.suffix.lower()}"
            shutil.copyfile(table, kept)
            return kept
        names = [" ".join(line.split()) for line in (subjects or "").splitlines() if line.strip()]
        if not uploaded.pictures:
            raise UserError("no files came: upload reference pictures, or a manifest with its pictures")
        if not names:
            raise UserError("no subject came: write one per line, or upload a manifest")
        rows = [
            {"id": f"{_slug(reference.stem)}-{_slug(name)}-{number}", "reference": reference.name, "subject": name}
            for number, (reference, name) in enumerate(
                (reference, name) for reference in uploaded.pictures for name in names
            )
        ]
        kept = inputs / "manifest.jsonl"
        write_atomic(kept, "".join(json.dumps(row) + "\n" for row in rows).encode())
        return kept

    @staticmethod
    def _table(inputs: Path) -> Path:
        return next(inputs.glob("manifest.*"))

    @staticmethod
    def _manifest(table: Path, defaults: dict[str, Any], file_of: Callable[[str], str]) -> Manifest:
        return Manifest(table, defaults, COLUMNS, file_of)

    def _run(self, folder: Path, about: dict[str, Any], pictures: Sequence[Path]) -> BatchRun:
        # By the name alone: the folder is renamed once it is whole.
        uploaded = Uploaded(pictures)
        manifest = self._manifest(
            folder / INPUT / about["manifest"], about["defaults"], lambda name: Path(uploaded.file_of(name)).name
        )
        return BatchRun(
            manifest, folder, about["metadata"], self._device, 1, False, load=self._load, give_way=self._give_way
        )

    def _open(self, name: str) -> None:
        with self._lock:
            folder = self.folder / name
            try:
                about = self._about(name)
                inputs = [path for path in (folder / INPUT).iterdir() if not path.name.startswith("manifest.")]
                self._runs[name] = self._run(folder, about, inputs)
            except (UserError, RunError, OSError, KeyError) as error:
                self._broken[name] = f"this batch cannot be opened: {error}"

    def _about(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / name / ABOUT).read_text())
        except (OSError, ValueError) as error:
            raise UserError("there is no such batch: choose one of the list") from error
        return dict(found)

    def _schedule(self) -> None:
        """One batch at a time, the oldest first."""
        while not self._closing:
            states = {name: run.status().state for name, run in sorted(self._runs.items())}
            if not any(state in ("running", "pausing") for state in states.values()):
                waiting = next((name for name, state in states.items() if state == "waiting"), None)
                if waiting is not None:
                    self._runs[waiting].start()
            self._wake.wait(0.5)
            self._wake.clear()


@lru_cache(maxsize=4096)
def _picture_problem(path: Path, mtime_ns: int) -> str | None:
    try:
        read_upload(path)
    except UserError as error:
        return str(error)
    return None


def without_folder(message: str) -> str:
    """A server's paths are not for the page."""
    return re.sub(r"(?:/[^/\s:'\"]+)+/([^/\s:'\"]+)", r"\1", message)


def _slug(text: str) -> str:
    return re.sub(r"[^\w]+", "_", text).strip("_")[:40] or "x"
