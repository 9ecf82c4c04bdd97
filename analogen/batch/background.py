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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analogen.batch.jobs import JobStore
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
_Stamp = tuple[int, int, int] | None


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

    Once it has ended its job store is closed, and opened again for a moment when it is needed: a server that runs for
    weeks keeps all its batches, and an open store takes a fifth of a megabyte each.

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
        self._opening = threading.RLock()  # held while the store is used, so that nobody closes it meanwhile
        self._ended: tuple[RunStatus, _Stamp] | None = None  # then the store is closed
        self.output, self._device, self._workers, self._load, self._give_way = (
            Path(output), device, workers, load, give_way,
        )  # fmt: skip
        self._sheet = sheet
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._changing = threading.RLock()
        self._seconds_left: float | None = None
        self._error: str | None = None
        self.status()  # closes the store of a run that an earlier server ended

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
            with self._opened() as store:
                store.set_note(_HALTED, "paused")
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
            with self._opened() as store:
                store.set_note(_HALTED, "")

    def cancel(self) -> None:
        """End the run; finished pictures stay."""
        with self._changing:
            if self.status().state in ("done", "cancelled"):
                return
            with self._opened() as store:
                store.set_note(_HALTED, "cancelled")
            self._stop.set()
            self._join()
            with self._opened() as store:
                while jobs := store.history("queued", limit=500):
                    with store.transaction():
                        for job in jobs:
                            store.cancel(job.id)

    def retry_failed(self) -> None:
        """Queue the failed rows again and start."""
        with self._changing:
            status = self.status()
            if self._is_alive() or status.state == "cancelled" or status.failed == 0:
                return
            with self._opening:
                before, self._run = self._run, self._reopen(True)
                if self._ended is None:
                    before.store.close()
                self._ended = None
            self.start()

    def wait(self, seconds: float | None = None) -> None:
        """Return when the thread of a running run has ended, at the latest after these seconds."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def status(self) -> RunStatus:
        with self._opening:
            if self._ended is not None:
                status, before = self._ended
                now = _stamp_of(self._run.store.path)
                if now is None or now == before:  # a folder that was removed is not made anew
                    return status
                # Another process works in the folder, such as `analogen batch --retry-failed`.
                self._run, self._ended = self._reopen(False), None
            found = self._present_status()
            if found.state in ("done", "cancelled") and not self._is_alive():
                self._run.store.close()  # the last one to close a file writes to it: the stamp is taken after that
                self._ended = found, _stamp_of(self._run.store.path)
            return found

    def _present_status(self) -> RunStatus:
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
        with self._opened() as store:
            ended = [*store.history("done", limit), *store.history("failed", limit)]
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
        with self._opened() as store:
            names = [image["path"] for job in store.ended() for image in (job.result or {}).get("images", ())]
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
            with self._opening:
                if self._ended is None:
                    self._run.store.close()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[JobStore]:
        """The job store, opened if it is closed."""
        with self._opening:
            if self._ended is None:
                yield self._run.store
            elif _stamp_of(self._run.store.path) is None:
                raise RunError(f"{self.output}: was removed, and with it what the batch has made")
            else:
                with JobStore(self._run.store.path) as store:
                    yield store

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


def _stamp_of(path: Path) -> _Stamp:
    """What changes when somebody writes to the file; None if it is missing."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
