"""Promises of a batch in the background: it stops when told, goes on where it was, and packs what is there."""

from __future__ import annotations

import json
import shutil
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from analogen import BatchRun, Manifest, Problem, Request, RunError, UserError, load_generator
from analogen.batch.jobs import JobStore
from analogen.batch.resume import STORE

pytestmark = pytest.mark.usefixtures("tiny_shipped")

SMALL = {"steps": 2, "candidates": 1, "width": 64, "height": 64}
ROWS = 40


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    for color in ("red", "navy"):
        Image.new("RGB", (40, 30), color).save(tmp_path / f"{color}.png")
    rows = [{"reference": "red.png" if n % 2 else "navy.png", "subject": "apple"} for n in range(ROWS)]
    return write(tmp_path, rows)


def write(folder: Path, rows: list[dict[str, Any]], **options: Any) -> Manifest:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Manifest(path, SMALL, **options)


def until(run: BatchRun, *states: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while run.status().state not in states:
        assert time.monotonic() < end, run.status()
        time.sleep(0.02)


class Gate:
    """Lets one chunk through at a time."""

    def __init__(self) -> None:
        self.open = threading.Semaphore(0)

    def __call__(self, stop: threading.Event) -> None:
        while not self.open.acquire(timeout=0.02):
            if stop.is_set():
                return


def test_runs_to_the_end_and_packs_everything(manifest: Manifest, tmp_path: Path) -> None:
    run = BatchRun(manifest, tmp_path / "out", workers=1)
    assert run.status().state == "waiting"
    with pytest.raises(UserError, match="no row of the batch is finished"):
        run.archive(tmp_path / "early.zip")
    run.start()
    until(run, "done")
    status = run.status()
    assert (status.rows, status.done, status.failed, status.error) == (ROWS, ROWS, 0, None)
    assert {row.id for row in run.rows()} == {f"{n:06d}" for n in range(ROWS)}
    with zipfile.ZipFile(run.archive(tmp_path / "all.zip")) as file:
        names = set(file.namelist())
        assert {"results.jsonl", "sheet.png", "sheet-page2.png", *(f"{n:06d}-0.png" for n in range(ROWS))} == names
        lines = [json.loads(line) for line in file.read("results.jsonl").splitlines()]
    assert [line["line"] for line in lines] == list(range(1, ROWS + 1))
    assert not list(tmp_path.glob(".*.tmp"))
    run.close()


def test_paused_run_stays_paused_over_a_restart_and_makes_each_row_once(manifest: Manifest, tmp_path: Path) -> None:
    gate = Gate()
    run = BatchRun(manifest, tmp_path / "out", workers=1, give_way=gate)
    run.start()
    gate.open.release()
    while run.status().done == 0:
        time.sleep(0.02)
    run.pause(wait=True)
    made = run.status()
    assert made.state == "paused"
    assert 0 < made.done < ROWS
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}
    run.close()

    again = BatchRun(manifest, tmp_path / "out", workers=1)
    again.start()
    assert again.status().state == "paused"
    again.resume()
    again.start()
    until(again, "done")
    assert again.status().done == ROWS
    assert all((tmp_path / "out" / name).stat().st_mtime_ns == before for name, before in times.items())
    again.close()


def test_cancelled_run_keeps_what_is_made_and_never_goes_on(manifest: Manifest, tmp_path: Path) -> None:
    gate = Gate()
    run = BatchRun(manifest, tmp_path / "out", workers=1, give_way=gate)
    run.start()
    gate.open.release()
    while run.status().done == 0:
        time.sleep(0.02)
    run.cancel()
    done = run.status().done
    run.start()
    assert (run.status().state, run.status().done) == ("cancelled", done)
    assert len(list((tmp_path / "out").glob("*-0.png"))) == done < ROWS
    run.close()


def test_loaded_model_is_the_given_one_and_its_failure_is_told(manifest: Manifest, tmp_path: Path) -> None:
    asked: list[Request] = []

    def load(request: Request) -> Any:
        asked.append(request)
        raise UserError("no such model: name another")

    run = BatchRun(manifest, tmp_path / "out", workers=1, load=load)
    run.start()
    until(run, "stopped")
    assert run.status().error == "no such model: name another"
    assert len(asked) == 1
    run.close()
    working = BatchRun(manifest, tmp_path / "out", workers=1, load=load_generator)
    working.start()
    until(working, "done")
    working.close()


def test_failed_rows_are_tried_again(manifest: Manifest, tmp_path: Path) -> None:
    kept = (tmp_path / "red.png").read_bytes()
    run = BatchRun(manifest, tmp_path / "out", workers=1)
    (tmp_path / "red.png").write_bytes(kept[:40])
    run.start()
    until(run, "done")
    assert run.status().failed == ROWS // 2
    assert all("damaged" in (row.error or "") for row in run.rows() if not row.images)
    (tmp_path / "red.png").write_bytes(kept)
    run.retry_failed()
    until(run, "done")
    assert (run.status().done, run.status().failed) == (ROWS, 0)
    run.close()


def test_ended_run_holds_no_open_store_and_still_tells_everything(tmp_path: Path) -> None:
    manifest = write(tmp_path, [{"relation": "{subject} in a ring", "subject": "apple"}])
    run = BatchRun(manifest, tmp_path / "out", workers=1)
    run.start()
    until(run, "done")
    status = run.status()
    with pytest.raises(RunError, match="closed"):
        run._run.store.counts()
    assert [row.subject for row in run.rows()] == ["apple"]
    assert run.archive(tmp_path / "all.zip").is_file()
    run.pause()
    run.cancel()
    assert run.status() is status  # nothing was read again
    run.close()
    again = BatchRun(manifest, tmp_path / "out", workers=1)
    assert again.status() == status
    assert len(again.rows()) == 1
    again.close()


def test_what_another_process_changes_in_an_ended_run_is_seen(tmp_path: Path) -> None:
    manifest = write(tmp_path, [{"relation": "{subject} in a ring", "subject": "apple"}])
    run = BatchRun(manifest, tmp_path / "out", workers=1)
    run.cancel()
    assert run.status().state == "cancelled"
    with JobStore(tmp_path / "out" / STORE) as other:
        other.set_note("halted", "")
        with other.transaction() as base:
            base.execute("UPDATE jobs SET state = 'queued'")
    assert run.status().state == "waiting"
    run.start()
    until(run, "done")
    shutil.rmtree(tmp_path / "out")
    assert run.status().state == "done"
    assert not (tmp_path / "out").exists()
    with pytest.raises(RunError, match="was removed"):
        run.rows()
    run.close()


def test_manifest_takes_only_the_given_columns_and_files(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "red.png")

    def file_of(name: str) -> str:
        if name != "given.png":
            raise UserError(f"reference {name!r} was not uploaded")
        return "red.png"

    rows = [
        {"reference": "given.png", "subject": "apple"},
        {"reference": "/etc/hostname", "subject": "apple"},
        {"reference": ["given.png", "../red.png"], "subject": "apple"},
        {"reference": "given.png", "subject_image": "red.png"},
        {"reference": "given.png", "subject": "apple", "lora": ["secret.safetensors"]},
    ]
    columns = ("id", "reference", "subject", "subject_image")
    problems: list[Problem] = []
    with pytest.raises(UserError, match="line 2"):
        BatchRun(
            write(tmp_path, rows, columns=columns, file_of=file_of),
            tmp_path / "out",
            report_problem=problems.append,
        )
    assert [problem.line for problem in problems] == [2, 3, 4, 5]
    assert "unknown column 'lora'" in problems[-1].message
    assert not (tmp_path / "out" / "jobs.sqlite").exists()
    run = BatchRun(write(tmp_path, rows[:1], columns=columns, file_of=file_of), tmp_path / "out", workers=1)
    run.start()
    until(run, "done")
    assert run.status().done == 1
    run.close()
