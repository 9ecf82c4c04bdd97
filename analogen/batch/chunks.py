"""Rows that go through the stages together: what a worker of any engine does with a chunk of a batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from analogen.device_lock import OneAtATime
from analogen.errors import RunError, UserError
from analogen.loading import load_generator
from analogen.request_schema import request_from
from analogen.saving import save_candidate
from analogen.stages import Composed, Prepared, Stages
from analogen.types import Candidate, Request


class RunStopped(Exception):
    """The run is to end: leave the chunk where it is."""


class ChunkRow(NamedTuple):
    """One row of a chunk. job: its number in the store; values: as `request_from` takes them; wanted: still to make."""

    job: int
    id: str
    values: dict[str, Any]
    pending: bool


class RowOutcome(NamedTuple):
    """The end of one row: `result`, plain values for the journal, or the reason why there is none."""

    job: int
    result: dict[str, Any] | None
    error: str | None


@dataclass(frozen=True)
class RunLocation:
    """Where a run reads and writes. base: the folder that references start from."""

    base: Path
    output: Path
    device: str = "auto"
    metadata: bool = True


class ChunkProcessor:
    """Makes chunks. Generators are loaded by `load` when they are first asked for and shared by all threads."""

    def __init__(self, place: RunLocation, load: Callable[[Request], Stages] | None = None) -> None:
        self.place = place
        self._load = load
        self._generators: dict[tuple[object, ...], Stages] = {}
        self._loading = threading.Lock()

    def generator(self, request: Request) -> Stages:
        """The generator that a request asks for. Raises UserError for what cannot be had."""
        with self._loading:
            key = request.loaded_with
            if key not in self._generators:
                loaded = (self._load or load_generator)(request)
                self._generators[key] = OneAtATime.where_needed(loaded, request.model)
            return self._generators[key]

    def make(self, members: Sequence[ChunkRow], is_stopped: Callable[[], bool] = lambda: False) -> Iterator[RowOutcome]:
        """Take the rows through all stages; a row's outcome comes once its pictures are on disk.

        All rows are composed together, whether wanted or not: the numbers of a pass depend on its shape by some 1e-6,
        and so pictures made after an interruption equal those of an undisturbed run to the bit. A row that fails is
        told and left out. Raises RunError if a picture cannot be written, Stopped once `is_stopped` says so.
        """
        prepared: list[Prepared] = []
        owners: list[ChunkRow] = []
        images: dict[Path, Image.Image] = {}
        for member in members:
            self._check(is_stopped)
            try:
                request = request_from(member.values, self.place.base, self.place.device)
                prepared.append(self.generator(request).prepare(request, images))
                owners.append(member)
            except RunError:
                raise
            except Exception as error:
                yield from _failed(member, error)
        images.clear()
        for composed, member in zip(self._composed(prepared, is_stopped), owners, strict=True):
            self._check(is_stopped)
            if isinstance(composed, Exception):
                yield from _failed(member, composed)
            elif member.pending:
                try:
                    yield RowOutcome(member.job, self._finish(composed, member), None)
                except RunError:
                    raise
                except Exception as error:
                    yield from _failed(member, error)

    def _composed(self, prepared: list[Prepared], is_stopped: Callable[[], bool]) -> list[Composed | Exception]:
        def progress(stage: str, done: int, total: int) -> None:
            self._check(is_stopped)

        if not prepared:
            return []
        generator = self.generator(prepared[0].request)
        try:
            return list(generator.compose(prepared, progress))
        except (RunStopped, RunError):
            raise
        except Exception as error:
            if len(prepared) == 1:
                return [error]
            # Memory may not suffice for all at once, and one bad row must not take the others along.
            return [one for row in prepared for one in self._composed([row], is_stopped)]

    def _finish(self, composed: Composed, member: ChunkRow) -> dict[str, Any]:
        """Draw and save one row's pictures, each as soon as it exists. Returns its result in plain values."""
        request, generator = composed.request, self.generator(composed.request)
        told = generator.result(composed, (), {})
        kept: list[dict[str, Any]] = []
        for candidate in generator.finish(composed):
            if candidate.rank >= request.num_images:
                break
            path = self.place.output / f"{member.id}-{candidate.rank}.png"
            save_candidate(request, told, candidate, path, self.place.metadata, make_folder=False)
            kept.append(_image(path, candidate))
        return {
            "subject": told.subject,
            "relation": {"caption": told.relation.caption, "confidence": round(told.relation.confidence, 4)},
            "images": kept,
            **({"notes": list(told.notes)} if told.notes else {}),
        }

    @staticmethod
    def _check(is_stopped: Callable[[], bool]) -> None:
        if is_stopped():
            raise RunStopped


def _failed(member: ChunkRow, error: Exception) -> Iterator[RowOutcome]:
    if member.pending:
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        yield RowOutcome(member.job, None, " ".join(reason.split())[:1000])


def _image(path: Path, candidate: Candidate) -> dict[str, Any]:
    return {
        "path": path.name,
        "seed": candidate.seed,
        "rank": candidate.rank,
        "scores": candidate.scores.rounded(),
    }
