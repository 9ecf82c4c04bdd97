"""The batches of a studio: folders of `analogen batch`, made one after the other in the background.

A batch is a folder batches/NAME in the studio's output. It holds the pictures, results.jsonl and the job store as the
command line writes them, and in `.input` the uploaded files. It continues without its page and after a restart of the
server.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any

from analogen import BatchRun, Request, RunError, RunStatus, Stages, UserError, find_model, write_atomic
from analogen.demos.jobs.batch_input import (
    BatchUploads,
    CheckedBatch,
    check_rows,
    check_uploads,
    open_manifest,
    write_manifest,
)

BATCHES_FOLDER, INPUT_FOLDER, INFO_FILE = "batches", ".input", "batch.json"
SHOWN_PICTURES = 48
MAX_WAIT_SECONDS = 60  # that a batch gives way to shorter ones before each of its chunks


class Batches:
    """All batches of an output folder, also those of earlier servers. One of them runs at a time; one with fewer rows
    left comes first, so that one picture does not wait behind thousands.

    downloads: the folder for ZIP files. defaults: values for columns that rows leave out, such as the model. limits:
    the largest values of a row's numbers. load, give_way: as for `BatchRun`.
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
        self.folder, self._downloads = output / BATCHES_FOLDER, downloads
        self._defaults, self.limits, self._device = defaults or {}, limits or {}, device
        self._load, self._give_way = load, give_way
        self._runs: dict[str, BatchRun] = {}
        self._broken: dict[str, str] = {}
        self._lock = threading.RLock()
        self._closing, self._wake = False, threading.Event()
        self._scheduler = threading.Thread(target=self._schedule, name="batches", daemon=True)
        for draft in self.folder.glob(".new-*"):  # left by a server that was killed while it copied
            shutil.rmtree(draft, ignore_errors=True)

    def start(self) -> None:
        """Open the batches of the folder, and continue those that were not paused."""
        for name in self.names():
            self._open(name)
        self._scheduler.start()

    def close(self) -> None:
        """Stop the running batch; a later `start` continues it."""
        self._closing = True
        self._wake.set()
        if self._scheduler.is_alive():
            self._scheduler.join()
        for run in self._runs.values():
            run.close()

    def names(self) -> list[str]:
        """The names of all batches, newest first."""
        found = [path.parent.name for path in self.folder.glob(f"[!.]*/{INFO_FILE}")]
        return sorted(found, reverse=True)

    def check(self, paths: Sequence[Path], subjects: str, settings: dict[str, Any]) -> CheckedBatch:
        """Read every row and every picture without starting anything.

        paths: uploaded files; subjects: one per line, for a batch without a manifest; settings: values for columns
        that rows leave out. Raises BatchRefused with all problems, or UserError.
        """
        draft = self._new_draft()
        try:
            return self._check_draft(BatchUploads(paths), subjects, settings, draft)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def add(
        self, paths: Sequence[Path], subjects: str, settings: dict[str, Any], title: str = "", metadata: bool = True
    ) -> str:
        """Check, copy and queue a batch. Returns its name. Raises as `check` does.

        metadata: whether the settings are written into the pictures.
        """
        title = " ".join((title or "").split())[:60]
        uploads, draft = BatchUploads(paths), self._new_draft()
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{token_hex(2)}"
        inputs = draft / INPUT_FOLDER
        try:
            self._check_draft(uploads, subjects, settings, draft)
            for path in uploads.pictures:
                shutil.copyfile(path, inputs / path.name)
            info = {
                "title": title or time.strftime("%d %B, %H:%M"),
                "created": time.time(),
                "defaults": self._defaults_with(settings),
                "metadata": metadata,
                "manifest": next(inputs.glob("manifest.*")).name,
            }
            write_atomic(draft / INFO_FILE, json.dumps(info).encode())
            self._create_run(name, draft, info, [inputs / path.name for path in uploads.pictures]).close()
            draft.rename(self.folder / name)
        except OSError as error:
            raise RunError(f"the batch cannot be stored ({(error.strerror or str(error)).lower()})") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self._open(name)
        self._wake.set()
        return name

    @property
    def sides_px(self) -> tuple[int, int]:
        """The smallest and the largest width and height, of the model and of this server."""
        low, high = find_model(str(self._defaults.get("model", "mini"))).sides_px
        return low, min(high, self.limits.get("width", high))

    def run(self, name: str) -> BatchRun:
        """The run of a batch. Raises UserError for an unknown name, and for a batch that cannot be opened."""
        with self._lock:
            if name in self._broken:
                raise UserError(self._broken[name])
            if name not in self._runs:
                raise UserError("there is no such batch: choose one of the list")
            return self._runs[name]

    def title(self, name: str) -> str:
        return str(self._info(name).get("title", name))

    def pause(self, name: str) -> None:
        self.run(name).pause()

    def resume(self, name: str) -> None:
        """Put a paused batch, or one that an error stopped, back into the queue."""
        run = self.run(name)
        if run.status().state in ("paused", "pausing", "stopped"):
            run.resume()
            self._wake.set()

    def cancel(self, name: str) -> None:
        self.run(name).cancel()

    def retry(self, name: str) -> None:
        self.run(name).retry_failed()

    def archive(self, name: str) -> Path:
        """Write a ZIP file with the finished pictures and results.jsonl. Returns its path."""
        words = re.sub(r"[^\w-]+", "-", self.title(name)).strip("-") or name
        (self._downloads / name).mkdir(parents=True, exist_ok=True)
        return self.run(name).archive(self._downloads / name / f"{words}.zip")

    def ahead(self, name: str) -> int:
        """How many batches run or wait before this one."""
        own, before = _left(self.run(name).status()), 0
        for other, run in list(self._runs.items()):
            status = run.status()
            if other != name and status.state in ("running", "waiting"):
                before += (_left(status), status.state == "waiting", other) < (own, True, name)
        return before

    def pictures(self, name: str, limit: int = SHOWN_PICTURES) -> list[tuple[Path, str]]:
        """The newest pictures, each with its subject and row."""
        return [
            (self.folder / name / image["path"],
             f"{row.subject} (row {row.line})")
            for row in self.run(name).rows(limit)
            for image in row.images
        ][:limit]  # fmt: skip

    def _new_draft(self) -> Path:
        """The path of a folder in which a batch is put together before it gets its name."""
        return self.folder / f".new-{token_hex(6)}"

    def _defaults_with(self, settings: dict[str, Any]) -> dict[str, Any]:
        return {**self._defaults, **{key: value for key, value in settings.items() if value is not None}}

    def _check_draft(self, uploads: BatchUploads, subjects: str, settings: dict[str, Any], draft: Path) -> CheckedBatch:
        """Check the uploads, write the manifest into the draft's folder, and check its rows."""
        check_uploads(uploads)
        inputs = draft / INPUT_FOLDER
        inputs.mkdir(parents=True)
        manifest_path = write_manifest(uploads, subjects, inputs)
        return check_rows(manifest_path, uploads, self._defaults_with(settings), self.limits)

    def _create_run(self, name: str, folder: Path, info: dict[str, Any], pictures: Sequence[Path]) -> BatchRun:
        manifest = open_manifest(folder / INPUT_FOLDER / info["manifest"], info["defaults"], pictures)
        give_way = partial(self._wait_for_shorter, name)
        return BatchRun(manifest, folder, info["metadata"], self._device, 1, False, load=self._load, give_way=give_way)

    def _open(self, name: str) -> None:
        with self._lock:
            folder = self.folder / name
            try:
                info = self._info(name)
                inputs = [path for path in (folder / INPUT_FOLDER).iterdir() if not path.name.startswith("manifest.")]
                self._runs[name] = self._create_run(name, folder, info, inputs)
            except (UserError, RunError, OSError, KeyError) as error:
                self._broken[name] = f"this batch cannot be opened: {error}"

    def _info(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / name / INFO_FILE).read_text())
        except (OSError, ValueError) as error:
            raise UserError("there is no such batch: choose one of the list") from error
        return dict(found)

    def _wait_for_shorter(self, name: str, stop: threading.Event) -> None:
        """Give way to what comes before batches, and to running batches with fewer rows left, for a time."""
        self._give_way(stop)
        end = time.monotonic() + MAX_WAIT_SECONDS
        while time.monotonic() < end and not stop.is_set():
            states = {other: run.status() for other, run in list(self._runs.items())}
            running = {other: _left(status) for other, status in states.items() if status.state == "running"}
            if min(running.items(), key=lambda one: (one[1], one[0]), default=(name, 0))[0] == name:
                return
            stop.wait(0.2)

    def _schedule(self) -> None:
        """Start the waiting batch with the fewest rows left, if it has fewer than each that runs."""
        while not self._closing:
            states = {name: run.status() for name, run in sorted(self._runs.items())}
            going = {name: _left(one) for name, one in states.items() if one.state in ("running", "pausing")}
            waiting = {name: _left(one) for name, one in states.items() if one.state == "waiting"}
            first = min(waiting, key=lambda name: waiting[name], default=None)
            if first is not None and waiting[first] < min(going.values(), default=math.inf):
                self._runs[first].start()
                going[first] = waiting[first]
            if going and not self._wake.is_set():
                self._runs[min(going, key=lambda name: going[name])].wait(
                    0.5
                )  # the next starts as soon as it has ended
            else:
                self._wake.wait(0.5)
            self._wake.clear()


def _left(status: RunStatus) -> int:
    """The rows of a batch that are to be made."""
    return status.rows - status.done - status.failed
