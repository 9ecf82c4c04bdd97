"""Readings of references as conditions of the composer: their tensors, and how loosely a scene follows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analogen.pipelines.composer.features import FEATURES, FIELDS, NUM_FEATURES, encode
from analogen.relsim.world.scene import MAX_ELEMENTS, Element

# What a loosely followed reading loses: spread of the noise on the features, in their own units, and the share of its
# elements. Both at looseness 1; conditioning augmentation as in cascaded diffusion, arXiv:2106.15282, sec. 4.2.
LOOSE_NOISE, LOOSE_LOSS = 0.5, 0.5
PLACED = tuple(FEATURES.index(name) for name in ("x", "y", "log_size", "log_aspect", "sin_turn", "cos_turn"))
SEEN_FIELDS = ("kind", "mirror", "clip")  # of the skeleton's fields those that a picture shows
UNSEEN_KINDS = ("shadow",)  # no elements to a reader of pictures


class ElementTensors(NamedTuple):
    """What was read of one picture. tokens: (n, fields) int64; features: (n, NUM_FEATURES), as of `encode`; sure: (n,)
    in [0, 1], how sure the reader is of each element."""

    tokens: NDArray[np.int64]
    features: NDArray[np.float32]
    sure: NDArray[np.float32]


NOTHING_READ = ElementTensors(
    np.zeros((0, len(FIELDS)), np.int64), np.zeros((0, NUM_FEATURES), np.float32), np.zeros(0, np.float32)
)


def element_tensors(elements: Sequence[Element], confidences: Sequence[float]) -> ElementTensors:
    """The elements of a reading and how sure each is, at most MAX_ELEMENTS, the surest."""
    shown = [(e, c) for e, c in zip(elements, confidences, strict=True) if e.kind not in UNSEEN_KINDS]
    kept = sorted(range(len(shown)), key=lambda i: -shown[i][1])[:MAX_ELEMENTS]
    chosen = [shown[i] for i in sorted(kept)]
    encoded = encode([e for e, _ in chosen])
    return ElementTensors(encoded.tokens, encoded.features, np.array([c for _, c in chosen], np.float32))


@dataclass(frozen=True)
class ReadingBatch:
    """Readings of B references. tokens: (B, n, fields); features: (B, n, NUM_FEATURES); sure, mask: (B, n), the mask
    False where there is no element; looseness: (B,) in [0, 1], 0 for a reading that is to be followed exactly. Rows
    without any element have no reading."""

    tokens: Tensor
    features: Tensor
    sure: Tensor
    mask: Tensor
    looseness: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    def select(self, rows: Tensor | list[int]) -> ReadingBatch:
        return ReadingBatch(*(part[rows] for part in self._parts))

    def to(self, device: torch.device, dtype: torch.dtype) -> ReadingBatch:
        tokens, features, sure, mask, looseness = (part.to(device) for part in self._parts)
        return ReadingBatch(tokens, features.to(dtype), sure.to(dtype), mask, looseness.to(dtype))

    def twice(self) -> ReadingBatch:
        """The rows, and the rows again."""
        return ReadingBatch(*(torch.cat([part, part]) for part in self._parts))

    @property
    def _parts(self) -> tuple[Tensor, ...]:
        return self.tokens, self.features, self.sure, self.mask, self.looseness


def collate_readings(readings: Sequence[ElementTensors], looseness: Tensor) -> ReadingBatch:
    """looseness: (len(readings),) in [0, 1]."""
    longest = max([1, *(len(reading.tokens) for reading in readings)])
    tokens = torch.zeros(len(readings), longest, len(FIELDS), dtype=torch.long)
    features = torch.zeros(len(readings), longest, NUM_FEATURES)
    sure, mask = torch.zeros(len(readings), longest), torch.zeros(len(readings), longest, dtype=torch.bool)
    for row, reading in enumerate(readings):
        count = len(reading.tokens)
        tokens[row, :count] = torch.from_numpy(reading.tokens)
        features[row, :count] = torch.from_numpy(reading.features)
        sure[row, :count] = torch.from_numpy(reading.sure)
        mask[row, :count] = True
    return ReadingBatch(tokens, features, sure, mask, looseness)


def loosened(readings: ReadingBatch, generators: Sequence[torch.Generator]) -> ReadingBatch:
    """The readings with noise on where things are and some elements lost, the more the looser each is to be followed.

    generators: one for each row, so that a row is the same alone and among others. Rows of looseness 1 have no reading.
    """
    features, mask = readings.features.clone(), readings.mask.clone()
    for row, generator in enumerate(generators):
        loose = float(readings.looseness[row])
        count = int(mask[row].sum())
        if loose <= 0 or not count:
            continue
        if loose >= 1:
            mask[row] = False
            continue
        shift = torch.randn(count, len(PLACED), generator=generator) * (LOOSE_NOISE * loose**2)
        kept = torch.rand(count, generator=generator) >= LOOSE_LOSS * loose
        features[row, :count, PLACED] += shift.to(features)
        mask[row, :count] &= kept.to(mask.device)
    return ReadingBatch(readings.tokens, features, readings.sure, mask, readings.looseness)
