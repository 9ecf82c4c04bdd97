"""Chooses the icons for a request: for the subject, for the `--other` thing, and their style."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analogen.conditioning import normalized
from analogen.own_art import embed_art, find_own, open_art
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
    own_others      The user's own pictures among `others`, by name.
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
    own_others: Mapping[str, Art] = field(default_factory=dict)

    def scene_art(self, library: ArtLibrary, other: str, style: str) -> SceneArt:
        """The art of a scene with this second thing in a style of the library."""

        def of(name: str, own: Art | None, color: Color | None) -> Art | None:
            return painted(library.icon(name, style), color.value) if own is None and color is not None else own

        second = self.own_others.get(other, self.other_art)
        return SceneArt(library, of(self.subject, self.art, self.color), of(other, second, self.other_color))


def select_art(request: Request, library: ArtLibrary, encoder: MiniEncoder) -> ArtSelection:
    """Find the art of the subject and of the second thing.

    Raises ValueError for an unknown style, a subject picture or a folder of own art that cannot be used.
    """
    notes: list[str] = []
    library_of_own = None if request.art is None else open_art(request.art)
    finder = subject_finder(library)

    def look_up(text: str, flag: str) -> SubjectMatch:
        match = finder.find(text, lambda texts: encoder.embed_text(texts))
        note = match.note(flag, text)
        if note is not None:
            notes.append(note)
        return match

    def look_up_own(text: str | None, flag: str) -> Art | None:
        if library_of_own is None or text is None:
            return None
        found = find_own(library_of_own, text, encoder)
        if found is None:
            notes.append(f"{flag} {text!r} is not in {request.art}: a shipped drawing is taken")
            return None
        if found.score < 1:
            notes.append(f"{flag} {text!r} is drawn as {found.thing.name!r} ({found.thing.path.name})")
        notes.extend(found.thing.notes)
        return found.thing

    if request.style is not None and request.style not in library.styles:
        raise ValueError(f"unknown style {request.style!r}: expected one of {', '.join(library.styles)}")
    art: Art | None = None
    color: Color | None = None
    is_drawn = request.subject_image is not None
    if request.subject_image is not None:
        art = own = read_subject_image(request.subject_image, request.subject_part)
        notes += own.notes
        subject = request.subject or own.name
        # The picture itself is embedded, since its name may say little.
        vector = embed_art([own], encoder)[0]
        if request.subject:
            vector = normalized(vector + encoder.embed_text([request.subject])[0])
    elif (art := look_up_own(request.subject, "--subject")) is not None:
        subject, is_drawn = art.name, True
        vector = normalized(embed_art([art], encoder)[0] + encoder.embed_text([subject])[0])
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
    own_others: dict[str, Art] = {}
    second = look_up_own(request.other, "--other")
    if second is not None:
        others: tuple[str, ...] = (second.name,)
        own_others = {second.name: second}
    elif request.other is not None:
        match = look_up(request.other, "--other")
        others = (match.name or DISC,)
        other_art = None if match.name else WordDisc(request.other)
        other_color = match.color
    elif library_of_own is not None and art is not None and set(library_of_own.names) - {subject}:
        # A set of one's own is drawn with one's own.
        own_others = {thing.name: thing for thing in reversed(library_of_own.things) if thing.name != subject}
        others = tuple(sorted(own_others))
    else:
        others = contrasting_names(subject if art is None else None, library)
    if request.negative_prompt is not None:
        notes.append("mini does not use --negative-prompt: it changes nothing")
    return ArtSelection(
        subject, vector, art, others, request.style, tuple(notes), is_drawn, color, other_art, other_color,
        own_others,
    )  # fmt: skip


def contrasting_names(subject: str | None, library: ArtLibrary) -> tuple[str, ...]:
    """Names of second things that contrast with the subject: clear drawings of another category.

    subject: a name of the library; None, for the user's own picture, allows all clear drawings.
    """
    stock = library.nouns(stock=True)
    if subject is None:
        return stock
    return tuple(name for name in stock if library.category(name) != library.category(subject)) or stock
