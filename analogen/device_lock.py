"""Lets several threads share one model: only one of them uses it at a time."""

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
    """Stages of which only one runs at a time, whatever thread calls.

    Needed for diffusers pipelines: a pipeline holds its schedule, an adapter its strength, and the device its loaded
    models while they work. A waiting thread calls its `progress` with "wait"; that may raise an exception to give up.
    """

    def __init__(self, stages: Stages) -> None:
        self.model = stages.model
        self._stages, self._lock = stages, threading.Lock()

    @classmethod
    def where_needed(cls, stages: Stages, model: str) -> Stages:
        """The stages of a model, locked if it needs a lock.

        mini needs none: it holds no state between its steps, so its calls may run side by side, and a single picture
        does not wait for a batch.
        """
        return stages if find_model(model).is_mini or isinstance(stages, cls) else cls(stages)

    @contextmanager
    def _locked(self, progress: Progress | None = None) -> Iterator[None]:
        while not self._lock.acquire(timeout=POLL_SECONDS):
            if progress is not None:
                progress("wait", 0, 1)
        try:
            yield
        finally:
            self._lock.release()

    def prepare(self, request: Any, images: dict[Path, Image] | None = None, watch: Any = None) -> Any:
        """Read the files of one request; this uses no model and needs no lock."""
        return self._stages.prepare(request, images, watch)

    def understand(self, references: Sequence[Image], words: str | None = None) -> Any:
        with self._locked():
            return self._stages.understand(references, words)

    def compose(
        self, prepared: Sequence[Any], progress: Progress | None = None, watch: Any = None, preview: Any = None
    ) -> Sequence[Any]:
        with self._locked(progress):
            return self._stages.compose(prepared, progress, watch, preview)

    def finish(self, composed: Any, progress: Progress | None = None, watch: Any = None) -> Iterator[Candidate]:
        """Hold the lock for one candidate at a time, so that saving a picture does not block other threads."""
        candidates = self._stages.finish(composed, progress, watch)
        while True:
            with self._locked(progress):
                candidate = next(candidates, None)
            if candidate is None:
                return
            yield candidate

    def result(self, composed: Any, candidates: Sequence[Candidate], seconds: dict[str, float]) -> Any:
        return self._stages.result(composed, candidates, seconds)
