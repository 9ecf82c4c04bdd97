"""Tests of batches on a disk that fails, is full or read-only: one line, nothing is lost, and the run resumes."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_runs import SaveRecorder, contents, raising, results, run_batch

from analogen import files
from analogen.batch import chunk_processor

pytestmark = pytest.mark.usefixtures("tiny_shipped")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_write_error_ends_the_run_in_one_line_and_nothing_is_lost(
    manifest: Path, tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_batch(manifest, tmp_path / "uninterrupted")
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
        assert run_batch(manifest, tmp_path / "out") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written" in line
    expected = contents(tmp_path / "uninterrupted")
    for name, data in contents(tmp_path / "out").items():
        assert name == "results.jsonl" or data == expected[name]
    assert 0 < len(results(tmp_path / "out")) < 12
    assert run_batch(manifest, tmp_path / "out") == 0
    assert contents(tmp_path / "out") == expected


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 400 KiB."""
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(mount_point)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield mount_point
    subprocess.run(["umount", "-l", str(mount_point)], check=True)


def test_full_disk_stops_the_run_which_resumes_once_there_is_space(
    manifest: Path, tmp_path: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_batch(manifest, tmp_path / "uninterrupted")
    (small_disk / "filler").write_bytes(bytes(200_000))
    capsys.readouterr()
    code = run_batch(manifest, small_disk / "out")
    (line,) = capsys.readouterr().err.splitlines()
    assert code in (1, 2)
    assert "full" in line
    expected = contents(tmp_path / "uninterrupted")
    for name, data in contents(small_disk / "out").items() if (small_disk / "out").exists() else ():
        assert name == "results.jsonl" or data == expected[name]
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert run_batch(manifest, small_disk / "out") == 0
    assert contents(small_disk / "out") == expected


def test_read_only_output_is_refused_before_anything_is_loaded(
    manifest: Path, small_disk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_processor, "load_generator", raising(AssertionError("loaded")))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert run_batch(manifest, small_disk / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written (read-only file system)" in line


def test_removed_output_ends_the_run_and_is_not_created_again(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        SaveRecorder(patch, {5: lambda: shutil.rmtree(output)})
        assert run_batch(manifest, output) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "was removed while it was in use" in line or "cannot be written (no such file or directory)" in line
    assert not output.exists()
    assert run_batch(manifest, output) == 0
    assert len(results(output)) == 12
