"""Promises of taking turns in a batch: threads share a big model, and never enter it at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from analogen import Candidate, OneAtATime, Scores, Stages
from analogen.batch.chunk_processor import ChunkProcessor, ChunkRow, RunLocation
from analogen.conditioning import Conditioning
from analogen.stages import Composed, Prepared
from analogen.types import FoundRelation


class Fragile(Stages):
    """No model, but like a diffusers pipeline it must not be entered twice."""

    model = "sd15"

    def __init__(self) -> None:
        self.inside = self.calls = 0
        self.overlaps: list[str] = []

    def _work(self, what: str) -> None:
        self.inside += 1
        self.calls += 1
        time.sleep(0.02)  # long enough for another thread to come
        if self.inside > 1:
            self.overlaps.append(what)
        self.inside -= 1

    def prepare(self, request: Any, images: Any = None, watch: Any = None) -> Prepared:
        return Prepared(request, ())

    def understand(self, references: Any, words: str | None = None) -> Any: ...

    def compose(self, prepared: Any, progress: Any = None, watch: Any = None, preview: Any = None) -> list[Composed]:
        self._work("compose")
        found = Conditioning(None, FoundRelation("{subject} in a ring", 1.0), None, ())  # type: ignore[arg-type]
        return [Composed(one.request, found, one.request.subject, ()) for one in prepared]

    def finish(self, composed: Composed, progress: Any = None, watch: Any = None) -> Iterator[Candidate]:
        self._work("finish")
        yield Candidate(Image.new("RGB", (64, 64)), composed.request.seed, Scores(0, 0, 0, 0), 0)


@pytest.mark.parametrize("wrapped", [False, True], ids=["as it is loaded", "wrapped by who loads it"])
def test_threads_of_a_batch_never_enter_a_big_model_at_once(tmp_path: Path, wrapped: bool) -> None:
    fragile = Fragile()
    processor = ChunkProcessor(
        RunLocation(tmp_path, tmp_path, "cpu"), lambda request: OneAtATime(fragile) if wrapped else fragile
    )
    values = {"model": "sd15", "relation": "{subject} in a ring", "subject": "cat", "seed": 1, "candidates": 1}
    failed: list[str] = []

    def work(first: int) -> None:
        for number in range(first, first + 5):
            (end,) = processor.process([ChunkRow(number, f"row{number}", values, True)])
            if end.error is not None:
                failed.append(end.error)

    threads = [threading.Thread(target=work, args=(10 * n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert len(list(tmp_path.glob("*.png"))) == 15
    assert fragile.calls == 30
    assert fragile.overlaps == []
