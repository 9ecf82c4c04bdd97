"""Runs a batch on a cluster: stateful workers of Ray Data, one per device, run the same stages.

Only the process that started the run opens the job store. Workers get plain rows, write pictures to storage that all
machines share, and return the outcome of each row. If a worker dies, Ray starts another one and gives it the same chunk
again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analogen.batch.chunk_processor import ChunkProcessor, ChunkRow, RowOutcome, RunLocation, RunStopped
from analogen.batch.engines.workers import Report, chunk_rows, location_of, run_threads
from analogen.batch.jobs import Job
from analogen.batch.resume import KIND, Run
from analogen.errors import RunError, UserError

if TYPE_CHECKING:
    from analogen.batch.engines.workers import OutcomeQueue

TRIES = 3  # how often a chunk is tried if its workers die
WAVE = 32  # chunks per worker that Ray gets at once; its queue is in memory and stays short


def run_on_ray(
    run: Run,
    address: str | None = None,
    device: str = "auto",
    workers: int | None = None,
    report: Report = lambda event: None,
) -> None:
    """Work on a run with the Ray cluster at `address`, or with a local one that is started for it.

    workers: None takes one for each GPU of the cluster, or one for each two cores without a GPU. Raises UserError or
    RunError if the run cannot continue; finished rows stay.
    """
    import ray

    if run.store.counts()["queued"] == 0 and not run.store.others_run():
        return
    started_here = not ray.is_initialized()
    if started_here:
        _connect(address)
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context.max_errored_blocks = -1  # a chunk that always kills its worker must not stop the others
        resources, workers = _share(workers, device)
        output = run.output.resolve()
        base = run.manifest.path.parent.resolve()
        location = RunLocation(base, output, device, location_of(run, device).metadata)

        def work(outcome_queue: OutcomeQueue, stop: threading.Event) -> None:
            while not stop.is_set() and (claimed := _claim(run, WAVE * workers)):
                _run_wave(claimed, location, workers, resources, outcome_queue, stop)

        run_threads(run, [work], report)
    finally:
        if started_here:
            ray.shutdown()


def _connect(address: str | None) -> None:
    import ray

    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        # Ray puts the current folder first on the import path of its workers. In a checkout of analogen that folder
        # holds only a part of the package (the build adds the others), and would hide the installed package.
        with contextlib.chdir(sys.prefix):
            ray.init(address=address or "local", **settings)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        where = f"--address {address}: no Ray cluster answers there" if address else "--engine ray: no cluster starts"
        raise UserError(f"{where} ({' '.join(str(error).split())[:200]}): check it, or use --engine local") from error


def _share(workers: int | None, device: str) -> tuple[dict[str, Any], int]:
    """The resources of each worker, and the number of workers."""
    import ray

    found = ray.cluster_resources()
    cores, gpus = found.get("CPU", 1.0), int(found.get("GPU", 0))
    if device == "cpu" or (device == "auto" and not gpus):
        workers = workers or max(1, int(cores) // 2)
        return {"num_cpus": max(0.5, int(2 * cores / workers) / 2)}, workers
    if not gpus:
        raise UserError(f"--device {device}: the Ray cluster has no GPU: use --device cpu")
    workers = workers or gpus
    return {"num_cpus": 1, "num_gpus": min(1.0, gpus / workers)}, workers


def _claim(run: Run, most: int) -> list[list[Job]]:
    """Claim up to `most` chunks."""
    claimed: list[list[Job]] = []
    while len(claimed) < most and (jobs := run.store.claim(KIND)):
        claimed.append(jobs)
    return claimed


def _run_wave(
    claimed: list[list[Job]],
    location: RunLocation,
    workers: int,
    resources: dict[str, Any],
    outcome_queue: OutcomeQueue,
    stop: threading.Event,
) -> None:
    import ray

    rows = [{"chunk": json.dumps([member._asdict() for member in chunk_rows(jobs)])} for jobs in claimed]
    waiting = {job.id: job for jobs in claimed for job in jobs if job.state == "running"}
    settings = {**asdict(location), "base": str(location.base), "output": str(location.output)}
    # One chunk per block: with several, a worker that dies would lose all of them.
    blocks = ray.data.from_items(rows, override_num_blocks=len(rows))
    with warnings.catch_warnings():
        # Ray will remove these two arguments in 2.64, and offers no replacement yet.
        warnings.filterwarnings("ignore", message=".*ray_remote_args.*")
        made = blocks.map_batches(
            Worker,
            fn_constructor_args=(json.dumps(settings),),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
            max_restarts=-1,
            max_task_retries=TRIES - 1,
            **resources,
        )
    for row in made.iter_rows():
        if stop.is_set():
            raise RunStopped
        for outcome in _outcomes(row["outcomes"]):
            outcome_queue.put((waiting.pop(outcome.job), outcome))
    for job in waiting.values():
        outcome_queue.put(
            (job, RowOutcome(job.id, None, f"its worker died {TRIES} times while it made the chunk of this row"))
        )


def _outcomes(answer: str) -> list[RowOutcome]:
    """The outcomes in the answer of a worker. Raises UserError or RunError if the run cannot continue."""
    found = json.loads(answer)
    if "broken" in found:
        raise (UserError if found["user"] else RunError)(found["broken"])
    return [RowOutcome(**outcome) for outcome in found["ends"]]


class Worker:
    """An actor of Ray on a device, with its models loaded once."""

    def __init__(self, location: str) -> None:
        values = json.loads(location)
        self.location = RunLocation(Path(values["base"]), Path(values["output"]), values["device"], values["metadata"])
        self.processor = ChunkProcessor(self.location)

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, list[str]]]:
        for chunk in batch["chunk"]:
            yield {"outcomes": [json.dumps(self._made([ChunkRow(**row) for row in json.loads(str(chunk))]))]}

    def _made(self, rows: list[ChunkRow]) -> dict[str, Any]:
        if not self.location.output.is_dir():
            seen = f"{self.location.output}: is not seen by the Ray worker on {socket.gethostname()}"
            return {
                "broken": f"{seen}: put --output and the references on storage that all machines share",
                "user": True,
            }
        try:
            return {"ends": [outcome._asdict() for outcome in self.processor.process(rows)]}
        except (RunError, UserError) as error:
            return {"broken": str(error), "user": isinstance(error, UserError)}
