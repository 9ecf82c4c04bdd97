"""Trains the anonymous captioner on the captions of pictures, or of groups of pictures that share a logic.

`analogen train captioner --config qwen-captioner.toml` comes here: `prepare(...).run()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch.nn.functional as F

from analogen.relsim.config import read_settings
from analogen.relsim.training.joint_batches import LossSum
from analogen.relsim.vlm.captioner import MAX_GROUP, MIN_GROUP, question_for
from analogen.relsim.vlm.model import Pixels, UserMessage
from analogen.relsim.vlm.preprocessing import load_pixels
from analogen.relsim.vlm.training.loop import AnswerTask, Place, Start, VlmFineTuning, make_start
from analogen.relsim.vlm.training.settings import VlmFineTuningSettings


@dataclass(frozen=True)
class VlmCaptionerSettings(VlmFineTuningSettings):
    """Settings of `analogen train captioner`.

    group_share: how often a picture is shown together with others of its group, [0, 1]; max_group: at most so many.
    """

    batch_size: int = 32
    micro_batch: int = 4
    lr: float = 2e-4
    group_share: float = 0.5
    max_group: int = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.group_share <= 1:
            raise ValueError(f"setting group_share={self.group_share} must be from 0 to 1")
        if not MIN_GROUP <= self.max_group <= MAX_GROUP:
            raise ValueError(f"setting max_group={self.max_group} must be from {MIN_GROUP} to {MAX_GROUP}")


def prepare(path: Path | None, overrides: Mapping[str, str] | None = None) -> VlmFineTuning:
    """A training of the captioner, new or resumed. Raises ValueError, FileNotFoundError or ImportError, one line."""
    settings = read_settings(VlmCaptionerSettings, path, overrides)
    start = make_start("captioner", settings)
    return VlmFineTuning(CaptionerTask(settings, start), start.checkpoints)


class CaptionExample(NamedTuple):
    """The pictures and question that the model gets, and the caption that it learns."""

    message: UserMessage
    caption: str


class CaptionerTask(AnswerTask):
    """Cross entropy of the caption's tokens and of the one that ends it; question and pictures are given.

    The mean is over all tokens of the joint batch, not over rows, so that no cut of it changes the gradient.
    """

    def __init__(self, settings: VlmCaptionerSettings, start: Start) -> None:
        super().__init__(settings, start)
        self.group_share, self.max_group = settings.group_share, settings.max_group
        self.mates = {row: rows for rows in self.corpus.members() for row in rows}

    def load(self, place: Place) -> CaptionExample:
        pictures: list[Pixels] = [
            load_pixels(self.corpus[row].picture, self.preprocessing, self.vlm.side_unit) for row in self.chosen(place)
        ]
        return CaptionExample(
            UserMessage(pictures, question_for(len(pictures))), self.corpus.entries[place.row].caption
        )

    def chosen(self, place: Place) -> list[int]:
        """The rows to show: the row alone, or with others of its group, in random order."""
        draw = np.random.default_rng([place.seed, place.step, place.number])
        mates = [row for row in self.mates[place.row] if row != place.row]
        if not mates or draw.random() >= self.group_share:
            return [place.row]
        count = int(draw.integers(MIN_GROUP, min(self.max_group, len(mates) + 1) + 1))
        together = [place.row, *draw.choice(mates, count - 1, replace=False).tolist()]
        draw.shuffle(together)
        return together

    def weigh(self, item: CaptionExample) -> int:
        return len(self.vlm.answer_ids(item.caption))

    def answer(self, items: list[CaptionExample]) -> LossSum:
        with self.autocast():
            inputs = self.vlm.inputs([item.message for item in items], answers=[item.caption for item in items])
            logits, tokens = self.vlm.answer_logits(inputs)  # (tokens, vocabulary), (tokens,)
        return LossSum(F.cross_entropy(logits, tokens, reduction="sum"), (logits.detach().argmax(-1) == tokens).sum())
