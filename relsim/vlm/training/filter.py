"""Trains the image filter: the probability of yes against no.

`analogen train filter --config qwen-filter.toml` comes here: `prepare(...).run()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F

from analogen.relsim.config import read_settings
from analogen.relsim.data.corpus import LABELS, Corpus
from analogen.relsim.training.joint_batches import LossSum
from analogen.relsim.vlm.filter import QUESTION
from analogen.relsim.vlm.model import Pixels, UserMessage
from analogen.relsim.vlm.preprocessing import load_pixels
from analogen.relsim.vlm.query import YesNo
from analogen.relsim.vlm.training.loop import ADAPTER, AnswerTask, Place, Start, VlmFineTuning, make_start
from analogen.relsim.vlm.training.settings import VlmFineTuningSettings


@dataclass(frozen=True)
class VlmFilterSettings(VlmFineTuningSettings):
    """Settings of `analogen train filter`."""

    batch_size: int = 32


def prepare(path: Path | None, overrides: Mapping[str, str] | None = None) -> VlmFineTuning:
    """A training of the filter, new or resumed. Raises ValueError, FileNotFoundError or ImportError with one line."""
    settings = read_settings(VlmFilterSettings, path, overrides)
    start = make_start("filter", settings, check_labels)
    return VlmFineTuning(FilterTask(settings, start), start.checkpoints)


def check_labels(corpus: Corpus) -> None:
    """Raises ValueError unless the rows are labelled, with both labels among them."""
    words = set(corpus.captions)
    if words - set(LABELS.values()):
        raise ValueError("the index holds captions: expected one of rows with path and label, true or false")
    if len(words) < 2:
        raise ValueError(f"all labels of the index are {words.pop()!r}: expected some of both")


class Labelled(NamedTuple):
    pixels: Pixels
    label: bool


class FilterTask(AnswerTask):
    """Cross entropy of yes against no, over all spellings of each: exactly what the filter reads."""

    def __init__(self, settings: VlmFilterSettings, start: Start) -> None:
        super().__init__(settings, start)
        self.yes_no = YesNo(self.vlm, ADAPTER)

    def load(self, place: Place) -> Labelled:
        example = self.corpus[place.row]
        return Labelled(
            load_pixels(example.picture, self.preprocessing, self.vlm.side_unit), example.caption == LABELS[True]
        )

    def weigh(self, item: Labelled) -> int:
        return 1

    def answer(self, items: list[Labelled]) -> LossSum:
        with self.autocast():
            logits = self.vlm.next_token_logits(
                self.vlm.inputs([UserMessage([item.pixels], QUESTION) for item in items])
            )
        odds = self.yes_no.log_odds(logits)  # (n,)
        truth = torch.tensor([float(item.label) for item in items], device=odds.device)
        loss = F.binary_cross_entropy_with_logits(odds, truth, reduction="sum")
        return LossSum(loss, ((odds.detach() > 0) == (truth > 0)).sum())
