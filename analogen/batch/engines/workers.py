"""The part that all engines share: threads that work on a run, and one that records the outcome of each row.

Workers put outcomes into a queue; a single thread writes them to the journal, so that job store and journal agree
whatever a worker does.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from analogen.batch.jobs import Job, JobStore
from analogen.batch.resume import Event, Run
from analogen.errors import RunError

if TYPE_CHECKING:
    from analogen.batch.chunk_processor import ChunkRow, RowOutcome, RunLocation

    OutcomeQueue = queue.Queue[tuple[Job, RowOutcome] | BaseException]
    # What a worker thread runs: with the queue for its outcomes, and the event that stops it.
    Target = Callable[[OutcomeQueue, threading.Event], None]

Report = Callable[[Event], None]


@dataclass
class ProgressTracker:
    """How far a run is, with the speed of this process over the last minute."""

    rows: int
    done: int = 0
    failed: int = 0
    pictures: int = 0
    _marks: deque[tuple[float, int, int]] = field(default_factory=deque)

    def update(self, now: float) -> None:
        self._marks.append((now, self.done + self.failed, self.pictures))
        while len(self._marks) > 2 and self._marks[0][0] < now - 60:
            self._marks.popleft()

    @property
    def event(self) -> Event:
        (then, ended, pictures), (now, ended_now, pictures_now) = self._marks[0], self._marks[-1]
        passed = max(now - then, 1e-9)
        rows_per_second = (ended_now - ended) / passed
        left = self.rows - self.done - self.failed
        return {
            "event": "progress", "rows": self.rows, "done": self.done, "failed": self.failed,
            "pictures_per_second": round((pictures_now - pictures) / passed, 3),
            "seconds_left": round(left / rows_per_second, 1) if rows_per_second > 0 else None,
        }  # fmt: skip


def location_of(run: Run, device: str) -> RunLocation:
    """The folders where the workers of an engine read and write."""
    from analogen.batch.chunk_processor import RunLocation

    return RunLocation(run.manifest.path.parent, run.output, device, bool(run.settings["metadata"]))


def run_threads(run: Run, targets: Sequence[Target], report: Report, stop: threading.Event | None = None) -> None:
    """Run each target in its own thread until all have ended, and write their outcomes to the journal.

    A heartbeat keeps the leases of claimed jobs. If a target raises an exception, all stop and it is raised here.
    """
    outcome_queue: OutcomeQueue = queue.Queue()
    stop = stop or threading.Event()
    threads = [threading.Thread(target=_guarded, args=(target, outcome_queue, stop), daemon=True) for target in targets]
    heartbeat = threading.Thread(
        target=_guarded, args=(partial(_send_heartbeats, run.store), outcome_queue, stop), daemon=True
    )
    for thread in (*threads, heartbeat):
        thread.start()
    try:
        collect_outcomes(run, outcome_queue, lambda: any(thread.is_alive() for thread in threads), report)
    finally:
        stop.set()
        for thread in (*threads, heartbeat):
            thread.join()
        _record_rest(run, outcome_queue)


def _record_rest(run: Run, outcome_queue: OutcomeQueue) -> None:
    """Record the outcomes that are left after a failure or an interruption: their pictures are on disk already."""
    with suppress(queue.Empty, RunError):
        while True:
            found = outcome_queue.get_nowait()
            if isinstance(found, tuple):
                run.journal.record(found[0], found[1].result, found[1].error)


def collect_outcomes(run: Run, outcome_queue: OutcomeQueue, is_alive: Callable[[], bool], report: Report) -> None:
    """Write outcomes to the journal and report them, until all workers have ended.

    Raises the exception of a worker.
    """
    progress = ProgressTracker(run.rows)
    reported_at = 0.0
    while True:
        ended = not is_alive()  # checked before the queue, so that the last outcomes are not missed
        try:
            found = outcome_queue.get(timeout=0 if ended else 0.2)
        except queue.Empty:
            found = None
            if ended:
                return
        if isinstance(found, BaseException):
            raise found
        if found is not None:
            job, outcome = found
            if run.journal.record(job, outcome.result, outcome.error):
                progress.pictures += len(outcome.result["images"]) if outcome.result else 0
                report(_row_event(job, outcome))
        now = time.monotonic()
        if now - reported_at >= 1 or not progress._marks:
            counts = run.store.counts()
            progress.done, progress.failed, reported_at = counts["done"], counts["failed"], now
            progress.update(now)
            report(progress.event)


def _row_event(job: Job, outcome: RowOutcome) -> Event:
    event: Event = {"event": "row", "id": job.payload["id"], "line": job.payload["line"]}
    if outcome.result is None:
        return {**event, "state": "failed", "error": outcome.error}
    return {**event, "state": "done", "images": [image["path"] for image in outcome.result["images"]]}


def chunk_rows(jobs: Iterable[Job]) -> list[ChunkRow]:
    """The rows of a claimed group, for a worker; rows that failed before are left out."""
    from analogen.batch.chunk_processor import ChunkRow

    return [
        ChunkRow(job.id, job.payload["id"], job.payload["values"], job.state == "running")
        for job in jobs
        if job.state in ("running", "done")
    ]


def _send_heartbeats(store: JobStore, outcome_queue: OutcomeQueue, stop: threading.Event) -> None:
    while not stop.wait(store.lease_seconds / 4):
        store.heartbeat()


def _guarded(target: Target, outcome_queue: OutcomeQueue, stop: threading.Event) -> None:
    from analogen.batch.chunk_processor import RunStopped

    try:
        target(outcome_queue, stop)
    except RunStopped:
        pass
    except BaseException as error:
        outcome_queue.put(error)
