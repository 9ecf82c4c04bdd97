"""Finds the word that a misspelt one was meant to be, by edits as fingers and ears make them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rapidfuzz import process
from rapidfuzz.distance import OSA

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_VOWELS = frozenset("aeiouy")
# Letters that sound alike or are swapped between languages: elefant, kristal, fone.
_SOUNDS = (frozenset("cks"), frozenset("sz"), frozenset("fv"), frozenset("iy"), frozenset("uw"), frozenset("gj"))
_UNKNOWN_RANK = 40_000  # of words that the vocabulary lacks


def closest(word: str, known: Collection[str], ranks: Mapping[str, int]) -> str | None:
    """The known word that `word` most likely misspells, None if none is near enough.

    Near is one edit; in words from six letters on also one edit of the sound (elefant, bycicle), and from nine letters
    on two edits behind the same first letter. ranks: of frequent words, lower ones more frequent; they decide between
    equally near words.
    """
    if len(word) < 3:
        return None
    limit = 1 if len(word) < 6 else 2
    found = process.extract(word, known, scorer=OSA.distance, score_cutoff=limit, limit=80)
    sound = _sound(word)
    near = [
        text
        for text, distance, _ in found
        if distance <= 1
        or (len(word) >= 9 and text[0] == word[0])
        or (_sound(text)[0] == sound[0] and OSA.distance(_sound(text), sound, score_cutoff=1) == 0)
    ]
    return min(near, key=lambda text: (_cost(word, text), _rank(text, ranks), text), default=None)


def _sound(word: str) -> str:
    """The word as it may be heard: elefant for elephant, bicicle for bycicle."""
    for written, heard in (("ph", "f"), ("y", "i"), ("ck", "k"), ("c", "k"), ("z", "s"), ("qu", "kw"), ("wh", "w")):
        word = word.replace(written, heard)
    return "".join(letter for number, letter in enumerate(word) if number == 0 or word[number - 1] != letter)


def _rank(text: str, ranks: Mapping[str, int]) -> int:
    return max(ranks.get(part, _UNKNOWN_RANK) for part in text.split())


def _cost(typed: str, meant: str) -> float:
    """The distance, in edits; swapped and doubled letters and neighbouring keys cost less than other edits."""
    cost = float(OSA.distance(typed, meant))
    if cost != 1:
        return cost + (0.5 if typed[:1] != meant[:1] else 0.0)
    place = next((n for n, (a, b) in enumerate(zip(typed, meant, strict=False)) if a != b), min(len(typed), len(meant)))
    if len(typed) == len(meant):
        a, b = typed[place], meant[place]
        if typed[place + 1 :] != meant[place + 1 :]:
            cost = 0.6  # two letters swapped
        elif _beside(a, b) or (a in _VOWELS and b in _VOWELS) or any({a, b} <= sound for sound in _SOUNDS):
            cost = 0.8
    elif len(typed) > len(meant):
        doubled = typed[place - 1 : place] == typed[place] or typed[place : place + 1] == typed[place + 1 : place + 2]
        cost = 0.6 if doubled else 0.9
    else:
        cost = 0.6 if meant[place - 1 : place] == meant[place] else 0.75
    return cost + (0.3 if place == 0 else 0.0)


def _beside(a: str, b: str) -> bool:
    for number, row in enumerate(_ROWS):
        if a in row:
            column = row.index(a)
            near = row[max(0, column - 1) : column + 2]
            for other in (number - 1, number + 1):
                if 0 <= other < len(_ROWS):
                    near += _ROWS[other][max(0, column - 1) : column + 2]
            return b in near
    return False
