"""Processes chunks: rows of a batch that go through the stages together. All engines use it."""

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
    """Raised to leave a chunk unfinished, because the run is being stopped."""


class ChunkRow(NamedTuple):
    """One row of a chunk.

    job: its id in the job store. values: for `request_from`. pending: whether its pictures still have to be made.
    """

    job: int
    id: str
    values: dict[str, Any]
    pending: bool


class RowOutcome(NamedTuple):
    """The result of one row as plain values for the journal, or the error why there is none."""

    job: int
    result: dict[str, Any] | None
    error: str | None


@dataclass(frozen=True)
class RunLocation:
    """Where a run reads and writes, and on which device. base: the folder of relative references."""

    base: Path
    output: Path
    device: str = "auto"
    metadata: bool = True


class ChunkProcessor:
    """Takes chunks through the stages. Generators are loaded by `load` when first needed; threads share them."""

    def __init__(self, location: RunLocation, load: Callable[[Request], Stages] | None = None) -> None:
        self.location = location
        self._load = load
        self._generators: dict[tuple[object, ...], Stages] = {}
        self._loading = threading.Lock()

    def generator(self, request: Request) -> Stages:
        """The generator for a request. Raises UserError if it cannot be loaded."""
        with self._loading:
            key = request.loaded_with
            if key not in self._generators:
                loaded = (self._load or load_generator)(request)
                self._generators[key] = OneAtATime.where_needed(loaded, request.model)
            return self._generators[key]

    def process(self, rows: Sequence[ChunkRow], is_stopped: Callable[[], bool] = lambda: False) -> Iterator[RowOutcome]:
        """Take the rows through all stages; yields the outcome of a row when its pictures are on disk.

        All rows are composed together, pending or not: numbers depend on the shape of the pass by about 1e-6, and this
        way the pictures made after an interruption equal those of an undisturbed run to the bit. A row that fails gets
        an outcome with its error. Raises RunError if a picture cannot be written, RunStopped when `is_stopped` returns
        True.
        """
        prepared: list[Prepared] = []
        prepared_rows: list[ChunkRow] = []
        images: dict[Path, Image.Image] = {}
        for row in rows:
            self._check(is_stopped)
            try:
                request = request_from(row.values, self.location.base, self.location.device)
                prepared.append(self.generator(request).prepare(request, images))
                prepared_rows.append(row)
            except RunError:
                raise
            except Exception as error:
                yield from _failed(row, error)
        images.clear()
        for composed, row in zip(self._composed(prepared, is_stopped), prepared_rows, strict=True):
            self._check(is_stopped)
            if isinstance(composed, Exception):
                yield from _failed(row, composed)
            elif row.pending:
                try:
                    yield RowOutcome(row.job, self._finish(composed, row), None)
                except RunError:
                    raise
                except Exception as error:
                    yield from _failed(row, error)

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
            # Memory may be too small for all rows at once, and one bad row must not stop the others.
            return [one for request in prepared for one in self._composed([request], is_stopped)]

    def _finish(self, composed: Composed, row: ChunkRow) -> dict[str, Any]:
        """Draw and save the pictures of one row. Returns its result as plain values."""
        request, generator = composed.request, self.generator(composed.request)
        result = generator.result(composed, (), {})
        kept: list[dict[str, Any]] = []
        for candidate in generator.finish(composed):
            if candidate.rank >= request.num_images:
                break
            path = self.location.output / f"{row.id}-{candidate.rank}.png"
            save_candidate(request, result, candidate, path, self.location.metadata, make_folder=False)
            kept.append(_image(path, candidate))
        return {
            "subject": result.subject,
            "relation": {"caption": result.relation.caption, "confidence": round(result.relation.confidence, 4)},
            "images": kept,
            **({"notes": list(result.notes)} if result.notes else {}),
        }

    @staticmethod
    def _check(is_stopped: Callable[[], bool]) -> None:
        if is_stopped():
            raise RunStopped


def _failed(row: ChunkRow, error: Exception) -> Iterator[RowOutcome]:
    if row.pending:
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        yield RowOutcome(row.job, None, " ".join(reason.split())[:1000])


def _image(path: Path, candidate: Candidate) -> dict[str, Any]:
    return {
        "path": path.name,
        "seed": candidate.seed,
        "rank": candidate.rank,
        "scores": candidate.scores.rounded(),
        **({"read": candidate.read.recorded()} if candidate.read is not None else {}),
        "reason": candidate.reason,
    }
