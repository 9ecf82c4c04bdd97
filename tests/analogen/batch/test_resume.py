"""Tests of interrupted batches with tiny models: a resumed run makes every row once, with the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from batch_runs import COLORS, SaveRecorder, contents, raising, results, run_batch

from analogen.batch import chunking
from analogen.batch import resume as batch
from analogen.batch.engines import local as engine
from analogen.batch.manifest import Manifest
from analogen.errors import RunError

pytestmark = pytest.mark.usefixtures("tiny_shipped")


def interrupt() -> None:
    """Send SIGINT, and wait until the main thread has received it."""
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(2)


@contextmanager
def signal_handler(signal_: signal.Signals, handler: Any = signal.default_int_handler) -> Iterator[None]:
    """Set the handler of a signal, because a script in the background starts the tests with SIGINT ignored."""
    before = signal.signal(signal_, handler)
    try:
        yield
    finally:
        signal.signal(signal_, before)


def test_resumed_run_equals_an_uninterrupted_one(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_batch(manifest, tmp_path / "uninterrupted")
    with monkeypatch.context() as patch, signal_handler(signal.SIGINT):
        saving = SaveRecorder(patch, {8: interrupt})
        assert run_batch(manifest, tmp_path / "out") == 130
    assert "rows are finished: the same command continues from there" in capsys.readouterr().err
    before = results(tmp_path / "out")
    assert 0 < len(before) < 12
    again = SaveRecorder(monkeypatch)
    assert run_batch(manifest, tmp_path / "out") == 0
    assert "continuing the run in the folder" in capsys.readouterr().err
    whole = {image["path"] for line in before for image in line["images"]}
    assert not whole & set(again.saved)
    assert whole <= set(saving.saved)
    assert contents(tmp_path / "out") == contents(tmp_path / "uninterrupted")


@pytest.mark.parametrize(
    ("signal_", "before"), [(signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)]
)
def test_signal_ends_the_run_keeps_finished_rows_and_restores_handlers(
    signal_: signal.Signals, before: Any, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = batch.Journal.record
    came: list[bool] = []

    def signalled(self: Any, *row: Any) -> bool:
        found = record(self, *row)
        if not came:
            came.append(True)
            signal.raise_signal(signal_)
        return found

    with signal_handler(signal_, before):
        with monkeypatch.context() as patch:
            # Slow enough that the first row is recorded long before the last one is drawn.
            SaveRecorder(patch, {number: lambda: time.sleep(0.1) for number in range(1, 19)})
            patch.setattr(batch.Journal, "record", signalled)
            assert run_batch(manifest, tmp_path / "out") == 130
        assert came
        assert 0 < len(results(tmp_path / "out")) < 12
        assert run_batch(manifest, tmp_path / "out") == 0
        assert len(results(tmp_path / "out")) == 12
        assert signal.getsignal(signal_) is before


def test_ignored_interruption_stays_ignored(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script starts its background processes with SIGINT ignored."""
    with signal_handler(signal.SIGINT, signal.SIG_IGN):
        SaveRecorder(monkeypatch, {1: lambda: os.kill(os.getpid(), signal.SIGINT)})
        assert run_batch(manifest, tmp_path / "out") == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_two_processes_share_a_run_and_make_no_picture_twice(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_batch(manifest, tmp_path / "uninterrupted")
    monkeypatch.setattr(chunking, "CHUNK_CANDIDATES", (4, 4))
    saving = SaveRecorder(monkeypatch)
    defaults = {"steps": 2, "candidates": 2, "width": 64, "height": 64}
    runs = [batch.open_run(Manifest(manifest, defaults), tmp_path / "out") for _ in range(2)]
    failures: list[BaseException] = []

    def work(one: batch.Run) -> None:
        try:
            engine.run_local(one, "cpu", 1)
            batch.close_run(one, sheet=False, seconds=0)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(one,)) for one in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    # Two threads loaded models at the same time; torch must create real weights again.
    assert torch.nn.Linear(1, 1).weight.device.type == "cpu"
    assert set(saving.saved.values()) == {1}
    assert sorted(saving.saved) == sorted(
        name for name in contents(tmp_path / "uninterrupted") if name.startswith("r") and "-" in name
    )
    assert len(results(tmp_path / "out")) == 12
    for one in runs:
        one.store.close()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("--steps", "3"), "was started with --steps 2, not 3"),
        (("--seed", "1"), "was started with --seed 0, not 1"),
        (("--no-metadata",), "was started with another --metadata"),
        (("--no-resume",), "holds a run already"),
    ],
)
def test_folder_of_another_run_is_refused(
    manifest: Path, tmp_path: Path, changed: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    batch.open_run(
        Manifest(manifest, {"steps": 2, "candidates": 2, "width": 64, "height": 64, "seed": 0} | _usual()),
        tmp_path / "out",
    ).store.close()
    assert run_batch(manifest, tmp_path / "out", *changed) == 2
    *notes, line = capsys.readouterr().err.splitlines()  # that an option was given again
    assert all("again" in note or "twice" in note or "times" in note for note in notes)
    assert message in line


def _usual() -> dict[str, Any]:
    """What the command line hands over where nothing is said."""
    return {"svg": False, "layout": False, "num_images": 1, "model": "mini", "relation_scale": 1.0, "dtype": "auto"}


def test_another_manifest_is_refused_and_nothing_is_touched(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_batch(manifest, tmp_path / "out")
    before = contents(tmp_path / "out")
    manifest.write_text(manifest.read_text() + "\n")
    capsys.readouterr()
    assert run_batch(manifest, tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds the run of another manifest" in line
    assert contents(tmp_path / "out") == before
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "results.jsonl").write_text("mine\n")
    assert run_batch(manifest, tmp_path / "foreign") == 2
    assert (tmp_path / "foreign" / "results.jsonl").read_text() == "mine\n"


def test_manifest_may_move_with_its_pictures(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        SaveRecorder(patch, {6: raising(RunError("the disk is full"))})
        assert run_batch(manifest, tmp_path / "out") == 1
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in (manifest, *(tmp_path / f"{color}.png" for color in COLORS)):
        shutil.move(path, moved / path.name)
    assert run_batch(moved / manifest.name, tmp_path / "out") == 0


def test_leftovers_of_a_killed_run_are_cleared(manifest: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    batch.open_run(Manifest(manifest), output).store.close()
    (output / ".0123456789abcdef.tmp").write_bytes(b"half a picture")
    (output / ".mine.tmp").write_bytes(b"not ours")
    (output / "results.jsonl").write_bytes(b'{"id":"r0","torn')
    batch.open_run(Manifest(manifest), output).store.close()
    assert not (output / ".0123456789abcdef.tmp").exists()
    assert (output / ".mine.tmp").exists()
    assert (output / "results.jsonl").read_bytes() == b""


def test_journal_is_rewritten_if_lines_are_missing(manifest: Path, tmp_path: Path) -> None:
    run_batch(manifest, tmp_path / "out")
    journal = tmp_path / "out" / "results.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:100])
    assert run_batch(manifest, tmp_path / "out") == 0
    assert journal.read_bytes() == whole
    journal.unlink()
    assert run_batch(manifest, tmp_path / "out") == 0
    assert journal.read_bytes() == whole


def test_row_that_another_process_took_over_is_recorded_once(manifest: Path, tmp_path: Path) -> None:
    one = batch.open_run(Manifest(manifest), tmp_path / "out")
    other = batch.open_run(Manifest(manifest), tmp_path / "out")
    (first, *_) = one.store.claim(batch.KIND)
    one.store.release()
    (taken, *_) = other.store.claim(batch.KIND)
    assert first.id == taken.id
    assert not one.journal.record(first, {"images": []}, None)
    assert other.journal.record(taken, {"images": []}, None)
    assert [line["id"] for line in results(tmp_path / "out")] == ["r0"]
    one.store.close()
    other.store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_run_that_is_killed_at_random_moments_equals_an_uninterrupted_one() -> None:
    recipe = Path(__file__).resolve().parents[3] / "recipes" / "check_batch_resume.py"
    options = ["--kills", "4", "--rows", "10", "--size", "64"]
    done = subprocess.run(
        [sys.executable, "-P", str(recipe), *options], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["kills"] >= 4
    assert report["faults"] == []
