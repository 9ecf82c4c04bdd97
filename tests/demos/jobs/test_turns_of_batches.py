"""Promises of the studio's batches side by side: a short one does not wait behind a long one."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from studio_server import EXAMPLES

from analogen import Stages, load_generator

pytest.importorskip("gradio", reason='the studio needs Gradio: pip install "analogen[demo]"')

from analogen.demos.jobs.batches import Batches

pytestmark = pytest.mark.usefixtures("tiny_shipped")
SMALL = {"num_images": 1, "candidates": 1, "width": 64, "height": 64, "steps": 1}


def until(batches: Batches, name: str, *states: str) -> None:
    end = time.monotonic() + 120
    while batches.run(name).status().state not in states:
        assert time.monotonic() < end, batches.run(name).status()
        time.sleep(0.05)


def test_one_picture_does_not_wait_behind_a_long_batch(tmp_path: Path) -> None:
    references = [EXAMPLES / "ring_of_owls.png", EXAMPLES / "odd_duck.png"]
    gate = threading.Semaphore(0)
    loaded: list[Stages] = []

    def load(request: Any) -> Stages:
        loaded.extend([] if loaded else [load_generator(request)])
        return loaded[0]

    def one_chunk(stop: threading.Event) -> None:
        while not gate.acquire(timeout=0.02) and not stop.is_set():
            pass

    def add(paths: Sequence[Path], subjects: str) -> str:
        return batches.add(paths, subjects, SMALL)

    batches = Batches(tmp_path / "out", tmp_path / "zip", device="cpu", load=load, give_way=one_chunk)
    (tmp_path / "out").mkdir()
    batches.start()
    try:
        long = add(references, "\n".join(["apple", "bicycle", "teapot", "owl", "cat"] * 12))
        until(batches, long, "running")
        short = add(references[:1], "apple")
        assert (batches.ahead(short), batches.ahead(long)) == (0, 1)
        until(batches, short, "running")
        for _ in range(3):  # of the long one at most: it is before a chunk already
            gate.release()
        until(batches, short, "done")
        assert batches.run(long).status().state == "running"
        assert batches.run(long).status().done < 120
        gate.release(200)
        until(batches, long, "done")
    finally:
        batches.close()
