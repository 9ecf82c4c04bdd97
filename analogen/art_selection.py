"""Chooses the icons for a request: for the subject, for the `--other` thing, and their style."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from analogen.conditioning import normalized
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.icon import Art
from analogen.relsim.world.phrases import Color
from analogen.relsim.world.recoloring import painted
from analogen.relsim.world.render import SceneArt
from analogen.relsim.world.subject_image import read_subject_image
from analogen.relsim.world.subject_names import SubjectMatch, subject_finder
from analogen.relsim.world.word_disc import WordDisc
from analogen.scoring import Vectors
from analogen.types import Request

DISC = "disc"  # the noun that a scene names where a word on a disc stands in
SUBJECT_PX = 224  # the size at which the encoder sees the user's own picture of the subject


@dataclass(frozen=True)
class ArtSelection:
    """The art that a request is drawn with.

    subject         Name of the subject's drawing in the library, or of the user's own picture.
    subject_vector  (384,), what the subject score compares the candidates with.
    art             The user's own picture, or a disc with the word on it; None if the library draws the subject.
    others          Names of second things to choose from.
    style           Art family, None if each candidate's seed chooses one.
    notes           Lines for the user, such as a subject that the library does not have.
    drawable        False if the drawing only stands in for a subject that is not in the library.
    color           The colour to paint the library's subject in; None leaves it as it is.
    other_art, other_color   As `art` and `color`, of the second thing.
    """

    subject: str
    subject_vector: Vectors
    art: Art | None
    others: tuple[str, ...]
    style: str | None
    notes: tuple[str, ...] = ()
    drawable: bool = True
    color: Color | None = None
    other_art: Art | None = None
    other_color: Color | None = None

    def scene_art(self, library: ArtLibrary, other: str, style: str) -> SceneArt:
        """The art of a scene with this second thing in a style of the library."""

        def of(name: str, own: Art | None, color: Color | None) -> Art | None:
            return painted(library.icon(name, style), color.value) if own is None and color is not None else own

        return SceneArt(library, of(self.subject, self.art, self.color), of(other, self.other_art, self.other_color))


def select_art(request: Request, library: ArtLibrary, encoder: MiniEncoder) -> ArtSelection:
    """Find the art of the subject and of the second thing.

    Raises ValueError for an unknown style or a subject picture that cannot be used.
    """
    notes: list[str] = []
    finder = subject_finder(library)

    def look_up(text: str, flag: str) -> SubjectMatch:
        match = finder.find(text, lambda texts: encoder.embed_text(texts))
        note = match.note(flag, text)
        if note is not None:
            notes.append(note)
        return match

    if request.style is not None and request.style not in library.styles:
        raise ValueError(f"unknown style {request.style!r}: expected one of {', '.join(library.styles)}")
    art: Art | None = None
    color: Color | None = None
    is_drawn = request.subject_image is not None
    if request.subject_image is not None:
        art = own = read_subject_image(request.subject_image)
        notes += own.notes
        subject = request.subject or own.name
        # The picture itself is embedded, since its name may say little.
        vector = encoder.embed_subject([_on_white(own)])[0]
        if request.subject:
            vector = normalized(vector + encoder.embed_text([request.subject])[0])
    else:
        assert request.subject is not None, "a request names a subject or its picture"
        match = look_up(request.subject, "--subject")
        if match.name is None:
            subject, art = DISC, WordDisc(request.subject)
            vector = encoder.embed_text([request.subject])[0]
        else:
            subject, color, is_drawn = match.name, match.color, match.is_drawn
            vector = library.meaning(subject)
    other_art: Art | None = None
    other_color: Color | None = None
    if request.other is not None:
        match = look_up(request.other, "--other")
        others: tuple[str, ...] = (match.name or DISC,)
        other_art = None if match.name else WordDisc(request.other)
        other_color = match.color
    else:
        others = contrasting_names(subject if art is None else None, library)
    if request.negative_prompt is not None:
        notes.append("mini does not use --negative-prompt: it changes nothing")
    return ArtSelection(
        subject, vector, art, others, request.style, tuple(notes), is_drawn, color, other_art, other_color
    )


def contrasting_names(subject: str | None, library: ArtLibrary) -> tuple[str, ...]:
    """Names of second things that contrast with the subject: clear drawings of another category.

    subject: a name of the library; None, for the user's own picture, allows all clear drawings.
    """
    stock = library.nouns(stock=True)
    if subject is None:
        return stock
    return tuple(name for name in stock if library.category(name) != library.category(subject)) or stock


def _on_white(art: Art) -> Image.Image:
    pixels = Image.fromarray(np.asarray(art.pixels(SUBJECT_PX)))
    ground = Image.new("RGBA", pixels.size, "white")
    ground.alpha_composite(pixels)
    return ground.convert("RGB")
