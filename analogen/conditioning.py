"""What is to be kept: pictures and words as one relation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from analogen.pipelines.relation_arithmetic import combine_relations
from analogen.relsim.mini.encoder import Looked, MiniEncoder, Vectors
from analogen.types import FoundRelation

LOW_CONFIDENCE = 0.35
# How far a clear reading leans to the middle of its captions: what the encoder says of a hard picture lies between
# logics, and the composer then makes neither (docs/experiments.md, 9).
CENTROID_WEIGHT = 0.3
# What words count beside a picture, or a weight of 1: as much is then made of either (docs/experiments.md, 20).
TEXT_WEIGHT = 1.25


@dataclass(frozen=True)
class Conditioning:
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
) -> list[Conditioning]:
    """What to keep, for each of several requests with pictures, words or both; a picture that comes in several is
    looked at once. patches: keep those of requests with one picture and no words, for a composer that takes them.
    weights: of each request's pictures, empty where all count the same. Raises ValueError if they cancel out."""
    pictures = {id(image): image for references, _ in asked for image in references}
    places = {key: place for place, key in enumerate(pictures)}
    looked = encoder.look(list(pictures.values()), patches=patches)
    words = [words for _, words in asked if words is not None]
    said = iter(encoder.embed_text(words)) if words else iter(())
    conditioning = []
    for number, (references, text) in enumerate(asked):
        own = [places[id(image)] for image in references]
        pictured = looked.of(own) if own else None
        own_weights = weights[number] if weights else ()
        found = build_conditioning(pictured, None if text is None else next(said), encoder, own_weights)
        if patches and text is None and pictured is not None and len(own) == 1:
            found = replace(found, patches=pictured.patches[0])
        conditioning.append(found)
    return conditioning


def build_conditioning(
    looked: Looked | None, words: Vectors | None, encoder: MiniEncoder, weights: Sequence[float] = ()
) -> Conditioning:
    """The mean of the pictures' relations, and WORDS times the words' (384,); with weights their weighed sum with them.

    Whatever is read clearly first leans to the logic that it is read for; a mere guess stays as it is.
    """
    clear = 0.0 if words is None else text_confidence(words, encoder)
    said = None if words is None else pull_to_centroid(words, encoder, clear)
    if looked is None:
        assert said is not None, "neither pictures nor words"
        relation, confidence = said, clear
    else:
        seen = zip(looked.relation, looked.known, strict=True)
        leant = np.stack([pull_to_centroid(one, encoder, encoder.confidence(one, float(known))) for one, known in seen])
        relation = weighted_sum(leant, said, weights)
        # How clear the pictures are is asked of what was read, not of what it leans to; with weights together with the
        # words, since pictures alone may cancel out.
        pictured = weighted_sum(looked.relation, words if weights else None, weights)
        confidence = encoder.confidence(pictured, float(looked.known.mean()))
    nearest = encoder.nearest_captions(relation, 1)[0]
    notes = []
    if confidence < LOW_CONFIDENCE:
        what = "the reference is" if looked is not None else "the words are"
        notes.append(
            f"{what} unlike what mini knows (confidence {confidence:.2f}); its nearest guess is "
            f"{nearest.caption!r}: say the logic with --relation, or try a clearer picture"
        )
    found = FoundRelation(nearest.caption, confidence)
    looks = None if looked is None else looked.attributes
    structure = looked.structure[0] if looked is not None and len(looked.structure) == 1 else None
    return Conditioning(relation, found, looks, tuple(notes), structure=structure)


def text_confidence(words: Vectors, encoder: MiniEncoder) -> float:
    """How clear the logic of words is, [0, 1]: their cosine to the nearest caption."""
    return float(np.clip(encoder.nearest_captions(words, 1)[0].score, 0, 1))


def pull_to_centroid(relation: Vectors, encoder: MiniEncoder, confidence: float) -> Vectors:
    """What was read (384,), nearer to the captions of the logic that it is read for; as it is if unclear."""
    if confidence < LOW_CONFIDENCE:
        return relation
    centre = encoder.centre(encoder.nearest_captions(relation, 1)[0].relation)
    return normalized((1 - CENTROID_WEIGHT) * relation + CENTROID_WEIGHT * centre)


def weighted_sum(relations: Vectors, words: Vectors | None, weights: Sequence[float] = ()) -> Vectors:
    """(n, 384) relations of pictures by their weights, or their mean, and the words' (384,) by WORDS. Raises
    ValueError if they cancel."""
    if not weights:
        relations, weights = combine_relations(relations)[None], (1.0,)
    if words is None:
        return combine_relations(relations, weights)
    return combine_relations(np.concatenate([relations, words[None]]), [*weights, TEXT_WEIGHT])


def normalized(vector: Vectors) -> Vectors:
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)
