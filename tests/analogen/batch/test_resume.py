"""Promises of a batch: every row once, every picture whole, whatever breaks; with tiny models."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from analogen import files, generator
from analogen.batch import chunking, chunks
from analogen.batch import resume as batch
from analogen.batch.engines import local as engine
from analogen.batch.jobs import JobStore
from analogen.batch.manifest import Manifest
from analogen.cli import main
from analogen.errors import RunError, UserError
from analogen.metadata import read_metadata

pytestmark = pytest.mark.usefixtures("tiny_shipped")

COLORS = ("red", "navy", "olive", "teal", "gold")
SMALL = ("--steps", "2", "--candidates", "2", "--width", "64", "--height", "64", "--device", "cpu", "--workers", "1")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Twelve rows with five references, one or two pictures each."""
    for number, color in enumerate(COLORS):
        values = np.asarray(Image.new("RGB", (40, 30), color)).copy()
        values[:: 2 + number] = 90
        Image.fromarray(values).save(tmp_path / f"{color}.png")
    rows = [
        {"id": f"r{n}", "reference": f"{COLORS[n % 5]}.png", "subject": "apple", "num_images": 1 + n % 2}
        for n in range(12)
    ]
    return write(tmp_path / "rows.jsonl", rows)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(manifest: Path, output: Path, *options: str) -> int:
    return main(["batch", str(manifest), "--output", str(output), *SMALL, *options])


def results(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "results.jsonl").read_text().splitlines()]


def contents(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.iterdir() if not path.name.startswith("jobs.sqlite")}


class Saving:
    """Counts the pictures saved, and does something instead of saving the one of a given number."""

    def __init__(self, patch: pytest.MonkeyPatch, instead: dict[int, Callable[[], None]] | None = None) -> None:
        self.saved: Counter[str] = Counter()
        self.instead = instead or {}
        self.calls = 0
        self._save = chunks.save_candidate
        patch.setattr(chunks, "save_candidate", self)

    def __call__(self, request: Any, result: Any, candidate: Any, path: Path, *more: Any, **options: Any) -> None:
        self.calls += 1
        if self.calls in self.instead:
            self.instead[self.calls]()
        self._save(request, result, candidate, path, *more, **options)
        self.saved[path.name] += 1


def interrupt() -> None:
    """Ctrl-C, and the time that the main thread may need to notice."""
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(2)


@contextmanager
def heard(signal_: signal.Signals, handler: Any = signal.default_int_handler) -> Iterator[None]:
    """With that handler, also where the tests were started in the background of a script, which ignores SIGINT."""
    before = signal.signal(signal_, handler)
    try:
        yield
    finally:
        signal.signal(signal_, before)


def raise_(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def test_every_row_becomes_its_pictures(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    assert run(manifest, output) == 0
    lines = results(output)
    assert [line["id"] for line in lines] == [f"r{n}" for n in range(12)]
    assert [line["line"] for line in lines] == list(range(1, 13))
    for number, line in enumerate(lines):
        assert line["state"] == "done"
        assert [image["path"] for image in line["images"]] == [
            f"r{number}-{rank}.png" for rank in range(1 + number % 2)
        ]
        for image in line["images"]:
            with Image.open(output / image["path"]) as picture:
                assert picture.size == (64, 64)
            record = read_metadata(output / image["path"])
            assert (record["seed"], record["rank"]) == (image["seed"], image["rank"])
            assert record["scores"] == image["scores"]
            assert record["references"][0]["name"] == f"{COLORS[number % 5]}.png"
    with Image.open(output / "sheet.png") as sheet:
        assert sheet.width > 6 * 256
    assert sorted(contents(output)) == sorted(
        ["results.jsonl", "sheet.png", *(image["path"] for line in lines for image in line["images"])]
    )
    out, _ = capsys.readouterr()
    assert "12 of 12 rows done" in out


def test_same_manifest_makes_the_same_bytes_whatever_the_number_of_workers(manifest: Path, tmp_path: Path) -> None:
    assert run(manifest, tmp_path / "a") == run(manifest, tmp_path / "b", "--workers", "3") == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_row_in_a_batch_is_the_picture_it_is_alone(manifest: Path, tmp_path: Path) -> None:
    run(manifest, tmp_path / "all")
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    write(manifest, rows[3:4])
    run(manifest, tmp_path / "one")
    for name in ("r3-0.png", "r3-1.png"):
        with Image.open(tmp_path / "all" / name) as among, Image.open(tmp_path / "one" / name) as alone:
            apart = np.abs(np.asarray(among, np.int16) - np.asarray(alone, np.int16))
        assert (apart > 8).mean() < 0.01
        assert read_metadata(tmp_path / "all" / name)["seed"] == read_metadata(tmp_path / "one" / name)["seed"]


def test_rows_of_other_settings_go_through_passes_of_their_own(manifest: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows[1] |= {"steps": 3}
    rows[2] |= {"width": 80, "svg": True}
    rows[4] |= {"relation_scale": 0.5, "candidates": 40}
    write(manifest, rows)
    assert run(manifest, tmp_path / "out") == 0
    with Image.open(tmp_path / "out" / "r2-0.png") as picture:
        assert picture.size == (80, 64)
    assert (tmp_path / "out" / "r2-0.svg").read_text().lstrip().startswith("<")
    with JobStore(tmp_path / "out" / batch.STORE) as store:
        groups = {job.payload["id"]: job.group for job in store.history()}
    assert len({groups["r0"], groups["r1"], groups["r2"], groups["r4"]}) == 4
    assert groups["r0"] == groups["r3"]


def test_failing_row_is_told_and_stops_nobody(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = (tmp_path / "navy.png").read_bytes()
    (tmp_path / "navy.png").write_bytes(good[:60])  # of rows 1, 6 and 11
    output = tmp_path / "out"
    assert run(manifest, output) == 1
    out, err = capsys.readouterr()
    assert "analogen: 3 rows of 12 failed" in err.splitlines()[-1]
    assert "failed: line 2 (r1)" in out
    lines = {line["id"]: line for line in results(output)}
    assert [name for name, line in lines.items() if line["state"] == "failed"] == ["r1", "r6", "r11"]
    assert "navy.png: the picture is damaged or truncated" in lines["r6"]["error"]
    assert sum(len(line.get("images", [])) for line in lines.values()) == 18 - 5

    # The same command again does nothing; once the file is whole, the failed rows alone are made.
    saving = Saving(monkeypatch)
    assert run(manifest, output) == 1
    assert not saving.saved
    (tmp_path / "navy.png").write_bytes(good)
    assert run(manifest, output, "--retry-failed") == 0
    assert set(saving.saved) == {"r1-0.png", "r1-1.png", "r6-0.png", "r11-0.png", "r11-1.png"}
    assert [line["id"] for line in results(output)] == [f"r{n}" for n in range(12)]
    assert {line["state"] for line in results(output)} == {"done"}


def test_pass_that_breaks_is_tried_row_by_row(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compose = generator.Generator.compose

    def short_of_memory(self: Any, prepared: Any, *more: Any) -> Any:
        if len(prepared) > 1 or "olive" in str(prepared[0].request.references[0]):
            raise RuntimeError("out of memory,\nsay")
        return compose(self, prepared, *more)

    monkeypatch.setattr(generator.Generator, "compose", short_of_memory)
    assert run(manifest, tmp_path / "out") == 1
    failed = [line for line in results(tmp_path / "out") if line["state"] == "failed"]
    assert [line["id"] for line in failed] == ["r2", "r7"]
    assert failed[0]["error"] == "RuntimeError: out of memory, say"


def test_interrupted_run_goes_on_and_ends_as_an_undisturbed_one(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(manifest, tmp_path / "calm")
    with monkeypatch.context() as patch, heard(signal.SIGINT):
        saving = Saving(patch, {8: interrupt})
        assert run(manifest, tmp_path / "out") == 130
    assert "rows are finished: the same command continues from there" in capsys.readouterr().err
    before = results(tmp_path / "out")
    assert 0 < len(before) < 12
    again = Saving(monkeypatch)
    assert run(manifest, tmp_path / "out") == 0
    assert "continuing the run in the folder" in capsys.readouterr().err
    whole = {image["path"] for line in before for image in line["images"]}
    assert not whole & set(again.saved)
    assert whole <= set(saving.saved)
    assert contents(tmp_path / "out") == contents(tmp_path / "calm")


@pytest.mark.parametrize(
    ("signal_", "before"), [(signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)]
)
def test_signal_ends_the_run_with_what_is_finished_kept_and_handlers_as_before(
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

    with heard(signal_, before):
        with monkeypatch.context() as patch:
            # So slow that the first row is long journalled before the last is drawn.
            Saving(patch, {number: lambda: time.sleep(0.1) for number in range(1, 19)})
            patch.setattr(batch.Journal, "record", signalled)
            assert run(manifest, tmp_path / "out") == 130
        assert came
        assert 0 < len(results(tmp_path / "out")) < 12
        assert run(manifest, tmp_path / "out") == 0
        assert len(results(tmp_path / "out")) == 12
        assert signal.getsignal(signal_) is before


def test_ignored_interruption_stays_ignored(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch in the background of a script is not meant by Ctrl-C."""
    with heard(signal.SIGINT, signal.SIG_IGN):
        Saving(monkeypatch, {1: lambda: os.kill(os.getpid(), signal.SIGINT)})
        assert run(manifest, tmp_path / "out") == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_two_processes_share_a_run_and_make_nothing_twice(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(manifest, tmp_path / "calm")
    monkeypatch.setattr(chunking, "CHUNK_CANDIDATES", (4, 4))
    saving = Saving(monkeypatch)
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
    # Loaded by two threads at once, and torch still makes what it is asked to.
    assert torch.nn.Linear(1, 1).weight.device.type == "cpu"
    assert set(saving.saved.values()) == {1}
    assert sorted(saving.saved) == sorted(
        name for name in contents(tmp_path / "calm") if name.startswith("r") and "-" in name
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
    assert run(manifest, tmp_path / "out", *changed) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def _usual() -> dict[str, Any]:
    """What the command line hands over where nothing is said."""
    return {"svg": False, "layout": False, "num_images": 1, "model": "mini", "relation_scale": 1.0, "dtype": "auto"}


def test_another_manifest_is_refused_and_nothing_is_touched(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(manifest, tmp_path / "out")
    before = contents(tmp_path / "out")
    manifest.write_text(manifest.read_text() + "\n")
    capsys.readouterr()
    assert run(manifest, tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds the run of another manifest" in line
    assert contents(tmp_path / "out") == before
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "results.jsonl").write_text("mine\n")
    assert run(manifest, tmp_path / "foreign") == 2
    assert (tmp_path / "foreign" / "results.jsonl").read_text() == "mine\n"


def test_manifest_may_move_with_its_pictures(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        Saving(patch, {6: raise_(RunError("the disk is full"))})
        assert run(manifest, tmp_path / "out") == 1
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in (manifest, *(tmp_path / f"{color}.png" for color in COLORS)):
        shutil.move(path, moved / path.name)
    assert run(moved / manifest.name, tmp_path / "out") == 0


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_disk_that_fails_ends_the_run_in_one_line_and_nothing_is_lost(
    manifest: Path, tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(manifest, tmp_path / "calm")
    capsys.readouterr()
    written = 0
    write_all = files._write_all

    def fails_after_a_while(descriptor: int, data: bytes) -> None:
        nonlocal written
        written += len(data)
        if written > 60_000:
            os.write(descriptor, data[: len(data) // 2])
            raise OSError(code, os.strerror(code))
        write_all(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(files, "_write_all", fails_after_a_while)
        assert run(manifest, tmp_path / "out") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written" in line
    expected = contents(tmp_path / "calm")
    for name, data in contents(tmp_path / "out").items():
        assert name == "results.jsonl" or data == expected[name]
    assert 0 < len(results(tmp_path / "out")) < 12
    assert run(manifest, tmp_path / "out") == 0
    assert contents(tmp_path / "out") == expected


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of a few hundred KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_really_full_disk_stops_cleanly_and_the_run_goes_on_once_there_is_room(
    manifest: Path, tmp_path: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(manifest, tmp_path / "calm")
    (small_disk / "ballast").write_bytes(bytes(200_000))
    capsys.readouterr()
    code = run(manifest, small_disk / "out")
    (line,) = capsys.readouterr().err.splitlines()
    assert code in (1, 2)
    assert "full" in line
    expected = contents(tmp_path / "calm")
    for name, data in contents(small_disk / "out").items() if (small_disk / "out").exists() else ():
        assert name == "results.jsonl" or data == expected[name]
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert run(manifest, small_disk / "out") == 0
    assert contents(small_disk / "out") == expected


def test_read_only_output_is_refused_before_anything_is_loaded(
    manifest: Path, small_disk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "load_generator", raise_(AssertionError("loaded")))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert run(manifest, small_disk / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written (read-only file system)" in line


def test_output_removed_during_the_run_ends_it_and_is_not_made_anew(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        Saving(patch, {5: lambda: shutil.rmtree(output)})
        assert run(manifest, output) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "was removed while it was in use" in line or "cannot be written (no such file or directory)" in line
    assert not output.exists()
    assert run(manifest, output) == 0
    assert len(results(output)) == 12


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


def test_journal_is_written_anew_if_lines_are_missing(manifest: Path, tmp_path: Path) -> None:
    run(manifest, tmp_path / "out")
    journal = tmp_path / "out" / "results.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:100])
    assert run(manifest, tmp_path / "out") == 0
    assert journal.read_bytes() == whole
    journal.unlink()
    assert run(manifest, tmp_path / "out") == 0
    assert journal.read_bytes() == whole


def test_events_are_json_lines(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(manifest, tmp_path / "out", "--format", "json", "--no-sheet") == 0
    out, err = capsys.readouterr()
    assert err == ""
    events = [json.loads(line) for line in out.splitlines()]
    assert events[0] == {"event": "start", "rows": 12, "pictures": 18, "resumed": False}
    ends = [event for event in events if event["event"] == "row"]
    assert sorted(event["id"] for event in ends) == sorted(f"r{n}" for n in range(12))
    progress = [event for event in events if event["event"] == "progress"]
    assert progress
    assert set(progress[0]) == {"event", "rows", "done", "failed", "pictures_per_second", "seconds_left"}
    assert (events[-1]["event"], events[-1]["done"], events[-1]["left"]) == ("end", 12, 0)
    assert not (tmp_path / "out" / "sheet.png").exists()


def test_dry_run_tells_rows_pictures_and_time_and_writes_nothing(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(manifest, tmp_path / "out", "--dry-run") == 0
    out, _ = capsys.readouterr()
    assert "12 rows, 18 pictures from 24 candidates" in out
    assert "about " in out
    assert not (tmp_path / "out").exists()
    run(manifest, tmp_path / "out")
    before = contents(tmp_path / "out")
    capsys.readouterr()
    assert run(manifest, tmp_path / "out", "--dry-run", "--format", "json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["event"], plan["rows"], plan["finished"], plan["seconds"]) == ("plan", 12, 12, 0)
    assert contents(tmp_path / "out") == before


def test_bad_manifest_is_refused_before_anything_heavy_is_imported(manifest: Path, tmp_path: Path) -> None:
    manifest.write_text(manifest.read_text() + '{"subject": "apple", "reference": "none.png"}\n')
    code = """
import sys
from analogen.cli import main
code = main(sys.argv[1:])
assert main(["batch", "--help"]) == 0
assert not {"torch", "diffusers", "transformers"} & set(sys.modules)
sys.exit(code)
"""
    command = [sys.executable, "-P", "-c", code, "batch", str(manifest), "--output", str(tmp_path / "out")]
    for more in ([], ["--dry-run"]):
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "rows.jsonl line 13:" in line
        assert "none.png: no such file" in line
    assert not (tmp_path / "out").exists()


def test_model_that_cannot_be_had_is_the_users_error(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(manifest, tmp_path / "out", "--device", "cuda:77") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--device" in line
    with JobStore(tmp_path / "out" / batch.STORE) as store:
        assert store.counts()["queued"] == 12


def test_row_that_another_process_took_over_is_told_once(manifest: Path, tmp_path: Path) -> None:
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


def test_usage_errors_of_the_manifest_raise(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("reference,subject\n")
    with pytest.raises(UserError, match="holds no rows"):
        batch.open_run(Manifest(tmp_path / "rows.csv"), tmp_path / "out")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_random_moments_a_run_ends_as_an_undisturbed_one() -> None:
    recipe = Path(__file__).resolve().parents[3] / "recipes" / "check_batch_resume.py"
    options = ["--kills", "4", "--rows", "10", "--size", "64"]
    done = subprocess.run(
        [sys.executable, "-P", str(recipe), *options], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["kills"] >= 4
    assert report["faults"] == []
