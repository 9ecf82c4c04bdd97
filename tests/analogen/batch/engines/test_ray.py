"""Promises of `--engine ray`, on a real local cluster with the shipped models at small size."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from analogen.batch import chunking
from analogen.batch import resume as batch
from analogen.batch.chunk_processor import ChunkRow, RunLocation
from analogen.batch.engines import ray as engine_ray
from analogen.batch.engines.local import run_local
from analogen.batch.engines.ray import Worker, run_on_ray
from analogen.batch.manifest import Manifest
from analogen.cli import main
from analogen.errors import RunError, UserError

DEFAULTS = {"steps": 1, "candidates": 2, "width": 64, "height": 64}
EXAMPLES = sorted((Path(__file__).resolve().parents[4] / "examples").glob("*.png"))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rows = [
        {"id": f"r{n}", "reference": str(EXAMPLES[n % len(EXAMPLES)]), "subject": "apple", "seed": n} for n in range(8)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def cluster() -> Any:
    """Two worker slots on this machine. As small as Ray allows: its own processes share the cores with the tests."""
    ray = pytest.importorskip("ray")
    with contextlib.chdir(sys.prefix):  # as the engine does
        ray.init(
            address="local", num_cpus=2, num_gpus=0, log_to_driver=False, include_dashboard=False,
            object_store_memory=80 * 2**20, runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}},
        )  # fmt: skip
    yield ray
    ray.shutdown()


def workers() -> list[int]:
    """Processes of the pool, which Ray names after the class."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"ray::MapWorker" in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith("jobs.sqlite")}


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
def test_worker_that_is_killed_costs_its_chunk_only(
    cluster: Any, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunking, "CHUNK_CANDIDATES", (4, 4))  # four chunks
    events: list[dict[str, Any]] = []
    killed: list[int] = []

    def watch(event: dict[str, Any]) -> None:
        events.append(event)
        if event["event"] == "row" and not killed:
            killed.append(workers()[0])
            os.kill(killed[0], signal.SIGKILL)

    one = batch.open_run(Manifest(manifest, DEFAULTS), tmp_path / "ray")
    with one.store:
        run_on_ray(one, None, "cpu", 2, watch)
        end = batch.close_run(one, sheet=False, seconds=0)
    assert killed
    assert (end["done"], end["failed"], end["left"]) == (8, 0, 0)
    assert sorted(event["id"] for event in events if event["event"] == "row") == [f"r{n}" for n in range(8)]

    calm = batch.open_run(Manifest(manifest, DEFAULTS), tmp_path / "calm")
    with calm.store:
        run_local(calm, "cpu", 2)  # one core a worker, as the pool has: bytes are equal for equal numbers of threads
        batch.close_run(calm, sheet=False, seconds=0)
    assert contents(tmp_path / "ray") == contents(tmp_path / "calm")


def test_cluster_that_does_not_answer_is_told_in_one_line(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")

    def refuses(**_: Any) -> None:
        raise ConnectionError("Failed to connect to Ray\nat 10.0.0.9:6379")

    monkeypatch.setattr(ray, "init", refuses)
    command = ["batch", str(manifest), "--output", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*command, "--engine", "ray", "--address", "10.0.0.9:6379"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--address 10.0.0.9:6379: no Ray cluster answers there" in line
    assert main([*command, "--address", "10.0.0.9:6379"]) == 2
    assert "add --engine ray" in capsys.readouterr().err


def test_ray_is_asked_for_by_name_where_it_is_missing(manifest: Path, tmp_path: Path) -> None:
    code = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "ray" else find(name, *more)
from analogen.cli import main
sys.exit(main(sys.argv[1:]))
"""
    command = [sys.executable, "-P", "-c", code, "batch", str(manifest), "--output", str(tmp_path / "o")]
    done = subprocess.run([*command, "--engine", "ray"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'pip install "analogen[ray]"' in done.stderr


def test_broken_disk_under_a_worker_ends_the_run(tmp_path: Path) -> None:
    place = {"base": str(tmp_path), "output": str(tmp_path / "out"), "device": "cpu", "metadata": True}
    (tmp_path / "out").mkdir()
    worker = Worker(json.dumps(place))
    assert worker.location == RunLocation(tmp_path, tmp_path / "out", "cpu", True)

    def full(members: list[ChunkRow]) -> None:
        raise RunError("out/r0-0.png: cannot be written (no space left on device): free some space")

    worker.processor.process = full  # type: ignore[method-assign, assignment]
    chunk = {"chunk": [json.dumps([ChunkRow(1, "r0", {}, True)._asdict()])]}
    (answer,) = worker(chunk)
    with pytest.raises(RunError, match=r"r0-0.png: cannot be written \(no space left on device\): free some space"):
        engine_ray._outcomes(answer["outcomes"][0])

    # A folder that the worker does not see.
    (tmp_path / "out").rmdir()
    (answer,) = worker(chunk)
    with pytest.raises(UserError, match=r"is not seen by the Ray worker on .*: put --output .* that all machines"):
        engine_ray._outcomes(answer["outcomes"][0])
