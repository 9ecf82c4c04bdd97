"""A manifest of assets becomes pictures: durable, resumable, many rows in one pass.

open_run -> (an engine works on chunks of the job store) -> close_run. The store says what is left to do, the journal
tells what came out; whoever is killed at whatever point, the same command goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analogen.errors import RunError, UserError
from analogen.files import check_output, remove_leftovers
from analogen.jobs import Job, JobStore
from analogen.journal import NAME as RESULTS
from analogen.journal import Journal
from analogen.manifest import Asset, Manifest, Problem
from analogen.types import Request

if TYPE_CHECKING:
    from analogen.chunks import Maker, Member, Outcome

    Ends = queue.Queue[tuple[Job, Outcome] | BaseException]

STORE = "jobs.sqlite"
KIND = "asset"
# Candidates of one chunk: enough to fill a pass, and few, since a kill costs the pass under way.
CHUNK_CANDIDATES = (16, 64)
MAX_WORKERS = 4
Event = dict[str, Any]
Report = Callable[[Event], None]


@dataclass
class Run:
    """One run of a manifest into a folder. settings: what every picture depends on beside the manifest."""

    manifest: Manifest
    output: Path
    settings: dict[str, Any]
    store: JobStore
    journal: Journal
    rows: int
    pictures: int
    resumed: bool


def open_run(
    manifest: Manifest,
    output: str | Path,
    metadata: bool = True,
    resume: bool = True,
    retry_failed: bool = False,
    report_problem: Callable[[Problem], None] = lambda problem: None,
) -> Run:
    """Start a run, or go on with the one that the folder holds. Loads no model.

    Raises UserError, with line numbers, if the manifest has rows that cannot be used, or if the folder holds another
    run or cannot be written.
    """
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output {folder}: is a file, expected a folder: give another name")
    settings = {"defaults": manifest.defaults, "metadata": metadata}
    path = folder / STORE
    found = path.exists()
    if found and not resume:
        raise UserError(f"--output {folder}: holds a run already: leave --no-resume out, or name an empty folder")
    if not found:
        if (folder / RESULTS).exists():
            raise UserError(f"--output {folder}: holds {RESULTS} and no {STORE}: name an empty folder")
        # All rows are checked before anything is made, and once: what goes wrong later is a row's own failure.
        manifest.check(report_problem)
    check_output([folder / RESULTS])
    folder.mkdir(parents=True, exist_ok=True)
    store = JobStore(path)
    try:
        with store.transaction():
            resumed = store.note("manifest") is not None
            if resumed:
                _check_same(store, manifest, settings, folder)
            else:
                _fill(store, manifest, settings)
        journal = Journal(store, folder)
        if not store.others_run():
            remove_leftovers(folder)
            journal.repair()
        if retry_failed:
            _retry(store, journal, manifest)
        rows, pictures = (int(store.note(name) or 0) for name in ("rows", "pictures"))
    except BaseException:
        store.close()
        raise
    return Run(manifest, folder, settings, store, journal, rows, pictures, resumed)


def _check_same(store: JobStore, manifest: Manifest, settings: dict[str, Any], folder: Path) -> None:
    if store.note("manifest") != _file_hash(manifest.path):
        name = store.note("name")
        raise UserError(
            f"--output {folder}: holds the run of another manifest ({name}, or {manifest.path.name} before it was "
            "changed): name another folder, or give the manifest as it was"
        )
    before = json.loads(store.note("settings") or "{}")
    now = json.loads(json.dumps(settings))
    for name in sorted({*before["defaults"], *now["defaults"]}):
        was, is_now = before["defaults"].get(name), now["defaults"].get(name)
        if was != is_now:
            flag = "--" + name.replace("_", "-")
            raise UserError(f"--output {folder}: was started with {flag} {was}, not {is_now}: name another folder")
    if before["metadata"] != now["metadata"]:
        raise UserError(f"--output {folder}: was started with another --metadata: name another folder")


def _file_hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _fill(store: JobStore, manifest: Manifest, settings: dict[str, Any]) -> None:
    digest, totals = hashlib.sha256(), {"rows": 0, "pictures": 0}
    candidates = sum(asset.request.candidates for asset in _usable(manifest.assets(), manifest))

    def jobs() -> Iterator[tuple[str, int | None, dict[str, Any]]]:
        chunks = Chunks(1, candidates)
        for asset in _usable(manifest.assets(digest.update), manifest):
            totals["rows"] += 1
            totals["pictures"] += asset.request.num_images
            payload = {"line": asset.line, "id": asset.id, "values": asset.values}
            yield KIND, chunks.place(asset), payload

    store.add(jobs())
    for name, value in totals.items():
        store.set_note(name, str(value))
    store.set_note("name", manifest.path.name)
    store.set_note("settings", json.dumps(settings, sort_keys=True))
    store.set_note("manifest", digest.hexdigest())


def _usable(found: Iterable[Asset | Problem], manifest: Manifest) -> Iterator[Asset]:
    for asset in found:
        if isinstance(asset, Problem):
            raise UserError(f"{manifest.path} line {asset.line}: {asset.message} (it changed while it was read)")
        yield asset


def chunk_key(request: Request) -> tuple[object, ...]:
    """What all rows of one chunk share."""
    return (*request.pass_settings, request.width, request.height)


class Chunks:
    """Hands out group numbers: rows that share a pass, in the manifest's order, up to a chunk's size."""

    def __init__(self, first: int, candidates: int) -> None:
        self._next = first
        least, most = CHUNK_CANDIDATES
        # Of the manifest alone, not of the machine, or the same run would compose otherwise elsewhere.
        self._size = min(max(candidates // 8, least), most)
        self._open: dict[object, tuple[int, int]] = {}

    def place(self, asset: Asset) -> int:
        request = asset.request
        key = chunk_key(request)
        group, room = self._open.get(key, (0, 0))
        if room < request.candidates:
            group, room = self._next, self._size
            self._next += 1
        self._open[key] = (group, room - request.candidates)
        return group


def _retry(store: JobStore, journal: Journal, manifest: Manifest) -> None:
    """Queue the failed rows again in chunks of their own, and take their lines out of the journal."""
    from analogen.plain import request_from

    with store.transaction():
        failed = [job for job in store.ended() if job.state == "failed"]
        chunks = Chunks(store.next_group(), 0)
        for job in failed:
            request = request_from(job.payload["values"], manifest.path.parent)
            store.retry([job.id], chunks.place(Asset(0, job.payload["id"], job.payload["values"], request)))
        if failed:
            journal.rewrite()


@dataclass
class Tally:
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


def work_here(run: Run, device: str = "auto", workers: int | None = None, report: Report = lambda event: None) -> None:
    """The local engine: threads of this process take chunk after chunk through all stages, until none is left.

    While one thread draws and writes, another composes. Other processes may work on the same store meanwhile. Raises
    UserError or RunError if the run cannot go on; what is finished stays, the rest goes back to the queue.
    """
    from analogen.chunks import Maker, Place

    if run.store.counts()["queued"] == 0 and not run.store.others_run():
        return
    maker = Maker(Place(run.manifest.path.parent, run.output, device, bool(run.settings["metadata"])))
    _load_first(run.store, maker)
    threads, share = _share_cores(workers, device)
    ends: Ends = queue.Queue()
    stop = threading.Event()
    pool = [
        threading.Thread(target=_guarded, args=(_work, ends, run.store, maker, share, stop), daemon=True)
        for _ in range(threads)
    ]
    pool.append(threading.Thread(target=_guarded, args=(_beat, ends, run.store, stop), daemon=True))
    for thread in pool:
        thread.start()
    try:
        follow(run, ends, lambda: any(thread.is_alive() for thread in pool[:-1]), report)
    finally:
        stop.set()
        for thread in pool:
            thread.join()
        _take_rest(run, ends)


def _take_rest(run: Run, ends: Ends) -> None:
    """After a failure or an interruption: what is on disk already need not be made again."""
    with suppress(queue.Empty, RunError):
        while True:
            found = ends.get_nowait()
            if isinstance(found, tuple):
                run.journal.record(found[0], found[1].result, found[1].error)


def follow(run: Run, ends: Ends, is_alive: Callable[[], bool], report: Report) -> None:
    """Journal what the workers of an engine finish, and tell about it, until they have all ended.

    Raises what a worker raised.
    """
    tally = Tally(run.rows)
    told = 0.0
    while True:
        ended = not is_alive()  # asked first: what a worker put there before its end is still taken
        try:
            found = ends.get(timeout=0 if ended else 0.2)
        except queue.Empty:
            found = None
            if ended:
                return
        if isinstance(found, BaseException):
            raise found
        if found is not None:
            job, outcome = found
            if run.journal.record(job, outcome.result, outcome.error):
                tally.pictures += len(outcome.result["images"]) if outcome.result else 0
                report(_row_event(job, outcome))
        now = time.monotonic()
        if now - told >= 1 or not tally._marks:
            counts = run.store.counts()
            tally.done, tally.failed, told = counts["done"], counts["failed"], now
            tally.note(now)
            report(tally.event)


def _row_event(job: Job, outcome: Outcome) -> Event:
    event: Event = {"event": "row", "id": job.payload["id"], "line": job.payload["line"]}
    if outcome.result is None:
        return {**event, "state": "failed", "error": outcome.error}
    return {**event, "state": "done", "images": [image["path"] for image in outcome.result["images"]]}


def members(jobs: Iterable[Job]) -> list[Member]:
    """The rows of a claimed group as a worker takes them; those that failed before are left out."""
    from analogen.chunks import Member

    return [
        Member(job.id, job.payload["id"], job.payload["values"], job.state == "running")
        for job in jobs
        if job.state in ("running", "done")
    ]


def _work(
    ends: Ends,
    store: JobStore,
    maker: Maker,
    share: int,
    stop: threading.Event,
) -> None:
    import torch

    torch.set_num_threads(share)  # of this thread
    while not stop.is_set():
        claimed = {job.id: job for job in store.claim(KIND)}
        if claimed:
            for outcome in maker.make(members(claimed.values()), stop.is_set):
                ends.put((claimed[outcome.job], outcome))
        elif store.others_run():
            # Should they die, their rows are ours.
            stop.wait(1)
        else:
            return


def _beat(ends: object, store: JobStore, stop: threading.Event) -> None:
    while not stop.wait(store.lease_seconds / 4):
        store.heartbeat()


def _guarded(target: Callable[..., None], ends: Ends, *arguments: Any) -> None:
    from analogen.chunks import Stopped

    try:
        target(ends, *arguments)
    except Stopped:
        pass
    except BaseException as error:
        ends.put(error)


def _load_first(store: JobStore, maker: Maker) -> None:
    """Load the model before the threads start: what cannot be had is told before anything is claimed."""
    from analogen.plain import request_from

    waiting = store.history("queued", limit=1) or store.history("running", limit=1)
    if waiting:
        maker.generator(request_from(waiting[0].payload["values"], Path(), maker.place.device))


def _share_cores(workers: int | None, device: str) -> tuple[int, int]:
    """How many threads work, and how many of torch's own each of them has."""
    import torch

    from analogen.models import pick_device

    cores = torch.get_num_threads()
    if workers is None:
        # On an accelerator a second worker draws and writes while the first one computes.
        workers = min(cores, MAX_WORKERS) if pick_device(device) == "cpu" else 2
    return workers, max(1, cores // workers)


def close_run(run: Run, sheet: bool, seconds: float) -> Event:
    """Order the results, make the contact sheets, and say what came out. Raises RunError if that cannot be written."""
    counts = run.store.counts()
    finished = counts["done"] + counts["failed"] == run.rows
    pages: list[str] = []
    if finished:
        run.journal.rewrite(in_order_of_ending=False)
        if sheet:
            from analogen.batch_sheet import write_sheets

            pages = [path.name for path in write_sheets(run.store, run.manifest.path.parent, run.output)]
    failures = run.store.history("failed", limit=5)
    return {
        "event": "end", "rows": run.rows, "done": counts["done"], "failed": counts["failed"],
        "left": run.rows - counts["done"] - counts["failed"], "seconds": round(seconds, 2),
        "output": str(run.output), "sheets": pages,
        "failures": [{"id": j.payload["id"], "line": j.payload["line"], "error": j.error} for j in reversed(failures)],
    }  # fmt: skip


def estimate(manifest: Manifest, rows: int, device: str = "auto", sample: int = 4) -> float:
    """Seconds that all rows will take, the loading of the model left out: measured on the first few of them.

    Nothing is written but into a temporary folder. Raises UserError for what cannot be had.
    """
    import tempfile

    from analogen.chunks import Maker, Member, Place

    found = (asset for asset in manifest.assets() if isinstance(asset, Asset))
    first = next(found)
    alike = (asset for asset in islice(found, 1000) if chunk_key(asset.request) == chunk_key(first.request))
    assets = [first, *islice(alike, sample - 1)]
    with tempfile.TemporaryDirectory() as folder:
        maker = Maker(Place(manifest.path.parent, Path(folder), device))
        rows_of = [Member(number, str(number), asset.values, True) for number, asset in enumerate(assets)]
        list(maker.make(rows_of[:1]))  # what is slow only once: caches, kernels
        started = time.perf_counter()
        list(maker.make(rows_of))
        return (time.perf_counter() - started) / len(rows_of) * rows
