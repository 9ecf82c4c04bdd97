"""Tests of whole batches with tiny models: every row becomes its pictures, failing rows, events and dry runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batch_runs import COLORS, SaveRecorder, contents, results, run_batch, write_manifest
from PIL import Image

from analogen import generator
from analogen.batch import resume as batch
from analogen.batch.jobs import JobStore
from analogen.batch.manifest import Manifest
from analogen.errors import UserError
from analogen.metadata import read_metadata

pytestmark = pytest.mark.usefixtures("tiny_shipped")


def test_every_row_becomes_its_pictures(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    assert run_batch(manifest, output) == 0
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
    assert run_batch(manifest, tmp_path / "a") == run_batch(manifest, tmp_path / "b", "--workers", "3") == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_row_makes_the_same_picture_in_a_batch_and_alone(manifest: Path, tmp_path: Path) -> None:
    run_batch(manifest, tmp_path / "all")
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    write_manifest(manifest, rows[3:4])
    run_batch(manifest, tmp_path / "one")
    for name in ("r3-0.png", "r3-1.png"):
        with Image.open(tmp_path / "all" / name) as in_batch, Image.open(tmp_path / "one" / name) as alone:
            difference = np.abs(np.asarray(in_batch, np.int16) - np.asarray(alone, np.int16))
        assert (difference > 8).mean() < 0.01
        assert read_metadata(tmp_path / "all" / name)["seed"] == read_metadata(tmp_path / "one" / name)["seed"]


def test_rows_with_other_settings_are_composed_separately(manifest: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows[1] |= {"steps": 3}
    rows[2] |= {"width": 80, "svg": True}
    rows[4] |= {"relation_scale": 0.5, "candidates": 40}
    write_manifest(manifest, rows)
    assert run_batch(manifest, tmp_path / "out") == 0
    with Image.open(tmp_path / "out" / "r2-0.png") as picture:
        assert picture.size == (80, 64)
    assert (tmp_path / "out" / "r2-0.svg").read_text().lstrip().startswith("<")
    with JobStore(tmp_path / "out" / batch.STORE) as store:
        groups = {job.payload["id"]: job.group for job in store.history()}
    assert len({groups["r0"], groups["r1"], groups["r2"], groups["r4"]}) == 4
    assert groups["r0"] == groups["r3"]


def test_failing_row_is_reported_and_the_others_are_made(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = (tmp_path / "navy.png").read_bytes()
    (tmp_path / "navy.png").write_bytes(good[:60])  # of rows 1, 6 and 11
    output = tmp_path / "out"
    assert run_batch(manifest, output) == 1
    out, err = capsys.readouterr()
    assert "analogen: 3 rows of 12 failed" in err.splitlines()[-1]
    assert "failed: line 2 (r1)" in out
    lines = {line["id"]: line for line in results(output)}
    assert [name for name, line in lines.items() if line["state"] == "failed"] == ["r1", "r6", "r11"]
    assert "navy.png: the picture is damaged or truncated" in lines["r6"]["error"]
    assert sum(len(line.get("images", [])) for line in lines.values()) == 18 - 5

    # The same command again makes nothing. Once the file is repaired, only the failed rows are made.
    saving = SaveRecorder(monkeypatch)
    assert run_batch(manifest, output) == 1
    assert not saving.saved
    (tmp_path / "navy.png").write_bytes(good)
    assert run_batch(manifest, output, "--retry-failed") == 0
    assert set(saving.saved) == {"r1-0.png", "r1-1.png", "r6-0.png", "r11-0.png", "r11-1.png"}
    assert [line["id"] for line in results(output)] == [f"r{n}" for n in range(12)]
    assert {line["state"] for line in results(output)} == {"done"}


def test_failing_chunk_is_tried_row_by_row(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compose = generator.Generator.compose

    def short_of_memory(self: Any, prepared: Any, *more: Any) -> Any:
        if len(prepared) > 1 or "olive" in str(prepared[0].request.references[0]):
            raise RuntimeError("out of memory,\nsay")
        return compose(self, prepared, *more)

    monkeypatch.setattr(generator.Generator, "compose", short_of_memory)
    assert run_batch(manifest, tmp_path / "out") == 1
    failed = [line for line in results(tmp_path / "out") if line["state"] == "failed"]
    assert [line["id"] for line in failed] == ["r2", "r7"]
    assert failed[0]["error"] == "RuntimeError: out of memory, say"


def test_events_are_json_lines(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_batch(manifest, tmp_path / "out", "--format", "json", "--no-sheet") == 0
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


def test_dry_run_prints_rows_pictures_and_time_and_writes_nothing(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_batch(manifest, tmp_path / "out", "--dry-run") == 0
    out, _ = capsys.readouterr()
    assert "12 rows, 18 pictures from 24 candidates" in out
    assert "about " in out
    assert not (tmp_path / "out").exists()
    run_batch(manifest, tmp_path / "out")
    before = contents(tmp_path / "out")
    capsys.readouterr()
    assert run_batch(manifest, tmp_path / "out", "--dry-run", "--format", "json") == 0
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


def test_unavailable_device_is_an_error_of_the_user(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_batch(manifest, tmp_path / "out", "--device", "cuda:77") == 2
    *_, line = capsys.readouterr().err.splitlines()  # before it, that --device was given again
    assert "--device" in line
    assert not (tmp_path / "out").exists()


def test_usage_errors_of_the_manifest_raise(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("reference,subject\n")
    with pytest.raises(UserError, match="holds no rows"):
        batch.open_run(Manifest(tmp_path / "rows.csv"), tmp_path / "out")
