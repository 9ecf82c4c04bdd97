"""Runs of `analogen batch` in tests: a small command, its results, and a recorder of saved pictures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analogen.batch import chunk_processor
from analogen.cli import main

COLORS = ("red", "navy", "olive", "teal", "gold")
SMALL = ("--steps", "2", "--candidates", "2", "--width", "64", "--height", "64", "--device", "cpu", "--workers", "1")


def write_manifest(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as JSON lines. Returns the path."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run_batch(manifest: Path, output: Path, *options: str) -> int:
    """Run `analogen batch` at small settings. Returns its exit code."""
    return main(["batch", str(manifest), "--output", str(output), *SMALL, *options])


def results(output: Path) -> list[dict[str, Any]]:
    """The lines of results.jsonl."""
    return [json.loads(line) for line in (output / "results.jsonl").read_text().splitlines()]


def contents(output: Path) -> dict[str, bytes]:
    """The files of a run by name, without its job store."""
    return {path.name: path.read_bytes() for path in output.iterdir() if not path.name.startswith("jobs.sqlite")}


class SaveRecorder:
    """Counts saved pictures, and calls a function before the picture of a given number is saved."""

    def __init__(self, patch: pytest.MonkeyPatch, before: dict[int, Callable[[], None]] | None = None) -> None:
        self.saved: Counter[str] = Counter()
        self.before = before or {}
        self.calls = 0
        self._save = chunk_processor.save_candidate
        patch.setattr(chunk_processor, "save_candidate", self)

    def __call__(self, request: Any, result: Any, candidate: Any, path: Path, *more: Any, **options: Any) -> None:
        self.calls += 1
        if self.calls in self.before:
            self.before[self.calls]()
        self._save(request, result, candidate, path, *more, **options)
        self.saved[path.name] += 1


def raising(error: BaseException) -> Callable[[], None]:
    """A function that raises an error."""

    def act() -> None:
        raise error

    return act
