"""How alike pictures are, in logic and in looks, and what logic each of them shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from analogen.relsim.encoder import SHIPPED, Bank, CaptionMatch, MiniEncoder, RelationalEncoder, Vectors


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
    relations, looks, _ = _seen([reference, *others], encoder)
    return [
        Likeness(float(relation), float(attribute))
        for relation, attribute in zip(relations[1:] @ relations[0], looks[1:] @ looks[0], strict=True)
    ]


def read_logic(images: Sequence[Image.Image], encoder: RelationalEncoder, top_k: int = 1) -> list[Reading]:
    """The `top_k` captions of the catalogue that come nearest to each picture.

    An encoder without calibration is as sure as its nearest caption is near.
    """
    relations, _, known = _seen(images, encoder)
    if isinstance(encoder, MiniEncoder):
        assert known is not None, "mini tells what it knows"
        return [
            Reading(tuple(encoder.nearest_captions(relation, top_k)), encoder.confidence(relation, float(sure)))
            for relation, sure in zip(relations, known, strict=True)
        ]
    bank = Bank.load(SHIPPED)
    found = [tuple(bank.nearest(relation, top_k)) for relation in relations]
    return [Reading(captions, float(np.clip(captions[0].score, 0, 1))) for captions in found]


def _seen(images: Sequence[Image.Image], encoder: RelationalEncoder) -> tuple[Vectors, Vectors, Vectors | None]:
    """Relations (n, 384), looks (n, dim) and, of mini, how well it knows such logics (n,)."""
    if isinstance(encoder, MiniEncoder):
        looked = encoder.look(list(images))
        return looked.relation, looked.attributes, looked.known
    return encoder.embed(list(images)), encoder.attributes(list(images)), None
