"""Runs a batch in a background thread of a program: start, pause, resume, cancel, status, ZIP archive.

The runs and folders are those of `analogen batch`; each can resume what the other has started.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analogen.batch.journal import NAME as RESULTS
from analogen.batch.manifest import Manifest
from analogen.batch.manifest_rows import Problem
from analogen.batch.resume import close_run, open_run
from analogen.errors import RunError, UserError

if TYPE_CHECKING:
    from analogen.stages import Stages
    from analogen.types import Request

_LOG = logging.getLogger(__name__)
_HALTED = "halted"


@dataclass(frozen=True)
class RunStatus:
    """How far a run is.

    state: waiting (not started in this process), running, pausing, paused, cancelled, done, or stopped by `error`.
    seconds_left: None as long as it is not known.
    """

    state: str
    rows: int
    done: int
    failed: int
    pictures: int
    seconds_left: float | None
    error: str | None


@dataclass(frozen=True)
class RunRow:
    """A row that has ended. images: as in results.jsonl, paths relative to the run's folder. error: why it failed."""

    id: str
    line: int
    subject: str
    images: tuple[dict[str, Any], ...]
    error: str | None


class BatchRun:
    """One run of a manifest into a folder. Its methods may be called by any thread.

    sheet: make contact sheets at the end.
    load: returns the model of a request; None loads it.
    give_way: called before each chunk; waits while the machine is needed for something else, or until its event is set.
    Raises UserError, as `analogen batch` does, for a manifest or a folder that cannot be used.
    """

    def __init__(
        self,
        manifest: Manifest,
        output: str | Path,
        metadata: bool = True,
        device: str = "auto",
        workers: int | None = None,
        sheet: bool = True,
        report_problem: Callable[[Problem], None] = lambda problem: None,
        load: Callable[[Request], Stages] | None = None,
        give_way: Callable[[threading.Event], None] = lambda stop: None,
    ) -> None:
        self._reopen = lambda retry: open_run(manifest, output, metadata, retry_failed=retry)
        self._run = open_run(manifest, output, metadata, report_problem=report_problem)
        self.output, self._device, self._workers, self._load, self._give_way = (
            Path(output), device, workers, load, give_way,
        )  # fmt: skip
        self._sheet = sheet
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._changing = threading.RLock()
        self._seconds_left: float | None = None
        self._error: str | None = None

    def start(self) -> None:
        """Start or continue in a new thread, if the run is waiting or was stopped by an error."""
        with self._changing:
            if self.status().state not in ("waiting", "stopped"):
                return
            self._error, self._seconds_left = None, None
            self._stop.clear()
            self._thread = threading.Thread(target=self._work, name=f"batch {self.output.name}", daemon=True)
            self._thread.start()

    def pause(self, wait: bool = False) -> None:
        """Stop within a step until `resume`, also over a restart. Unfinished pictures are made later.

        wait: return when the thread has ended.
        """
        with self._changing:
            if self.status().state in ("done", "cancelled"):
                return
            self._run.store.set_note(_HALTED, "paused")
            self._stop.set()
            if wait:
                self._join()

    def resume(self) -> None:
        """Let a paused or stopped run wait again; `start` continues it."""
        with self._changing:
            if self.status().state not in ("paused", "pausing", "stopped"):
                return
            self._join()
            self._error = None
            self._run.store.set_note(_HALTED, "")

    def cancel(self) -> None:
        """End the run; finished pictures stay."""
        with self._changing:
            if self.status().state in ("done", "cancelled"):
                return
            self._run.store.set_note(_HALTED, "cancelled")
            self._stop.set()
            self._join()
            store = self._run.store
            while jobs := store.history("queued", limit=500):
                with store.transaction():
                    for job in jobs:
                        store.cancel(job.id)

    def retry_failed(self) -> None:
        """Queue the failed rows again and start."""
        with self._changing:
            if self._is_alive() or self.status().state == "cancelled" or self._run.store.counts()["failed"] == 0:
                return
            before, self._run = self._run, self._reopen(True)
            before.store.close()
            self.start()

    def status(self) -> RunStatus:
        counts, alive = self._run.store.counts(), self._is_alive()
        halted = self._run.store.note(_HALTED) or ""
        ended = counts["done"] + counts["failed"]
        if halted == "cancelled":
            state = "cancelled"
        elif ended == self._run.rows and not alive:
            state = "done"
        elif halted == "paused":
            state = "pausing" if alive else "paused"
        elif self._error is not None:
            state = "stopped"
        else:
            state = "running" if alive else "waiting"
        left = self._seconds_left if state == "running" else None
        return RunStatus(state, self._run.rows, counts["done"], counts["failed"], self._run.pictures, left, self._error)

    def rows(self, limit: int = 100) -> list[RunRow]:
        """The rows that have ended, the latest first."""
        ended = [*self._run.store.history("done", limit), *self._run.store.history("failed", limit)]
        ended.sort(key=lambda job: (job.finished or 0, job.id), reverse=True)
        found = []
        for job in ended[:limit]:
            result = job.result or {}
            subject = str(result.get("subject") or job.payload["values"].get("subject") or "")
            images = tuple(result.get("images", ()))
            found.append(RunRow(job.payload["id"], job.payload["line"], subject, images, job.error))
        return found

    def archive(self, path: Path) -> Path:
        """Write the finished pictures, results.jsonl and contact sheets to a ZIP file.

        Raises UserError if no row is finished yet, RunError if the file cannot be written.
        """
        names = [image["path"] for job in self._run.store.ended() for image in (job.result or {}).get("images", ())]
        if not names:
            raise UserError("no row of the batch is finished yet: wait for the first pictures")
        drawings = [Path(name).with_suffix(".svg").name for name in names]
        sheets = sorted(sheet.name for sheet in self.output.glob("sheet*.png"))
        temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            # Stored without compression, since PNG is compressed already.
            with zipfile.ZipFile(temporary, "w") as file:
                for name in (*names, *drawings, RESULTS, *sheets):
                    if (self.output / name).is_file():
                        file.write(self.output / name, name)
            os.replace(temporary, path)
        except OSError as error:
            raise RunError(f"{path}: cannot be written ({(error.strerror or str(error)).lower()})") from error
        finally:
            temporary.unlink(missing_ok=True)
        return path

    def close(self) -> None:
        """Stop the thread and close the job store. Unfinished rows are continued when the folder is opened again."""
        with self._changing:
            self._stop.set()
            self._join()
            self._run.store.close()

    def _work(self) -> None:
        from analogen.batch.engines.local import run_local

        started = time.perf_counter()
        try:
            run_local(
                self._run, self._device, self._workers, self._report, self._stop, self._load, self._give_way
            )  # fmt: skip
            counts = self._run.store.counts()
            if counts["done"] + counts["failed"] == self._run.rows:
                close_run(self._run, self._sheet, time.perf_counter() - started)
        except (UserError, RunError) as error:
            self._error = str(error)
        except Exception as error:
            _LOG.exception("the batch in %s stopped", self.output)
            self._error = f"the batch stopped ({type(error).__name__}: {error}): start it again"
        finally:
            with contextlib.suppress(RunError):
                self._run.store.release()

    def _report(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            self._seconds_left = event["seconds_left"]

    def _is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _join(self) -> None:
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
