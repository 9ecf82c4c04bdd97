"""The stages that every route shares, and the order in which one request goes through them.

prepare -> compose -> finish: `Generator` (mini) and `Painting` (big models) say what they are; the batch and the app
take many requests at once through the same three.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from analogen.conditioning import Conditioning
from analogen.types import Candidate, Request, Result

Progress = Callable[[str, int, int], None]
# What a candidate looks like so far: the numbers of its request and of itself, a small picture.
Preview = Callable[[int, int, Image.Image], None]


@dataclass
class Stopwatch:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started


@dataclass(frozen=True)
class Prepared:
    """A request whose files have been read. references: as large as they are needed."""

    request: Request
    references: tuple[Image.Image, ...]


@dataclass(frozen=True)
class Composed:
    """A request that only has to be finished. subject: the name of what is shown; notes: lines for the user."""

    request: Request
    conditioning: Conditioning
    subject: str
    notes: tuple[str, ...]


class Stages(ABC):
    """A model, loaded once, for any number of requests."""

    model: str

    def run(self, request: Request, progress: Progress | None = None) -> Result:
        """Make `request.candidates` pictures and rank them.

        The first `request.num_images` are drawn at the asked size; the others stay previews of PREVIEW_PX.
        Raises UserError for bad input.
        """
        watch = Stopwatch()
        (composed,) = self.compose([self.prepare(request, watch=watch)], progress, watch)
        candidates = tuple(self.finish(composed, progress, watch))
        seconds = {**watch.seconds, "total": sum(watch.seconds.values())}
        return self.result(composed, candidates, seconds)

    @abstractmethod
    def prepare(
        self, request: Request, images: dict[Path, Image.Image] | None = None, watch: Stopwatch | None = None
    ) -> Any:
        """Read the files of one request.

        images: pictures read so far, for requests that share theirs; new ones are added. Raises UserError for bad
        input.
        """

    @abstractmethod
    def understand(self, references: Sequence[Image.Image], words: str | None = None) -> Conditioning:
        """What would be kept of pictures, words or both."""

    @abstractmethod
    def compose(
        self,
        prepared: Sequence[Any],
        progress: Progress | None = None,
        watch: Stopwatch | None = None,
        preview: Preview | None = None,
    ) -> Sequence[Any]:
        """All candidates of all requests, whatever their references, in one pass.

        progress, preview: called between steps; what they raise ends the pass. A model that cannot say what becomes of
        its candidates calls no preview.
        Raises ValueError if the requests do not agree in what `Request.pass_settings` names.
        """

    @abstractmethod
    def finish(
        self, composed: Any, progress: Progress | None = None, watch: Stopwatch | None = None
    ) -> Iterator[Candidate]:
        """Score one request's candidates and give them, best first, each as it is asked for."""

    def result(self, composed: Composed, candidates: Sequence[Candidate], seconds: dict[str, float]) -> Result:
        """What is told of a request and of the candidates that `finish` has given."""
        return Result(
            self.model, composed.subject, composed.conditioning.found, tuple(candidates), composed.notes, seconds
        )


def check_one_pass(requests: Sequence[Request]) -> None:
    """Raises ValueError unless all can go through one pass."""
    settings = {request.pass_settings for request in requests}
    if len(settings) > 1:
        raise ValueError(f"requests of one pass must agree in steps and scales: {sorted(map(repr, settings))}")
