"""The interface of all generators, prepare -> compose -> finish, and the order of these stages.

`Generator` (mini) and `DiffusionGenerator` implement them; batches and the studio take many requests at once through
the same three.
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
from analogen.types import Candidate, MadeScene, Request, Result

# Called with the name of a stage, the steps done and all its steps.
Progress = Callable[[str, int, int], None]
# Called with the numbers of a request and of its candidate, and a small picture of the candidate so far.
Preview = Callable[[int, int, Image.Image], None]


@dataclass
class Stopwatch:
    """Measures the seconds of each stage: `with watch("encode"): ...`."""

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
    """A request whose references have been read.

    references: reduced to the size that is needed. made: the scene of a request with `becomes`.
    """

    request: Request
    references: tuple[Image.Image, ...]
    made: MadeScene | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Composed:
    """A request whose candidates have been composed. subject: the name of what is shown. notes: lines for the user.
    made: the scene of a request with `becomes`."""

    request: Request
    conditioning: Conditioning
    subject: str
    notes: tuple[str, ...]
    made: MadeScene | None = field(default=None, kw_only=True)


class Stages(ABC):
    """A generator: a model that is loaded once and serves any number of requests."""

    model: str

    def run(self, request: Request, progress: Progress | None = None) -> Result:
        """Make `request.candidates` pictures and rank them.

        The first `request.num_images` are drawn at the requested size, the others stay small previews.
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

        images: the pictures that earlier requests have read, by path; new ones are added. Raises UserError for bad
        input.
        """

    @abstractmethod
    def understand(self, references: Sequence[Image.Image], words: str | None = None) -> Conditioning:
        """Embed pictures, words or both as the relation that a request with them would keep."""

    @abstractmethod
    def compose(
        self,
        prepared: Sequence[Any],
        progress: Progress | None = None,
        watch: Stopwatch | None = None,
        preview: Preview | None = None,
    ) -> Sequence[Any]:
        """Compose all candidates of all requests in one sampling pass.

        Each request may have references of its own. progress, preview: called between steps; an exception that they
        raise ends the pass. A model that cannot show unfinished candidates does not call preview.
        Raises ValueError if the requests do not agree in `Request.pass_settings`.
        """

    @abstractmethod
    def finish(
        self, composed: Any, progress: Progress | None = None, watch: Stopwatch | None = None
    ) -> Iterator[Candidate]:
        """Score the candidates of one request. Yields them best first; each is finished when it is asked for."""

    def result(self, composed: Composed, candidates: Sequence[Candidate], seconds: dict[str, float]) -> Result:
        """The result of a request, from the candidates that `finish` has yielded."""
        return Result(
            self.model, composed.subject, composed.conditioning.found, tuple(candidates), composed.notes, seconds,
            composed.made,
        )  # fmt: skip


def check_one_pass(requests: Sequence[Request]) -> None:
    """Raises ValueError unless all requests can share one sampling pass."""
    settings = {request.pass_settings for request in requests}
    if len(settings) > 1:
        raise ValueError(f"requests of one pass must agree in steps and scales: {sorted(map(repr, settings))}")
