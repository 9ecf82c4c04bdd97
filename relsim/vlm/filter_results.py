"""Writes the image filter's results as JSON Lines; an interrupted run goes on from this file."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from analogen.relsim.vlm.filter import FilterResult


class ResultsFile:
    """A JSON Lines file with one line per picture, to which batches of results are appended.

    An existing file is continued: `done` holds its judged pictures. Pictures that could not be read are not in `done`,
    so they are tried again. An incomplete last line, left by a killed process, is removed.
    """

    def __init__(self, path: str | Path, name: str, threshold: float) -> None:
        """name: of the filter. Raises ValueError with one line for a file with other contents, or one that cannot be
        rewritten."""
        self.path, self.name, self.threshold = Path(path), name, threshold
        self.done: dict[str, float] = {}
        if self.path.is_dir():
            raise ValueError(f"{path}: is a folder, expected a .jsonl file: add a name")
        try:
            if self.path.exists():
                self._read()
                self._rewrite()
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise ValueError(f"{path}: cannot be written ({reason}): choose another place") from error

    def add(self, batch: Sequence[FilterResult]) -> None:
        """Appends results and writes them to the disk; the first call creates the file. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(self._line(found) for found in batch))
            file.flush()
            os.fsync(file.fileno())
        self.done |= {found.path: found.probability for found in batch if found.probability is not None}

    def _line(self, found: FilterResult) -> str:
        if found.probability is None:
            return json.dumps({"path": found.path, "reason": found.reason}) + "\n"
        kept = found.probability >= self.threshold
        facts = {"path": found.path, "probability": round(found.probability, 6), "kept": kept, "filter": self.name}
        return json.dumps(facts) + "\n"

    def _read(self) -> None:
        lines = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                path, probability, made_by = row["path"], row.get("probability"), row.get("filter")
                judged = probability is not None
                if not isinstance(path, str) or (judged and not 0 <= float(probability) <= 1):
                    raise ValueError
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                if number == len(lines):
                    break  # cut short: it has no line end
                raise ValueError(
                    f"{self.path}, line {number}: is not what a filter writes: name another file"
                ) from error
            if judged and made_by != self.name:
                raise ValueError(f"{self.path}: was made with the filter {made_by!r}, now {self.name!r}: name another")
            if judged:
                self.done[path] = float(probability)

    def _rewrite(self) -> None:
        """Rewrites the complete lines, with `kept` by the threshold of this run."""
        temporary = self.path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            with temporary.open("x", encoding="utf-8") as file:
                file.writelines(self._line(FilterResult(path, probability)) for path, probability in self.done.items())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)


def check_threshold(threshold: float) -> None:
    """Raises ValueError unless the threshold is a probability."""
    if not (math.isfinite(threshold) and 0 <= threshold <= 1):
        raise ValueError(f"the threshold is {threshold}: expected a probability from 0 to 1")
