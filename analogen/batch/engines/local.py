"""Engines: who works on the chunks of a run. Here the local one, and what all of them share.

Workers put the ends of rows into a queue; one thread journals them, so that whatever a worker does, the store and the
journal stay in step.
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
from pathlib import Path
from typing import TYPE_CHECKING

from analogen.batch.jobs import Job, JobStore
from analogen.batch.runner import KIND, Event, Run
from analogen.errors import RunError

if TYPE_CHECKING:
    from analogen.batch.chunks import ChunkProcessor, ChunkRow, RowOutcome, RunLocation
    from analogen.stages import Stages
    from analogen.types import Request

    OutcomeQueue = queue.Queue[tuple[Job, RowOutcome] | BaseException]
    Target = Callable[[OutcomeQueue, threading.Event], None]

MAX_WORKERS = 4
Report = Callable[[Event], None]


@dataclass
class ProgressTracker:
    """How far a run is. rate: pictures per second of this process over the last minute."""

    rows: int
    done: int = 0
    failed: int = 0
    pictures: int = 0
    _marks: deque[tuple[float, int, int]] = field(default_factory=deque)

    def note(self, now: float) -> None:
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


def run_local(
    run: Run,
    device: str = "auto",
    workers: int | None = None,
    report: Report = lambda event: None,
    stop: threading.Event | None = None,
    load: Callable[[Request], Stages] | None = None,
    give_way: Callable[[threading.Event], None] = lambda stop: None,
) -> None:
    """The local engine: threads of this process take chunk after chunk through all stages, until none is left.

    While one thread draws and writes, another composes. Other processes may work on the same store meanwhile.
    stop: once set, the rows under way are left, and this returns; it is set at the end in any case.
    load: gives the model that a request asks for, None loads it anew. give_way: called before each chunk, waits while
    others need the machine more, or until stop.
    Raises UserError or RunError if the run cannot go on; what is finished stays, the rest goes back to the queue.
    """
    from analogen.batch.chunks import ChunkProcessor

    if run.store.counts()["queued"] == 0 and not run.store.others_run():
        return
    processor = ChunkProcessor(location_of(run, device), load)
    _load_first(run.store, processor)
    threads, share = _share_cores(workers, device)

    def work(outcome_queue: OutcomeQueue, stop: threading.Event) -> None:
        _work(outcome_queue, run.store, processor, share, stop, give_way)

    run_threads(run, [work] * threads, report, stop)


def location_of(run: Run, device: str) -> RunLocation:
    """Where the workers of an engine read and write."""
    from analogen.batch.chunks import RunLocation

    return RunLocation(run.manifest.path.parent, run.output, device, bool(run.settings["metadata"]))


def run_threads(run: Run, targets: Sequence[Target], report: Report, stop: threading.Event | None = None) -> None:
    """Run every target in a thread of its own until all have ended, journalling what they put among the ends.

    A heartbeat keeps what they claimed. Raises what a target raised, once all have stopped.
    """
    outcome_queue: OutcomeQueue = queue.Queue()
    stop = stop or threading.Event()
    pool = [threading.Thread(target=_guarded, args=(target, outcome_queue, stop), daemon=True) for target in targets]
    beating = threading.Thread(target=_guarded, args=(partial(_beat, run.store), outcome_queue, stop), daemon=True)
    for thread in (*pool, beating):
        thread.start()
    try:
        collect_outcomes(run, outcome_queue, lambda: any(thread.is_alive() for thread in pool), report)
    finally:
        stop.set()
        for thread in (*pool, beating):
            thread.join()
        _take_rest(run, outcome_queue)


def _take_rest(run: Run, outcome_queue: OutcomeQueue) -> None:
    """After a failure or an interruption: what is on disk already need not be made again."""
    with suppress(queue.Empty, RunError):
        while True:
            found = outcome_queue.get_nowait()
            if isinstance(found, tuple):
                run.journal.record(found[0], found[1].result, found[1].error)


def collect_outcomes(run: Run, outcome_queue: OutcomeQueue, is_alive: Callable[[], bool], report: Report) -> None:
    """Journal what the workers of an engine finish, and tell about it, until they have all ended.

    Raises what a worker raised.
    """
    progress = ProgressTracker(run.rows)
    told = 0.0
    while True:
        ended = not is_alive()  # asked first: what a worker put there before its end is still taken
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
        if now - told >= 1 or not progress._marks:
            counts = run.store.counts()
            progress.done, progress.failed, told = counts["done"], counts["failed"], now
            progress.note(now)
            report(progress.event)


def _row_event(job: Job, outcome: RowOutcome) -> Event:
    event: Event = {"event": "row", "id": job.payload["id"], "line": job.payload["line"]}
    if outcome.result is None:
        return {**event, "state": "failed", "error": outcome.error}
    return {**event, "state": "done", "images": [image["path"] for image in outcome.result["images"]]}


def chunk_rows(jobs: Iterable[Job]) -> list[ChunkRow]:
    """The rows of a claimed group as a worker takes them; those that failed before are left out."""
    from analogen.batch.chunks import ChunkRow

    return [
        ChunkRow(job.id, job.payload["id"], job.payload["values"], job.state == "running")
        for job in jobs
        if job.state in ("running", "done")
    ]


def _work(
    outcome_queue: OutcomeQueue,
    store: JobStore,
    processor: ChunkProcessor,
    share: int,
    stop: threading.Event,
    give_way: Callable[[threading.Event], None],
) -> None:
    import torch

    torch.set_num_threads(share)  # of this thread
    while not stop.is_set():
        give_way(stop)
        claimed = {job.id: job for job in store.claim(KIND)}
        if claimed:
            for outcome in processor.make(chunk_rows(claimed.values()), stop.is_set):
                outcome_queue.put((claimed[outcome.job], outcome))
        elif store.others_run():
            # Should they die, their rows are ours.
            stop.wait(1)
        else:
            return


def _beat(store: JobStore, outcome_queue: OutcomeQueue, stop: threading.Event) -> None:
    while not stop.wait(store.lease_seconds / 4):
        store.heartbeat()


def _guarded(target: Target, outcome_queue: OutcomeQueue, stop: threading.Event) -> None:
    from analogen.batch.chunks import RunStopped

    try:
        target(outcome_queue, stop)
    except RunStopped:
        pass
    except BaseException as error:
        outcome_queue.put(error)


def _load_first(store: JobStore, processor: ChunkProcessor) -> None:
    """Load the model before the threads start: what cannot be had is told before anything is claimed."""
    from analogen.request_schema import request_from

    waiting = store.history("queued", limit=1) or store.history("running", limit=1)
    if waiting:
        processor.generator(request_from(waiting[0].payload["values"], Path(), processor.place.device))


def _share_cores(workers: int | None, device: str) -> tuple[int, int]:
    """How many threads work, and how many of torch's own each of them has."""
    import torch

    from analogen.models import pick_device

    cores = torch.get_num_threads()
    if workers is None:
        # On an accelerator a second worker draws and writes while the first one computes.
        workers = min(cores, MAX_WORKERS) if pick_device(device) == "cpu" else 2
    return workers, max(1, cores // workers)
