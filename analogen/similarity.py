"""Compares pictures by relation and by looks, and finds the caption of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from analogen.relsim.embedding import embed_images
from analogen.relsim.encoder import RelationalEncoder
from analogen.relsim.mini.encoder import SHIPPED, CaptionBank, CaptionMatch, MiniEncoder


@dataclass(frozen=True)
class Likeness:
    """The similarity of two pictures, as cosines in [-1, 1]. relation: of their logic; attribute: of their looks."""

    relation: float
    attribute: float


@dataclass(frozen=True)
class Reading:
    """The logic that a picture shows: its nearest captions, best first, and the confidence in them, in [0, 1]."""

    captions: tuple[CaptionMatch, ...]
    confidence: float


def compare_images(reference: Image.Image, others: Sequence[Image.Image], encoder: RelationalEncoder) -> list[Likeness]:
    """Compare each of the other pictures with the reference. Returns them in the same order."""
    first, *rest = embed_images(encoder, [reference, *others])
    return [Likeness(float(one.relation @ first.relation), float(one.attributes @ first.attributes)) for one in rest]


def read_logic(images: Sequence[Image.Image], encoder: RelationalEncoder, top_k: int = 1) -> list[Reading]:
    """Find the `top_k` captions of the catalogue that are nearest to each picture.

    For an encoder without calibration the confidence is the cosine to the nearest caption.
    """
    seen = embed_images(encoder, images, as_references=True)
    if isinstance(encoder, MiniEncoder):
        return [
            Reading(tuple(encoder.nearest_captions(one.relation, top_k)), encoder.confidence(one.relation, one.known))
            for one in seen
            if one.known is not None  # mini always has it
        ]
    bank = CaptionBank.load(SHIPPED)
    found = [tuple(bank.nearest(one.relation, top_k)) for one in seen]
    return [Reading(captions, float(np.clip(captions[0].score, 0, 1))) for captions in found]
