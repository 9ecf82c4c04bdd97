"""What is to be kept: pictures and words as one relation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from analogen.pipelines.relations import combine_relations
from analogen.relsim.encoder import Looked, MiniEncoder, Vectors
from analogen.types import FoundRelation

LOW_CONFIDENCE = 0.35
# How far one clear reading leans to the middle of its captions: what the encoder says of a hard picture lies between
# logics, and the composer then makes neither (docs/experiments.md, 9).
LEAN = 0.3


@dataclass(frozen=True)
class Understood:
    """What is to be kept. relation: (384,) unit vector; looks: (references, dim) or None without pictures; patches:
    (P, dim), what the encoder saw of the one reference that alone decides, or None; structure: (dim,) of the one
    picture, None if there are several or none."""

    relation: Vectors
    found: FoundRelation
    looks: Vectors | None
    notes: tuple[str, ...] = ()
    patches: Vectors | None = None
    structure: Vectors | None = None


def encode_relations(
    asked: Sequence[tuple[Sequence[Image.Image], str | None]],
    encoder: MiniEncoder,
    patches: bool = False,
    weights: Sequence[Sequence[float]] | None = None,
) -> list[Understood]:
    """What to keep, for each of several requests with pictures, words or both; a picture that comes in several is
    looked at once. patches: keep those of requests with one picture and no words, for a composer that takes them.
    weights: of each request's pictures, empty where all count the same. Raises ValueError if they cancel out."""
    pictures = {id(image): image for references, _ in asked for image in references}
    places = {key: place for place, key in enumerate(pictures)}
    looked = encoder.look(list(pictures.values()))
    words = [words for _, words in asked if words is not None]
    said = iter(encoder.embed_text(words)) if words else iter(())
    understood = []
    for number, (references, text) in enumerate(asked):
        own = [places[id(image)] for image in references]
        pictured = Looked(*(part[own] for part in looked)) if own else None
        own_weights = weights[number] if weights else ()
        found = understood_of(pictured, None if text is None else next(said), encoder, own_weights)
        if patches and text is None and len(references) == 1:
            found = replace(found, patches=encoder.patches(references)[0])
        understood.append(found)
    return understood


def understood_of(
    looked: Looked | None, words: Vectors | None, encoder: MiniEncoder, weights: Sequence[float] = ()
) -> Understood:
    """The mean of the pictures' relations, and of that and the words' (384,); with weights their weighed sum, to which
    the words add 1.

    One picture or words alone lean to the logic that they are read for, unless that is a mere guess; several are a
    blend, which stays as it is.
    """
    notes: list[str] = []
    parts: list[Vectors] = []
    confidence = 1.0
    if looked is not None:
        pictured = weighed(looked.relation, words, weights) if weights else unit(looked.relation.mean(axis=0))
        confidence = encoder.confidence(pictured, float(looked.known.mean()))
        parts.append(pictured)
    if words is not None and not (weights and looked is not None):
        parts.append(words)
    relation = unit(np.mean(parts, axis=0))
    nearest = encoder.nearest_captions(relation, 1)[0]
    if looked is None:
        confidence = float(np.clip(nearest.score, 0, 1))
    if confidence < LOW_CONFIDENCE:
        what = "the reference is" if looked is not None else "the words are"
        notes.append(
            f"{what} unlike what mini knows (confidence {confidence:.2f}); its nearest guess is "
            f"{nearest.caption!r}: say the logic with --relation, or try a clearer picture"
        )
    elif len(parts) == 1 and not weights and (looked is None or len(looked.relation) == 1):
        relation = unit((1 - LEAN) * relation + LEAN * encoder.centre(nearest.relation))
    found = FoundRelation(nearest.caption, confidence)
    looks = None if looked is None else looked.attributes
    structure = looked.structure[0] if looked is not None and len(looked.structure) == 1 else None
    return Understood(relation, found, looks, tuple(notes), structure=structure)


def weighed(relations: Vectors, words: Vectors | None, weights: Sequence[float]) -> Vectors:
    """(n, 384) relations of pictures by their weights, and the words' (384,) by 1. Raises ValueError if they cancel."""
    rows = relations if words is None else np.concatenate([relations, words[None]])
    return combine_relations(rows, [*weights, *([] if words is None else [1.0])])


def unit(vector: Vectors) -> Vectors:
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)
