"""Opens the run of a manifest, as a new run or to resume one, and closes it.

open_run -> an engine (see `engines`) works on the chunks of the job store -> close_run. The job store holds the work
that is left, the journal the results. After a crash at any point, the same call of `open_run` resumes the run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analogen.batch.chunking import Chunks
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
    # A run of an earlier version does not name the options that it did not have.
    usual = {field.name: field.default for field in dataclasses.fields(Request)}
    for name in sorted({*before["defaults"], *now["defaults"]}):
        was, is_now = (side["defaults"].get(name, usual.get(name)) for side in (before, now))
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
            from analogen.batch.contact_sheets import write_sheets

            pages = [path.name for path in write_sheets(run.store, run.manifest.path.parent, run.output)]
    failures = run.store.history("failed", limit=5)
    return {
        "event": "end", "rows": run.rows, "done": counts["done"], "failed": counts["failed"],
        "left": run.rows - counts["done"] - counts["failed"], "seconds": round(seconds, 2),
        "output": str(run.output), "sheets": pages,
        "failures": [{"id": j.payload["id"], "line": j.payload["line"], "error": j.error} for j in reversed(failures)],
    }  # fmt: skip
