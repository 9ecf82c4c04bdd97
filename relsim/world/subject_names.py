"""Finds what a user calls a thing among the library's drawings: in any language, misspelt, as a phrase or an emoji.

The order: the name itself, a famous name, a listed relative, a name in another language, an emoji, a misspelling, the
head noun of a phrase, and the meaning of words that the text tower knows. Whatever is taken other than by its very
name is told (`SubjectMatch.note`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from analogen.relsim.world.art import ArtLibrary, Embed, spellings
from analogen.relsim.world.famous import famous
from analogen.relsim.world.names import HAND, KEYWORD, LABEL, MAJOR, NameIndex, normalized, split_emoji
from analogen.relsim.world.phrases import Color, Phrase, color_of, modifiers, parse, split_cjk_color
from analogen.relsim.world.spelling import closest
from analogen.relsim.world.vocabulary import vocabulary

# Cosine of a word's meaning from which a noun is drawn for it. Seen below: fish for "tank" (0.58), a medal for
# "soldier" (0.59); above: piano for "music" (0.64), banana for "fruit" (0.73), cell phone for "phone" (0.84).
NEAR_IN_MEANING = 0.6
NEAREST = 5  # names that are offered where nothing is near
# They are drawn for those who ask for them by name, and stand in for nothing else.
NEVER_INSTEAD = frozenset({
    "pile of poo", "toilet", "toilet paper", "plunger", "love hotel", "kiss mark", "biting lip", "tongue", "briefs",
    "bikini", "cigarette", "coffin", "headstone", "funeral urn", "clown", "nerd", "money mouth", "disguised face",
    "exploding head", "pig nose", "see no evil monkey", "hear no evil monkey", "speak no evil monkey", "horns gesture",
    "pinching hand", "call me hand", "breastfeeding woman", "pregnant woman", "pregnant person", "bunny dancers",
    "person in bed", "bather", "sauna visitor", "person getting massage", "skull and crossbones", "wedding chapel",
    "blood drop", "ogre", "goblin", "zombie", "troll", "devil", "cockroach", "microbe", "donkey", "smiley",
    "crying face", "masked face", "splatter", "hole", "fax machine", "pager", "joker", "anatomical heart",
    "bush",  # which the text tower takes for a president
})  # fmt: skip
# No misspelt word is taken for these.
NEVER_MEANT = frozenset({"ass", "poo", "dung", "pile of poo", "love hotel", "kiss mark", "biting lip", "imp", "hug"})
# Words of the vocabulary up to this rank are common English; beyond it come names ("castillo", "carr") and fragments.
COMMON_RANK = 12_000
LONG = 8  # letters from which on a person's name may be misspelt: "mercel" is none
_QUOTED = re.compile(r"^[\s\"'“”„«»‘’(\[¿¡]+|[\s\"'“”„«»‘’)\].,;:!?…。、！？]+$")  # marks around a text


@dataclass(frozen=True)
class SubjectMatch:
    """What was found for a text.

    name       A noun of the library; None if nothing is near.
    how        "name", "relative", "language", "emoji", "spelling", "meaning", "famous" or "nothing".
    score      1, or the cosine of a meaning.
    said       The word that was understood where it differs from the text: the corrected spelling, the head of a
               phrase, the label of an emoji.
    detail     The language, or the kind of a famous thing.
    color      To paint the thing in.
    number     Words that count ("two"), which the relation decides instead.
    left_out   Parts of the text that are not drawn.
    nearest    Up to five names, where nothing is near.
    """

    name: str | None
    how: str
    score: float = 1.0
    said: str = ""
    detail: str = ""
    color: Color | None = None
    number: str = ""
    left_out: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()

    @property
    def is_drawn(self) -> bool:
        """Whether the drawing shows what was asked for, and does not stand in for it."""
        return self.how not in ("famous", "nothing")

    def note(self, flag: str, text: str) -> str | None:
        """One line for the user on what was taken for the text; None if it is what it says."""
        asked = f"{flag} {text!r}"
        if self.how == "nothing":
            said = f" ({self.said})" if self.said else ""
            nearest = f"; nearest: {', '.join(self.nearest)}" if self.nearest else ""
            own = "give your own drawing with --subject-image" if flag == "--subject" else "name one of those"
            return f"no drawing is near {asked}{said}: a plain disc with the word on it stands in{nearest}; {own}"
        if self.how == "famous":
            line = f"{asked}: no drawing of this {self.detail}; {self.name!r}, the nearest, stands in"
        else:
            reason = {
                "name": "", "relative": "", "emoji": "",
                "language": f" ({self.detail})",
                "spelling": f" (did you mean {self.said!r}?)",
                "meaning": f" (the nearest in meaning{' to ' + repr(self.said) if self.said else ''})",
            }[self.how]  # fmt: skip
            whole = not (self.color or self.number or self.left_out)
            if whole and (self.how == "name" or (self.how == "emoji" and not reason)):
                return None
            line = f"{asked} is drawn as {self.name!r}{reason}"
        if self.color is not None:
            line += f", coloured {self.color.name}"
        if self.number:
            line += f"; the relation decides how many, not {self.number!r}"
        if self.left_out:
            line += f"; left out: {', '.join(repr(part) for part in self.left_out)}"
        return line


class SubjectFinder:
    """Looks names up in a library. Use `subject_finder()`; everything is read when first needed."""

    def __init__(self, library: ArtLibrary, index: NameIndex) -> None:
        self.library, self._index = library, index

    def find(self, text: str, embed: Embed | None = None) -> SubjectMatch:
        """Find the noun for a text, in the order that this file's first lines tell.

        embed: maps n texts to (n, 384) unit vectors of all-MiniLM-L6-v2; without it no meaning is compared.
        """
        symbols, words = split_emoji(text)
        if symbols and not words:
            return self._by_emoji(symbols, embed)
        words = _QUOTED.sub("", words or text) or text
        if not re.search(r"\w", words):
            return SubjectMatch(None, "nothing")
        plain = normalized(words)
        found = self._named(plain)
        if (
            found is None and plain.isascii() and plain in vocabulary()
        ):  # a word, if a rare one: no slip of a finger unless nothing is near
            meant = self._by_meaning(words, embed)
            found = meant if meant.is_drawn else None
        return found or self._misspelt(plain, whole=True) or self._phrase(words) or self._by_meaning(words, embed)

    # One name ----------------------------------------------------------------------------------------------------

    def _named(self, words: str) -> SubjectMatch | None:
        """By a name alone: the library's, a famous one, a relative's, or one in another language."""
        words = re.sub(r"^(a|an|the|some) (?=.)", "", words)
        name = self.library.by_name(words)
        if name is not None:
            return SubjectMatch(name, "name")
        if words in famous():
            return SubjectMatch(famous()[words].noun, "famous", detail=famous()[words].kind)
        relative = self.library.by_relative(words)
        if relative is not None:
            return SubjectMatch(relative, "relative")
        is_english = _is_common(words)
        found = self._index.find(words, accents=is_english)
        if found is None:
            return None
        # An English word may mean something else elsewhere: "tank" fuel in German, "cup" a trophy in Vietnamese.
        if is_english and not (found.tier == HAND or (found.tier == LABEL and found.language in MAJOR)):
            return None
        if found.tier == KEYWORD and found.noun in NEVER_INSTEAD:
            return None
        if found.tier == KEYWORD and words.isascii():
            meant = closest(words, self._known, vocabulary())
            if meant is not None and OSA.distance(words, meant) == 1:  # "triangel", here rather than in Dutch
                return replace(self._named(meant) or SubjectMatch(found.noun, "language"), how="spelling", said=meant)
        return SubjectMatch(found.noun, "language", detail=found.language)

    def _by_emoji(self, symbols: list[str], embed: Embed | None) -> SubjectMatch:
        noun = self._index.emoji(symbols[0])
        rest = tuple(symbols[1:])
        if noun is not None:
            return SubjectMatch(noun, "emoji", left_out=rest)
        label = self._index.emoji_label(symbols[0]) or ""
        nearest = tuple(name for name, _ in self._nearest(label, embed)[:NEAREST]) if label else ()
        return SubjectMatch(None, "nothing", said=label, left_out=rest, nearest=nearest)

    @cached_property
    def _known(self) -> dict[str, str]:
        """English words that may be misspelt, in the form in which they are compared, by themselves."""
        people = {name for name, found in famous().items() if found.kind == "person" and len(name) < LONG}
        names = [*self.library.nouns(), *self.library.relatives(), *(famous().keys() - people)]
        return {normalized(name): name for name in names if name not in NEVER_MEANT}

    @cached_property
    def _known_abroad(self) -> list[str]:
        return [name for name, found in self._index.names(LABEL) if found.noun not in NEVER_MEANT]

    @cached_property
    def _well_known_abroad(self) -> list[str]:
        return [name for name, found in self._index.names(HAND) if len(name) > 3]

    def _misspelt(self, words: str, whole: bool = False) -> SubjectMatch | None:
        """By the nearest spelling, for words that are none. whole: among all names of other languages."""
        words = re.sub(r"^(a|an|the|some) (?=.)", "", words)
        if all(_is_common(word) for word in words.split()):
            return None  # "speed" is no misspelt "seed"
        for known in (self._known, self._known_abroad if whole else self._well_known_abroad):
            singulars = dict.fromkeys(spellings(words))  # "bycicles"
            for form in singulars:
                if known is not self._known and form.isascii() and len(form) < 5:
                    continue  # some language has a word for nearly every few letters
                meant = closest(form, known, vocabulary())
                if meant is None or (len(meant.split()) != len(words.split())) or self._replaces_a_name(form, meant):
                    continue
                found = self._named(meant)
                if found is not None:
                    detail = found.detail
                    how = "famous" if found.how == "famous" else "spelling"
                    return replace(found, how=how, said=meant, detail=detail)
        return None

    def _replaces_a_name(self, words: str, meant: str) -> bool:
        """Whether one of several words is a name as it stands: a "black ant" is no misspelt "black cat"."""
        pairs = list(zip(words.split(), meant.split(), strict=True))
        return len(pairs) > 1 and any(a != b and self.library.by_name(a) is not None for a, b in pairs)

    # Phrases -----------------------------------------------------------------------------------------------------

    def _phrase(self, text: str) -> SubjectMatch | None:
        """The head noun of a phrase with what was said of it; None if the head is not known."""
        first, *rest = re.split(r"\s*(?:[&+/]|,\s)\s*", text, maxsplit=1)  # "cat & dog", "cat, dog"
        if rest and color_of(normalized(first)) is None and (found := self._of_phrase(parse(first))) is not None:
            return replace(found, left_out=(*found.left_out, rest[0]))
        color, words = split_cjk_color(normalized(text))
        if color is not None:
            found = self._named(words)
            return None if found is None else replace(found, color=color)
        return self._of_phrase(parse(text)) or self._of_phrase(parse(text, participles=False))

    def _of_phrase(self, phrase: Phrase) -> SubjectMatch | None:
        told = tuple(part for part in (phrase.before, phrase.after) if part)
        if phrase.vessel:
            held = " ".join(("of", *phrase.head))
            found = self._named(" ".join((*phrase.vessel, held)))  # "cup of coffee" is a name
            if found is not None:
                return replace(found, left_out=(*found.left_out, *told))
            if normalized(phrase.vessel[-1]) in self.library.nouns():  # not the glasses for "a glass of water"
                found = self._noun_phrase(phrase.vessel, spelled=False)
                if found is not None:
                    return replace(found, left_out=(*found.left_out, held, *told))
            told = (" ".join((*phrase.vessel, "of")), *told)
        if not phrase.head:
            return None
        found = self._noun_phrase(phrase.head)
        return None if found is None else replace(found, left_out=(*found.left_out, *told))

    def _noun_phrase(self, words: tuple[str, ...], spelled: bool = True) -> SubjectMatch | None:
        """The longest end of the words that is a name; then the longest end that misspells one."""
        trailing: tuple[str, ...] = ()
        if len(words) > 1 and color_of(words[-1]) and self._named(" ".join(words)) is None:
            words, trailing = words[:-1], words[-1:]  # "perro rojo"
        for named in (self._named, self._misspelt) if spelled else (self._named,):
            for start in range(len(words)):
                found = named(" ".join(words[start:]))
                if found is None or (found.how == "language" and self._is_english(words, start)):
                    continue
                said = modifiers((*words[:start], *trailing), " ".join(words[start:]))
                return replace(found, color=said.color, number=said.number, left_out=said.left_out)
        return None

    def _is_english(self, words: tuple[str, ...], start: int) -> bool:
        """Whether the end of a phrase is a common English word after another: a "violin case" is no Italian house."""
        before = [word for word in words[:start] if color_of(word) is None]
        return bool(before) and _is_common(" ".join(words[start:])) and all(_is_common(word) for word in before)

    # Meaning -----------------------------------------------------------------------------------------------------

    def _by_meaning(self, text: str, embed: Embed | None) -> SubjectMatch:
        phrase = parse(text)
        vessel = " ".join((*phrase.vessel, "of")) if phrase.vessel else ""
        told = tuple(part for part in (phrase.before, vessel, phrase.after) if part)
        head = phrase.head or (normalized(text),)
        said = modifiers(head[:-1])
        words = " ".join(part for part in (said.others, head[-1]) if part)
        parts = [word for word in re.split(r"[\s']+", words) if word]
        known = all(any(form in vocabulary() for form in spellings(word)) for word in parts)
        ordered = self._nearest(words, embed)
        if known and ordered and ordered[0][1] >= NEAR_IN_MEANING:
            name, score = ordered[0]
            said_words = words if words != normalized(text) else ""
            left_out = (said.more_colors, *told) if said.more_colors else told
            return SubjectMatch(name, "meaning", score, said_words, "", said.color, said.number, left_out)
        return SubjectMatch(None, "nothing", nearest=tuple(name for name, _ in ordered[:NEAREST]))

    def _nearest(self, words: str, embed: Embed | None) -> list[tuple[str, float]]:
        """Names of different drawings with their cosines, best first; without a text tower names that are written
        alike, with cosine 0."""
        if embed is None:
            return self._alike(words)
        scores = self.library.meanings @ np.asarray(embed([words]), dtype=np.float32)[0]
        found: dict[str, tuple[str, float]] = {}
        for row in np.argsort(-scores):
            name = self.library.nouns()[row]
            first = self.library.first_noun(name)
            if first not in NEVER_INSTEAD and first not in found and _shares_only_heads(words, name):
                found[first] = (name, float(scores[row]))
                if len(found) == NEAREST:
                    break
        return list(found.values())

    def _alike(self, words: str) -> list[tuple[str, float]]:
        found = process.extract(words, list(self._known), scorer=fuzz.ratio, limit=3 * NEAREST)
        names = dict.fromkeys(self._known[text] for text, _, _ in found)
        return [(name, 0.0) for name in names if self.library.by_name(normalized(name))][:NEAREST]


def _is_common(word: str) -> bool:
    """Whether a word is common English; the vocabulary holds single letters of other scripts as well."""
    return word.isascii() and vocabulary().get(word, COMMON_RANK) < COMMON_RANK


def _head_of(name: str) -> str:
    """The head noun of a name: "bowl" of "bowl with spoon", "top" of "tank top"."""
    return re.split(r" (?:of|with|in|on|behind|and|without|under) ", name)[0].split()[-1]


def _shares_only_heads(words: str, name: str) -> bool:
    """Whether no word of the name is shared but as the head of both.

    A "tank" is no tank top and a "fire hydrant" no fire engine, however near the shared word brings them.
    """
    asked = {form for word in words.split() for form in spellings(word)}
    shared = {word for word in re.split(r"[\s-]+", name) if word in asked}
    head = words.split()[-1]
    return all(word in spellings(head) and word in spellings(_head_of(name)) for word in shared)


@lru_cache(maxsize=4)
def subject_finder(library: ArtLibrary | None = None) -> SubjectFinder:
    """The finder of a library, the shipped one if None."""
    return SubjectFinder(library or ArtLibrary.shipped(), NameIndex.shipped())
