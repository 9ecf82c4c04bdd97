"""Chooses the icons for a request: for the subject, for the `--other` thing, and their style."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from analogen.conditioning import normalized
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.icon import Art
from analogen.relsim.world.subject_image import read_subject_image
from analogen.scoring import Vectors
from analogen.types import Request

SUBJECT_PX = 224  # the size at which the encoder sees the user's own picture of the subject


@dataclass(frozen=True)
class ArtSelection:
    """The art that a request is drawn with.

    subject         Name of the subject's drawing in the library, or of the user's own picture.
    subject_vector  (384,), what the subject score compares the candidates with.
    art             The user's own picture, None if the library draws the subject.
    others          Names of second things to choose from.
    style           Art family, None if each candidate's seed chooses one.
    notes           Lines for the user, such as a subject that the library does not have.
    drawable        False if the drawing only stands in for a subject that is not in the library.
    """

    subject: str
    subject_vector: Vectors
    art: Art | None
    others: tuple[str, ...]
    style: str | None
    notes: tuple[str, ...] = ()
    drawable: bool = True


def select_art(request: Request, library: ArtLibrary, encoder: MiniEncoder) -> ArtSelection:
    """Find the art of the subject and of the second thing.

    Raises ValueError for an unknown style or a subject picture that cannot be used.
    """
    notes: list[str] = []
    is_near = {"--subject": True}

    def look_up(text: str, flag: str) -> str:
        try:
            match = library.find(text)
        except ValueError:  # the library has no such name: search by meaning, which needs the text tower
            match = library.find(text, lambda texts: encoder.embed_text(texts))
        is_near[flag] = match.near
        if not match.near:
            notes.append(
                f"no drawing is near {flag} {text!r}: {match.name!r} stands in; give your own with --subject-image"
            )
        elif not match.exact:
            notes.append(f"{flag} {text!r} is drawn as {match.name!r}")
        return match.name

    if request.style is not None and request.style not in library.styles:
        raise ValueError(f"unknown style {request.style!r}: expected one of {', '.join(library.styles)}")
    art: Art | None = None
    if request.subject_image is not None:
        art = read_subject_image(request.subject_image)
        notes += art.notes
        subject = request.subject or art.name
        # The picture itself is embedded, since its name may say little.
        vector = encoder.embed_subject([_on_white(art)])[0]
        if request.subject:
            vector = normalized(vector + encoder.embed_text([request.subject])[0])
    else:
        assert request.subject is not None, "a request names a subject or its picture"
        subject = look_up(request.subject, "--subject")
        vector = library.meaning(subject)
    if request.other is not None:
        others: tuple[str, ...] = (look_up(request.other, "--other"),)
    else:
        others = contrasting_names(subject if art is None else None, library)
    if request.negative_prompt is not None:
        notes.append("mini does not use --negative-prompt: it changes nothing")
    return ArtSelection(subject, vector, art, others, request.style, tuple(notes), is_near["--subject"])


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
