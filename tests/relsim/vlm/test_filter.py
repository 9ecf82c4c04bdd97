"""Promises of the image filter: folders with bad files finish, runs are taken up again, nothing is asked twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from analogen.cli import main
from analogen.relsim.picture_folders import picture_files
from analogen.relsim.vlm.filter import FilterResult, ImageFilter, load_filter
from analogen.relsim.vlm.filter_results import ResultsFile
from analogen.relsim.vlm.model import Vlm
from analogen.relsim.vlm.preprocessing import Preprocessing

BAD = {"03.png": "is empty", "08.jpg": "is not a picture", "13.png": "damaged or truncated", "18.png": "is empty"}


@pytest.fixture(scope="module")
def sieve(tiny_adapter_folder: Path) -> ImageFilter:
    return load_filter(tiny_adapter_folder, dtype="float32", preprocessing=Preprocessing(size=56))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty pictures, two of them in a folder within, four of them bad; and files that are none."""
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    for number in range(20):
        path = folder / ("deep" if number > 17 else "") / f"{number:02d}.{'jpg' if number == 8 else 'png'}"
        values = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(values).resize((60, 70)).save(path)
        if path.name in BAD:
            data = path.read_bytes()
            path.write_bytes({"03.png": b"", "08.jpg": b"hello", "13.png": data[:60], "18.png": b""}[path.name])
    (folder / "notes.txt").write_text("hello")
    (folder / ".hidden.png").write_text("hello")
    return folder


def run(capsys: pytest.CaptureFixture[str], expected: int, *arguments: object) -> tuple[dict[str, Any], str]:
    """JSON and stderr of `analogen filter`."""
    code = main(["filter", *map(str, arguments), "--device", "cpu", "--dtype", "float32", "--format", "json"])
    seen = capsys.readouterr()
    assert code == expected, seen.err
    return json.loads(seen.out) if seen.out else {}, seen.err


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_batch_equals_single(sieve: ImageFilter) -> None:
    pictures = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (50, 60, 3), np.uint8)) for n in range(5)]
    together = sieve.probabilities(pictures)
    assert together.dtype == np.float32
    assert ((together > 0) & (together < 1)).all()
    assert together.std() > 1e-4
    for batch_size in (1, 2):
        np.testing.assert_allclose(sieve.probabilities(pictures, batch_size), together, rtol=1e-3)
    assert sieve.probabilities([]).shape == (0,)


def test_good_pictures_finish_and_bad_ones_are_named(sieve: ImageFilter, folder: Path) -> None:
    paths = picture_files(folder)
    assert len(paths) == 20
    found = [row for batch in sieve.judge_files(paths, batch_size=3) for row in batch]
    assert sorted(row.path for row in found) == sorted(map(str, paths))
    reasons = {Path(row.path).name: row.reason for row in found if row.probability is None}
    assert reasons.keys() == BAD.keys()
    assert all(BAD[name] in reason for name, reason in reasons.items())
    good = [row for row in found if row.probability is not None]
    expected = sieve.probabilities([row.path for row in good])
    np.testing.assert_allclose([row.probability for row in good], expected, rtol=1e-3)


def test_nothing_but_bad_pictures_are_all_named(sieve: ImageFilter, tmp_path: Path) -> None:
    found = list(sieve.judge_files([tmp_path / "a.png", tmp_path / "b.png"]))
    assert [[row.probability for row in batch] for batch in found] == [[None, None]]


def test_picture_too_big_for_memory_is_named(sieve: ImageFilter, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scarce(self: Vlm, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Vlm, "next_token_logits", scarce)
    found = [row for batch in sieve.judge_files([folder / "00.png"]) for row in batch]
    assert found == [FilterResult(str(folder / "00.png"), None, "not enough memory for it, even alone: shrink it")]


# On the command line


def test_folder_is_split_at_the_threshold_and_the_exit_code_tells_of_bad_files(
    folder: Path, tiny_adapter_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    answer, errors = run(capsys, 2, folder, "--filter", tiny_adapter_folder, "--threshold", 0.5)
    assert list(answer) == ["filter", "threshold", "kept", "dropped", "refused"]
    assert all(row["probability"] >= 0.5 for row in answer["kept"])
    assert all(row["probability"] <= 0.5 for row in answer["dropped"])
    assert len(answer["kept"]) + len(answer["dropped"]) == 16
    assert [Path(row["path"]).name for row in answer["refused"]] == list(BAD)
    assert all(name in errors for name in BAD)
    assert sorted(folder.rglob("*")) == before
    for name in BAD:
        next(folder.rglob(name)).unlink()
    answer, _ = run(capsys, 0, folder, "--filter", tiny_adapter_folder, "--threshold", 0)
    assert (len(answer["kept"]), answer["dropped"], answer["refused"]) == (16, [], [])
    assert (
        main(["filter", str(folder), "--filter", str(tiny_adapter_folder), "--device", "cpu", "--threshold", "1"]) == 0
    )
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == 16
    assert all(line.startswith("dropped  0.") for line in listed)


def test_interrupted_run_continues_where_it_stopped(
    folder: Path,
    tiny_adapter_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, _ = run(capsys, 2, folder, "--filter", tiny_adapter_folder, "--output", tmp_path / "whole.jsonl")
    asked: list[int] = []
    really = Vlm.next_token_logits

    def count(self: Vlm, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        asked.append(len(inputs["input_ids"]))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return really(self, inputs)

    monkeypatch.setattr(Vlm, "next_token_logits", count)
    out = tmp_path / "new" / "found.jsonl"
    arguments = (folder, "--filter", tiny_adapter_folder, "--output", out, "--batch-size", 4)
    run(capsys, 130, *arguments)
    assert len([row for row in lines_of(out) if "probability" in row]) == 8
    out.write_text(out.read_text() + '{"path": "cut sh')
    again, errors = run(capsys, 2, *arguments)
    assert sum(asked) == 4 + 4 + 4 + 8
    assert "8 of 20 pictures are in" in errors
    for key in ("kept", "dropped"):
        assert [row["path"] for row in again[key]] == [row["path"] for row in whole[key]]
    found = lines_of(out)
    assert sorted(row["path"] for row in found) == sorted(map(str, picture_files(folder)))
    assert len([row for row in found if "reason" in row]) == 4
    finished = len(asked)
    answer, _ = run(capsys, 2, *arguments, "--threshold", 0)
    assert len(asked) == finished
    assert len(answer["kept"]) == 16
    assert all(row["kept"] for row in lines_of(out) if "probability" in row)


def test_finished_run_loads_nothing(
    folder: Path,
    tiny_adapter_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in BAD:
        next(folder.rglob(name)).unlink()
    arguments = (folder, "--filter", tiny_adapter_folder, "--output", tmp_path / "found.jsonl")
    first, _ = run(capsys, 0, *arguments)

    def fail(*_: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("analogen.relsim.vlm.filter.load_filter", fail)
    assert run(capsys, 0, *arguments)[0] == first


def test_file_of_another_filter_or_kind_is_left_alone(
    folder: Path, tiny_adapter_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.jsonl"
    ResultsFile(out, "other", 0.5).add([FilterResult("a.png", 0.5)])
    before = out.read_text()
    _, errors = run(capsys, 2, folder, "--filter", tiny_adapter_folder, "--output", out)
    assert "was made with the filter 'other'" in errors
    assert out.read_text() == before
    out.write_text('{"caption": "mine"}\n')
    _, errors = run(capsys, 2, folder, "--filter", tiny_adapter_folder, "--output", out)
    assert "line 1: is not what a filter writes" in errors
    assert out.read_text() == '{"caption": "mine"}\n'


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["none"], "none: no such folder"),
        (["a.png"], "a.png: is no folder"),
        (["empty"], "empty: is a folder that holds no pictures"),
        (["pictures", "--threshold", "1.5"], "the threshold is 1.5"),
        (["pictures", "--threshold", "nan"], "the threshold is nan"),
        (["pictures", "--batch-size", "0"], "--batch-size is 0"),
        (["pictures", "--filter", "nothing"], "filter 'nothing': no such folder and no hub id"),
        (["pictures", "--output", "empty"], "empty: is a folder"),
        (["pictures", "--output", "a.png/found.jsonl"], "cannot be written"),
        (["pictures"], "Qwen/Qwen2.5-VL-7B-Instruct: no such folder here, and as a hub id not wholly in the cache"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(
    arguments: list[str],
    expected: str,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("a.png")
    Path("empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    _, errors = run(capsys, 2, *arguments)
    assert expected in errors
    assert len(errors.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_full_disk_is_one_line_and_keeps_what_is_found(
    folder: Path,
    tiny_adapter_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(self: ResultsFile, batch: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ResultsFile, "add", full)
    _, errors = run(capsys, 1, folder, "--filter", tiny_adapter_folder, "--output", tmp_path / "found.jsonl")
    assert "no space left on device" in errors
