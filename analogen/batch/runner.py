"""Starts, resumes and ends the run of a manifest.

open_run -> an engine (see `engines`) works on the chunks of the job store -> close_run. The job store holds
the work that is left, the journal the results. After a crash at any point, the same call of `open_run` resumes the run.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from analogen.batch.jobs import JobStore
from analogen.batch.journal import NAME as RESULTS
from analogen.batch.journal import Journal
from analogen.batch.manifest import Asset, Manifest
from analogen.batch.manifest_rows import Problem
from analogen.errors import UserError
from analogen.files import check_output, remove_leftovers
from analogen.types import Request

STORE = "jobs.sqlite"
KIND = "asset"
# Least and most candidates of a chunk: enough to fill a pass, but few, since a killed process loses its pass.
CHUNK_CANDIDATES = (16, 64)
Event = dict[str, Any]


@dataclass
class Run:
    """One run of a manifest into a folder. settings: all that its pictures depend on besides the manifest."""

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
    """Start a run, or resume the one in the folder. Loads no model.

    Raises UserError, with line numbers, if the manifest has rows that cannot be used; and if the folder holds another
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
        # All rows are checked before the first is made. A row that fails later does not stop the run.
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
        if (was or None) != (is_now or None):  # an empty value, such as an empty list, counts as not given
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
    """The settings that all rows of a chunk share."""
    return (*request.pass_settings, request.width, request.height)


class Chunks:
    """Assigns rows to chunks: rows that can share a pass, in the order of the manifest, up to the size of a chunk."""

    def __init__(self, first: int, candidates: int) -> None:
        self._next = first
        least, most = CHUNK_CANDIDATES
        # The size depends on the manifest only: with the machine, the same run would give other pictures elsewhere.
        self._size = min(max(candidates // 8, least), most)
        self._open: dict[object, tuple[int, int]] = {}

    def place(self, asset: Asset) -> int:
        """The group number of a row's chunk."""
        request = asset.request
        key = chunk_key(request)
        group, room = self._open.get(key, (0, 0))
        if room < request.candidates:
            group, room = self._next, self._size
            self._next += 1
        self._open[key] = (group, room - request.candidates)
        return group


def _retry(store: JobStore, journal: Journal, manifest: Manifest) -> None:
    """Queue the failed rows again in new chunks, and remove their lines from the journal."""
    from analogen.request_schema import request_from

    with store.transaction():
        failed = [job for job in store.ended() if job.state == "failed"]
        chunks = Chunks(store.next_group(), 0)
        for job in failed:
            request = request_from(job.payload["values"], manifest.path.parent)
            store.retry([job.id], chunks.place(Asset(0, job.payload["id"], job.payload["values"], request)))
        if failed:
            journal.rewrite()


def close_run(run: Run, sheet: bool, seconds: float) -> Event:
    """Sort the results, make the contact sheets, return the summary. Raises RunError if a file cannot be written."""
    counts = run.store.counts()
    finished = counts["done"] + counts["failed"] == run.rows
    pages: list[str] = []
    if finished:
        run.journal.rewrite(in_order_of_ending=False)
        if sheet:
            from analogen.batch.sheet import write_sheets

            pages = [path.name for path in write_sheets(run.store, run.manifest.path.parent, run.output)]
    failures = run.store.history("failed", limit=5)
    return {
        "event": "end", "rows": run.rows, "done": counts["done"], "failed": counts["failed"],
        "left": run.rows - counts["done"] - counts["failed"], "seconds": round(seconds, 2),
        "output": str(run.output), "sheets": pages,
        "failures": [{"id": j.payload["id"], "line": j.payload["line"], "error": j.error} for j in reversed(failures)],
    }  # fmt: skip


def estimate(manifest: Manifest, rows: int, device: str = "auto", sample: int = 4) -> float:
    """Estimate the seconds for `rows` rows, without loading the model, from the time of the first few.

    Pictures are written to a temporary folder only. Raises UserError if the model cannot be loaded.
    """
    import tempfile

    from analogen.batch.chunks import ChunkProcessor, ChunkRow, RunLocation

    assets_of_file = (asset for asset in manifest.assets() if isinstance(asset, Asset))
    first = next(assets_of_file)
    alike = (asset for asset in islice(assets_of_file, 1000) if chunk_key(asset.request) == chunk_key(first.request))
    assets = [first, *islice(alike, sample - 1)]
    with tempfile.TemporaryDirectory() as folder:
        processor = ChunkProcessor(RunLocation(manifest.path.parent, Path(folder), device))
        chunk_rows = [ChunkRow(number, str(number), asset.values, True) for number, asset in enumerate(assets)]
        list(processor.process(chunk_rows[:1]))  # the first call is slower: caches, kernels
        started = time.perf_counter()
        list(processor.process(chunk_rows))
        return (time.perf_counter() - started) / len(chunk_rows) * rows
