"""Tests of the device lock in the studio: Create and Batch never run one diffusion pipeline at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from studio_server import EXAMPLES

import analogen
from analogen import Generator, OneAtATime, Stages

pytest.importorskip("gradio", reason='the studio needs Gradio: pip install "analogen[demo]"')

from analogen.demos.jobs import create
from analogen.demos.jobs.batches import Batches
from analogen.demos.studio import CREATE, Studio

OWLS = EXAMPLES / "ring_of_owls.png"


class RecordingStages(Stages):
    """Mini, which records when two threads are inside it, as a diffusers pipeline must never have."""

    def __init__(self, inner: Stages) -> None:
        self.model, self._inner = inner.model, inner
        self.composed = self.inside = 0
        self.overlaps: list[str] = []

    def _enter(self, what: str) -> None:
        self.inside += 1
        time.sleep(0.05)  # long enough for another thread to enter
        if self.inside > 1:
            self.overlaps.append(what)

    def prepare(self, *given: Any, **named: Any) -> Any:
        return self._inner.prepare(*given, **named)

    def understand(self, references: Sequence[Any], words: str | None = None) -> Any:
        self._enter("understand")
        try:
            return self._inner.understand(references, words)
        finally:
            self.inside -= 1

    def compose(self, *given: Any, **named: Any) -> Any:
        self._enter("compose")
        self.composed += 1
        try:
            return self._inner.compose(*given, **named)
        finally:
            self.inside -= 1

    def finish(self, *given: Any, **named: Any) -> Iterator[Any]:
        for candidate in self._inner.finish(*given, **named):
            self._enter("finish")
            self.inside -= 1
            yield candidate


@pytest.fixture(scope="module")
def mini() -> Stages:
    return Generator("mini", "cpu")


def test_create_batch_and_page_never_use_a_big_model_at_once(
    tmp_path: Path, mini: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = RecordingStages(mini)
    monkeypatch.setattr(analogen, "load_generator", lambda request: model, raising=False)
    studio = Studio(tmp_path / "studio", model="sd15", device="cpu")
    studio.handlers[CREATE] = partial(create.create_pictures, studio)
    small = {"num_images": 1, "candidates": 1, "width": 64, "height": 64, "steps": 2, "seed": 1}
    batches = Batches(
        studio.output, studio.files.downloads, {"model": "sd15"}, {}, "cpu", load=lambda request: studio.stages()
    )  # without give_way: both run at full speed
    studio.start()
    batches.start()
    try:
        reference = studio.files.save_reference(OWLS)
        name = batches.add([OWLS], "\n".join(("kite", "key", "car", "cat", "frog", "tree")), small)
        runs = [studio.submit(small, [reference], [subject]) for subject in ("bicycle", "teapot", "apple")]
        end = time.monotonic() + 60
        while not all(studio.status(run).ended for run in runs) or batches.run(name).status().state != "done":
            studio.understand([reference])
            assert time.monotonic() < end, (batches.run(name).status(), [studio.status(run) for run in runs])
        assert {studio.status(run).state for run in runs} == {"done"}
        assert batches.run(name).status().done == 6
    finally:
        batches.close()
        studio.close()
    assert model.composed >= 4
    assert model.overlaps == []


def test_a_thread_that_waits_for_the_lock_can_give_up() -> None:
    entered, finish = threading.Event(), threading.Event()

    class SlowStages(RecordingStages):
        def compose(self, *given: Any, **named: Any) -> Any:
            entered.set()
            finish.wait(30)
            return []

    class GivenUp(Exception):
        pass

    def give_up(stage: str, done: int, total: int) -> None:
        assert stage == "wait"
        raise GivenUp

    model = OneAtATime(SlowStages(NoStages()))
    worker = threading.Thread(target=model.compose, args=([],), daemon=True)
    worker.start()
    assert entered.wait(10)
    with pytest.raises(GivenUp):
        model.compose([], give_up)
    finish.set()
    worker.join(10)
    assert model.compose([], give_up) == [], "the lock is free again"


class NoStages(Stages):
    """A model that does nothing."""

    model = "none"

    def prepare(self, *given: Any, **named: Any) -> Any: ...

    def understand(self, *given: Any, **named: Any) -> Any: ...

    def compose(self, *given: Any, **named: Any) -> Any: ...

    def finish(self, *given: Any, **named: Any) -> Iterator[Any]:
        yield from ()
