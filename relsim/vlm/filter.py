"""The image filter: which pictures carry a logic that could be transferred to other things.

sieve = load_filter("Qwen/Qwen2.5-VL-7B-Instruct", device="cuda")
for batch in sieve.judge_files(picture_files("photos")):  # of analogen.relsim.images
    for found in batch: ...  # its path and probability, or why it could not be read
"""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from analogen.relsim.data.batching import run_all
from analogen.relsim.vlm.adapters import load_adapter
from analogen.relsim.vlm.model import Pixels, UserMessage, Vlm
from analogen.relsim.vlm.preprocessing import Pictures, Preprocessing, check_preprocessing, load_pixels
from analogen.relsim.vlm.query import Probabilities, YesNo

QUESTION = (
    "Some pictures have an idea in how their parts are put together: a pattern, an arrangement, a change over time, a "
    "comparison, a visual joke. Such an idea could be kept while everything shown is exchanged for something else. "
    "Others merely show a thing, a person or a place. Has this picture an idea that could be carried over to entirely "
    "different things? Answer yes or no."
)


class FilterResult(NamedTuple):
    """A picture of a folder. probability: that it carries a transferable logic, None if it could not be judged, and
    then `reason` says why in one line."""

    path: str
    probability: float | None
    reason: str = ""


class ImageFilter:
    """`vlm` wearing the filter's hat; hat None is the plain model."""

    def __init__(
        self, vlm: Vlm, adapter: str | None = None, name: str = "", preprocessing: Preprocessing | None = None
    ) -> None:
        """preprocessing: None for the square of 448 px that filters are trained on."""
        self.vlm, self.adapter, self.name = vlm, adapter, name or vlm.name
        self.preprocessing = check_preprocessing(preprocessing or Preprocessing(), vlm)
        self._yes_no = YesNo(vlm, adapter)

    def probabilities(self, images: Pictures, batch_size: int = 16) -> Probabilities:
        """(n,) in [0, 1]. Raises ValueError or FileNotFoundError for the first picture that cannot be read."""
        table = np.zeros(len(images), np.float32)
        for pairs in run_all(images, self._load, self._ask, batch_size):
            for index, probability in pairs:
                table[index] = probability
        return table

    def judge_files(
        self, paths: Sequence[str | Path], batch_size: int = 16, workers: int | None = None, progress: bool = False
    ) -> Iterator[list[FilterResult]]:
        """Batch by batch, as they are found; every path comes once, those that cannot be judged with the reason."""
        refused: list[FilterResult] = []

        def on_refused(index: int, reason: str) -> None:
            refused.append(FilterResult(str(paths[index]), None, reason))

        for pairs in run_all(paths, self._load, self._ask, batch_size, on_refused, progress, workers):
            yield [*refused, *(FilterResult(str(paths[index]), probability) for index, probability in pairs)]
            refused.clear()
        if refused:
            yield refused

    def _load(self, image: Image.Image | str | Path) -> Pixels:
        return load_pixels(image, self.preprocessing, self.vlm.side_unit)

    def _ask(self, batch: list[Pixels]) -> list[float]:
        return self._yes_no.probabilities([UserMessage([pixels], QUESTION) for pixels in batch])


def load_filter(
    name_or_path: str | Path,
    device: str = "cpu",
    dtype: str = "auto",
    *,
    base: str | None = None,
    preprocessing: Preprocessing | None = None,
    cache_dir: str | None = None,
) -> ImageFilter:
    """A filter by folder or hub id: a LoRA adapter, or a plain base model.

    The base is shared with all roles that name the same one. Raises ValueError, FileNotFoundError or ImportError with
    one line.
    """
    loaded = load_adapter(name_or_path, "filter", device, dtype, base=base, cache_dir=cache_dir)
    return ImageFilter(loaded.vlm, loaded.adapter, str(name_or_path), preprocessing)


# What was found, as JSON lines


class ResultsFile:
    """A JSONL file with one line per judged picture, to which batches are added as they are found.

    An existing one is taken up again: `done` holds its judged pictures. Pictures that could not be read are not among
    them, so that mended ones get another try; a last line cut short by a kill is dropped.
    """

    def __init__(self, path: str | Path, name: str, threshold: float) -> None:
        """name: of the filter. Raises ValueError with one line for a file of something else, or one that cannot be
        written anew."""
        self.path, self.name, self.threshold = Path(path), name, threshold
        self.done: dict[str, float] = {}
        if self.path.is_dir():
            raise ValueError(f"{path}: is a folder, expected a .jsonl file: add a name")
        try:
            if self.path.exists():
                self._read()
                self._write_anew()
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise ValueError(f"{path}: cannot be written ({reason}): choose another place") from error

    def add(self, batch: Sequence[FilterResult]) -> None:
        """Append, and have it on the disk; the file is made by the first call. Raises OSError."""
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

    def _write_anew(self) -> None:
        """Whole lines only, with what the threshold of this run keeps."""
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
    if not (math.isfinite(threshold) and 0 <= threshold <= 1):
        raise ValueError(f"the threshold is {threshold}: expected a probability from 0 to 1")
