"""Filters pictures by the probability that they have a logic that could be transferred to other things.

sieve = load_filter("Qwen/Qwen2.5-VL-7B-Instruct", device="cuda")
for batch in sieve.judge_files(picture_files("photos")):  # of analogen.relsim.picture_folders
    for found in batch: ...  # its path and probability, or the reason why it cannot be read
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from analogen.relsim.data.batching import run_all
from analogen.relsim.vlm.model import Pixels, UserMessage, Vlm
from analogen.relsim.vlm.preprocessing import Pictures, Preprocessing, load_pixels
from analogen.relsim.vlm.query import Probabilities, YesNo
from analogen.relsim.vlm.role import VlmRole

QUESTION = (
    "Some pictures have an idea in how their parts are put together: a pattern, an arrangement, a change over time, a "
    "comparison, a visual joke. Such an idea could be kept while everything shown is exchanged for something else. "
    "Others merely show a thing, a person or a place. Has this picture an idea that could be carried over to entirely "
    "different things? Answer yes or no."
)


class FilterResult(NamedTuple):
    """The result for one file. probability: that the picture has a transferable logic; None if it could not be judged,
    and `reason` then has the reason in one line."""

    path: str
    probability: float | None
    reason: str = ""


class ImageFilter(VlmRole):
    """Judges pictures with an adapter of Qwen2.5-VL, or with the base model alone."""

    role = "filter"

    def __init__(
        self, vlm: Vlm, adapter: str | None = None, name: str = "", preprocessing: Preprocessing | None = None
    ) -> None:
        super().__init__(vlm, adapter, name, preprocessing)
        self._yes_no = YesNo(vlm, adapter)

    def probabilities(self, images: Pictures, batch_size: int = 16) -> Probabilities:
        """(n,), the probability of each picture. Raises ValueError or FileNotFoundError for an unreadable one."""
        table = np.zeros(len(images), np.float32)
        for pairs in run_all(images, self._load, self._ask, batch_size):
            for index, probability in pairs:
                table[index] = probability
        return table

    def judge_files(
        self, paths: Sequence[str | Path], batch_size: int = 16, workers: int | None = None, progress: bool = False
    ) -> Iterator[list[FilterResult]]:
        """Yields the results batch by batch. Every path comes once; those that cannot be judged have a reason."""
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


load_filter = ImageFilter.load
