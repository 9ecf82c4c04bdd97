"""Runs a batch on one machine: threads of this process take chunk after chunk through all stages."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from analogen.batch.engines.workers import Report, chunk_rows, location_of, run_threads
from analogen.batch.jobs import JobStore
from analogen.batch.resume import KIND, Run

if TYPE_CHECKING:
    from analogen.batch.chunk_processor import ChunkProcessor
    from analogen.batch.engines.workers import OutcomeQueue
    from analogen.stages import Stages
    from analogen.types import Request

MAX_WORKERS = 4


def run_local(
    run: Run,
    device: str = "auto",
    workers: int | None = None,
    report: Report = lambda event: None,
    stop: threading.Event | None = None,
    load: Callable[[Request], Stages] | None = None,
    give_way: Callable[[threading.Event], None] = lambda stop: None,
) -> None:
    """Work on a run with threads of this process until no chunk is left.

    While one thread draws and writes, another composes. Other processes may work on the same store at the same time.

    stop: when it is set, unfinished rows are left and this returns; it is always set at the end.
    load: returns the model of a request; None loads it.
    give_way: called before each chunk; waits while the machine is needed for something else, or until stop is set.
    Raises UserError or RunError if the run cannot continue; finished rows stay, the others go back to the queue.
    """
    from analogen.batch.chunk_processor import ChunkProcessor

    if run.store.counts()["queued"] == 0 and not run.store.others_run():
        return
    processor = ChunkProcessor(location_of(run, device), load)
    _load_first(run.store, processor)
    threads, share = _share_cores(workers, device)

    def work(outcome_queue: OutcomeQueue, stop: threading.Event) -> None:
        _work(outcome_queue, run.store, processor, share, stop, give_way)

    run_threads(run, [work] * threads, report, stop)


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
            for outcome in processor.process(chunk_rows(claimed.values()), stop.is_set):
                outcome_queue.put((claimed[outcome.job], outcome))
        elif store.others_run():
            # If they die, this process takes over their rows.
            stop.wait(1)
        else:
            return


def _load_first(store: JobStore, processor: ChunkProcessor) -> None:
    """Load the model before the threads start, so that errors are raised before any job is claimed."""
    from analogen.request_schema import request_from

    waiting = store.history("queued", limit=1) or store.history("running", limit=1)
    if waiting:
        processor.generator(request_from(waiting[0].payload["values"], Path(), processor.location.device))


def _share_cores(workers: int | None, device: str) -> tuple[int, int]:
    """The number of worker threads, and the number of torch threads for each of them."""
    import torch

    from analogen.models import pick_device

    cores = torch.get_num_threads()
    if workers is None:
        # On an accelerator a second worker draws and writes while the first one computes.
        workers = min(cores, MAX_WORKERS) if pick_device(device) == "cpu" else 2
    return workers, max(1, cores // workers)
