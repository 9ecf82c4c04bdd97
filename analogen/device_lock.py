"""A big model by turns: the threads of a batch, and the studio's Create, Batch and pages, share one pipeline."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL.Image import Image

from analogen.models import find_model
from analogen.stages import Progress, Stages
from analogen.types import Candidate

POLL_SECONDS = 0.2


class OneAtATime(Stages):
    """Stages of which no two run at once, whatever thread calls: a diffusers pipeline keeps its schedule, an adapter
    its strength, and the device its choice of models while they work.

    Whoever waits tells so by its progress ("wait"), which may raise to give up.
    """

    def __init__(self, stages: Stages) -> None:
        self.model = stages.model
        self._stages, self._lock = stages, threading.Lock()

    @classmethod
    def where_needed(cls, stages: Stages, model: str) -> Stages:
        """The stages of a model for several threads. mini keeps nothing between its steps: its calls may run side by
        side, and somebody who waits for a single picture need not wait for a batch's."""
        return stages if find_model(model).is_mini or isinstance(stages, cls) else cls(stages)

    @contextmanager
    def _turn(self, progress: Progress | None = None) -> Iterator[None]:
        while not self._lock.acquire(timeout=POLL_SECONDS):
            if progress is not None:
                progress("wait", 0, 1)
        try:
            yield
        finally:
            self._lock.release()

    def prepare(self, request: Any, images: dict[Path, Image] | None = None, watch: Any = None) -> Any:
        """Reads files, and so waits for nobody."""
        return self._stages.prepare(request, images, watch)

    def understand(self, references: Sequence[Image], words: str | None = None) -> Any:
        with self._turn():
            return self._stages.understand(references, words)

    def compose(
        self, prepared: Sequence[Any], progress: Progress | None = None, watch: Any = None, preview: Any = None
    ) -> Sequence[Any]:
        with self._turn(progress):
            return self._stages.compose(prepared, progress, watch, preview)

    def finish(self, composed: Any, progress: Progress | None = None, watch: Any = None) -> Iterator[Candidate]:
        """A turn per candidate: what is saved in between keeps nobody waiting."""
        candidates = self._stages.finish(composed, progress, watch)
        while True:
            with self._turn(progress):
                candidate = next(candidates, None)
            if candidate is None:
                return
            yield candidate

    def result(self, composed: Any, candidates: Sequence[Candidate], seconds: dict[str, float]) -> Any:
        return self._stages.result(composed, candidates, seconds)
