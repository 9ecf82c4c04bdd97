"""How alike pictures are, in logic and in looks, and what logic each of them shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from analogen.relsim.embedding import see
from analogen.relsim.encoder import RelationalEncoder
from analogen.relsim.mini.encoder import SHIPPED, Bank, CaptionMatch, MiniEncoder


@dataclass(frozen=True)
class Likeness:
    """Two pictures side by side, both cosines in [-1, 1]. relation: of their logic; attribute: of their looks."""

    relation: float
    attribute: float


@dataclass(frozen=True)
class Reading:
    """What logic a picture shows: the nearest captions, best first, and how sure that is, in [0, 1]."""

    captions: tuple[CaptionMatch, ...]
    confidence: float


def compare_images(reference: Image.Image, others: Sequence[Image.Image], encoder: RelationalEncoder) -> list[Likeness]:
    """The likeness of each of the others to the reference, in their order."""
    first, *rest = see(encoder, [reference, *others])
    return [Likeness(float(one.relation @ first.relation), float(one.attributes @ first.attributes)) for one in rest]


def read_logic(images: Sequence[Image.Image], encoder: RelationalEncoder, top_k: int = 1) -> list[Reading]:
    """The `top_k` captions of the catalogue that come nearest to each picture.

    An encoder without calibration is as sure as its nearest caption is near.
    """
    seen = see(encoder, images)
    if isinstance(encoder, MiniEncoder):
        return [
            Reading(tuple(encoder.nearest_captions(one.relation, top_k)), encoder.confidence(one.relation, one.known))
            for one in seen
            if one.known is not None  # mini always tells
        ]
    bank = Bank.load(SHIPPED)
    found = [tuple(bank.nearest(one.relation, top_k)) for one in seen]
    return [Reading(captions, float(np.clip(captions[0].score, 0, 1))) for captions in found]
