"""Embeds references and words as the conditioning of a request: the relation that its pictures have to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from analogen.pipelines.relation_arithmetic import combine_relations
from analogen.relsim.mini.encoder import LOW_CONFIDENCE, EncoderOutput, MiniEncoder, Vectors
from analogen.relsim.mini.reading import SceneReading, read_scenes
from analogen.relsim.world.relation_words import Direction, RelationWords, direction_of, read_words
from analogen.relsim.world.relations import RELATIONS
from analogen.types import FoundRelation

DOUBTFUL = 0.75  # confidence below which a reading that does not obey the relation says that it may be another
BELIEVED = 0.5  # certainty from which on a reading may cast doubt on a relation
KNOWN_LOOSENESS = 0.1  # of the arrangement of a reference whose relation is certain (docs/experiments.md, 26)
EXACT = 0.998  # cosine from which two texts are the same; captions are stored in half precision
CENTROID_WEIGHT = 0.3  # how far words are pulled to the centroid of their relation's captions (docs/experiments.md, 9)
# The weight of words beside a picture, or beside a reference weight of 1: both then decide equally often
# (docs/experiments.md, 20).
TEXT_WEIGHT = 1.25
# Of several logics each candidate follows one with this share, in turn: of their mean the composer makes neither
# (docs/experiments.md, 29).
LEANING = 0.7


@dataclass(frozen=True)
class Conditioning:
    """What the new pictures have to keep of the references and words.

    relation   (384,) unit vector.
    found      The nearest caption, and the confidence in it.
    looks      (references, dim) attribute vectors, None without pictures.
    reading    What was read of the reference, if a single picture and no words decide, or of a scene; else None.
    structure  (dim,) structure vector of the reference, None if there are several or none.
    direction  The direction that the words name, which scenes have to keep; None if they name none.
    doubtful   Whether the reading does not obey the relation found, whose confidence is middling: it may be a logic
               that is new to mini.
    seen       (384,) unit vector of the pictures before they were taken for captions; None without.
    leanings   (384,) unit vectors, one for each of several references or words, which the relation leans to; candidates
               follow them in turn. Empty for a single one, and where weights decide.
    """

    relation: Vectors
    found: FoundRelation
    looks: Vectors | None
    notes: tuple[str, ...] = ()
    reading: SceneReading | None = None
    structure: Vectors | None = None
    direction: Direction | None = None
    doubtful: bool = False
    seen: Vectors | None = None
    leanings: tuple[Vectors, ...] = ()

    def relation_of(self, seed: int) -> Vectors:
        """(384,), the relation that the candidate of a seed is composed by."""
        return self.leanings[seed % len(self.leanings)] if self.leanings else self.relation

    @property
    def compared(self) -> Vectors:
        """What results are compared with: the relation, or in doubt what was seen before it was taken for that."""
        return self.seen if self.doubtful and self.seen is not None else self.relation


def encode_relations(
    queries: Sequence[tuple[Sequence[Image.Image], str | RelationWords | None]],
    encoder: MiniEncoder,
    read: bool = False,
    weights: Sequence[Sequence[float]] | None = None,
) -> list[Conditioning]:
    """Embed several requests at once, each with pictures, words or both.

    A picture that appears in several requests is embedded once.

    queries: (pictures, words or None) for each request; words as they are or read by `read_words`.
    read: read the scenes of requests with one picture and no words.
    weights: of each request's pictures, empty where all count the same.
    Raises ValueError if the weighted relations of a request cancel out.
    """
    pictures = {id(image): image for references, _ in queries for image in references}
    places = {key: place for place, key in enumerate(pictures)}
    seen = encoder.encode_references(list(pictures.values()))
    alone: dict[int, Image.Image] = {}
    if read:
        alone = {id(own[0]): own[0] for own, words in queries if words is None and len(own) == 1}
    readings = dict(zip(alone, read_scenes(list(alone.values()), encoder), strict=True)) if alone else {}
    said_words = [read_words(words) if isinstance(words, str) else words for _, words in queries]
    embedded_words = iter(embed_words([words for words in said_words if words is not None], encoder))
    conditionings = []
    for number, (references, words) in enumerate(queries):
        own = [places[id(image)] for image in references]
        pictured = seen.select(own) if own else None
        said, text = (None, None) if words is None else next(embedded_words)
        conditioning = build_conditioning(pictured, text, encoder, weights[number] if weights else (), said)
        if words is None and len(references) == 1 and id(references[0]) in readings:
            conditioning = with_reading(conditioning, readings[id(references[0])])
        conditionings.append(conditioning)
    return conditionings


def embed_words(words: Sequence[RelationWords], encoder: MiniEncoder) -> list[tuple[RelationWords, Vectors]]:
    """Each of the words with its relation (384,): as they are, or as the catalogue says their change.

    Sentence embeddings hardly tell a change from its opposite, and may put both near another logic. What is nearer to a
    caption of the catalogue is taken; the scene is turned into the direction of the words afterwards.
    """
    options = [list(dict.fromkeys((one.text, one.embedded))) for one in words]
    texts = [text for own in options for text in own]
    vectors = iter(encoder.embed_text(texts)) if texts else iter(())
    found = []
    for one, own in zip(words, options, strict=True):
        embedded = [next(vectors) for _ in own]
        # A caption of the catalogue says its direction to the composer itself.
        if text_confidence(embedded[0], encoder) > EXACT:
            found.append((replace(one, direction=None), embedded[0]))
        else:
            found.append((one, max(embedded, key=lambda vector: text_confidence(vector, encoder))))
    return found


def build_conditioning(
    pictured: EncoderOutput | None,
    text: Vectors | None,
    encoder: MiniEncoder,
    weights: Sequence[float] = (),
    words: RelationWords | None = None,
) -> Conditioning:
    """Combine the embedded pictures and words of one request.

    The relation is the mean of the pictures' relations plus TEXT_WEIGHT times that of the words; with weights it is
    their weighted sum. Confident pictures are first taken for the captions of their relation, and words pulled there.

    pictured: what the encoder sees in the pictures, None without. text: (384,) embedded words, None without.
    words: what was embedded, for their direction and notes.
    Raises ValueError if the weighted relations cancel out.
    """
    text_certainty = 0.0 if text is None else text_confidence(text, encoder)
    pulled_text = None if text is None else pull_to_centroid(text, encoder, text_certainty)
    leanings: tuple[Vectors, ...] = ()
    if pictured is None:
        assert pulled_text is not None, "neither pictures nor words"
        relation, confidence = pulled_text, text_certainty
    else:
        pairs = zip(pictured.relation, pictured.known, strict=True)
        taken = np.stack([encoder.taken_for(one, encoder.confidence(one, float(k))) for one, k in pairs])
        relation = weighted_sum(taken, pulled_text, weights)
        if not weights:
            leanings = leaning_to_each([*taken, *([] if pulled_text is None else [pulled_text])])
        # The confidence is that of the relations as they are seen; with weights the words are included, since the
        # pictures alone may cancel out.
        unpulled = weighted_sum(pictured.relation, text if weights else None, weights)
        confidence = encoder.confidence(unpulled, float(pictured.known.mean()))
    nearest = encoder.nearest_captions(relation, 1)[0]
    notes = () if words is None else tuple(words.notes)
    caption, direction = nearest.caption, None if words is None else words.direction
    if words is not None and direction is not None and pictured is None and direction_of(caption) != direction:
        caption = words.text  # the catalogue has the change in the other direction only
    found = FoundRelation(caption, confidence)
    if is_new(found):
        advice = "say the logic with --relation, or try a clearer picture"
        if text is not None:
            advice = "say it in other words, such as those of `analogen caption`, or show it with "
            advice += "--reference" if pictured is None else "a clearer picture"
        what = "the words are" if pictured is None else "the reference is"
        notes += (
            f"{what} unlike what mini knows (confidence {confidence:.2f}); its nearest guess is "
            f"{nearest.caption!r}: {advice}",
        )
    looks = None if pictured is None else pictured.attributes
    structure = pictured.structure[0] if pictured is not None and len(pictured.structure) == 1 else None
    seen = None if pictured is None else unpulled
    return Conditioning(
        relation, found, looks, notes, structure=structure, direction=direction, seen=seen, leanings=leanings
    )


def leaning_to_each(relations: Sequence[Vectors]) -> tuple[Vectors, ...]:
    """For each of several relations (384,) their sum with LEANING of that one; empty for a single one."""
    if len(relations) < 2:
        return ()
    rest = (1 - LEANING) / (len(relations) - 1)
    rows = np.stack(relations)
    return tuple(
        combine_relations(rows, [LEANING if i == own else rest for i in range(len(rows))]) for own in range(len(rows))
    )


def is_new(found: FoundRelation) -> bool:
    """Whether a relation is too uncertain to compose by it."""
    return found.confidence < LOW_CONFIDENCE


def with_reading(conditioning: Conditioning, reading: SceneReading) -> Conditioning:
    """The conditioning with what was read of its reference. A logic that is new to mini is made from that alone."""
    if not reading.count:
        if not is_new(conditioning.found):
            return conditioning
        guess = f"{reading.sentence}, in the reference; the nearest guess is {conditioning.found.caption!r}"
        return replace(conditioning, notes=(f"{guess}: say the logic with --relation, or try another picture",))
    notes = conditioning.notes
    doubtful = False
    if is_new(conditioning.found):
        notes = (f"this logic is new to mini, so the arrangement that it sees is kept: {reading.sentence}",)
    elif conditioning.found.confidence < DOUBTFUL and reading.certainty >= BELIEVED:
        relation = next((r for r in RELATIONS.values() if conditioning.found.caption in r.captions), None)
        doubtful = relation is not None and not relation.holds(reading.scene)
        if doubtful:
            notes += (
                f"unsure whether it is {conditioning.found.caption!r} (confidence "
                f"{conditioning.found.confidence:.2f}) or new to mini: every second candidate keeps the arrangement "
                f"that it sees instead, {reading.sentence}",
            )
    return replace(conditioning, reading=reading, notes=notes, doubtful=doubtful)


def of_scene(conditioning: Conditioning, reading: SceneReading, note: str | None = None) -> Conditioning:
    """The conditioning by a scene in place of a reference: it has no looks that could be copied.

    note: where the scene comes from, by default what it shows.
    """
    notes = () if is_new(conditioning.found) else conditioning.notes
    first = note or f"made from a scene: {reading.sentence}"
    return replace(conditioning, looks=None, reading=reading, notes=(first, *notes))


@dataclass(frozen=True)
class Guidance:
    """What guides one candidate.

    relation_scale  Strength of the relation, 0 for one that says nothing; times that of the request.
    looseness       How loosely the reading is followed, [0, 1].
    faithful        Whether the reading is all that is known of the logic: what strays from it gives way to it.
    """

    relation_scale: float = 1.0
    looseness: float = 0.0
    faithful: bool = False


def guidance(
    conditioning: Conditioning, seed: int, asked: float | None = None, relation_scale: float = 1.0
) -> Guidance:
    """What guides the candidate of a seed. asked: the structure scale of the request, None if it has none.

    A logic that is new to mini is made from its reading alone, and one that may be new by candidates with odd seeds.
    """
    by_reading = conditioning.reading is not None and relation_scale > 0
    by_reading &= is_new(conditioning.found) or (conditioning.doubtful and asked is None and seed % 2 == 1)
    if by_reading:
        closeness = 1.0 if asked is None else asked
        return Guidance(0.0, 1.0 - closeness, faithful=closeness == 1.0)
    return Guidance(looseness=1.0 - structure_scale(asked, conditioning, relation_scale))


def structure_scale(asked: float | None, conditioning: Conditioning, relation_scale: float = 1.0) -> float:
    """How closely the reading's arrangement is kept, in [0, 1], if that was not `asked` for.

    Exactly for a scene and for a logic that is new to mini; the surer the relation is, the more it decides itself. With
    a relation_scale of 0 the whole reference is to be ignored.
    """
    if asked is not None:
        return asked
    if relation_scale == 0:
        return 0.0
    if conditioning.reading is None or conditioning.looks is None or is_new(conditioning.found):
        return 1.0
    return 1.0 - KNOWN_LOOSENESS * conditioning.found.confidence


def text_confidence(text: Vectors, encoder: MiniEncoder) -> float:
    """The confidence in embedded words, in [0, 1]: their cosine to the nearest caption."""
    return float(np.clip(encoder.nearest_captions(text, 1)[0].score, 0, 1))


def pull_to_centroid(words: Vectors, encoder: MiniEncoder, confidence: float) -> Vectors:
    """Embedded words (384,) moved towards the captions of their nearest relation; unchanged at low confidence."""
    taken = encoder.taken_for(words, confidence)
    return normalized((1 - CENTROID_WEIGHT) * words + CENTROID_WEIGHT * taken)


def weighted_sum(relations: Vectors, text: Vectors | None, weights: Sequence[float] = ()) -> Vectors:
    """The pictures' relations (n, 384) by their weights, or their mean, plus TEXT_WEIGHT times the text's (384,).

    Raises ValueError if they cancel out.
    """
    if not weights:
        relations, weights = combine_relations(relations)[None], (1.0,)
    if text is None:
        return combine_relations(relations, weights)
    return combine_relations(np.concatenate([relations, text[None]]), [*weights, TEXT_WEIGHT])


def normalized(vector: Vectors) -> Vectors:
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)
