"""What models say in the words of people: the scores of a picture with their numbers, and anonymous captions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple


class Told(NamedTuple):
    """One score. what: the part of the picture; words: how it is; level: good, fair or poor; number: in [0, 1]."""

    what: str
    words: str
    level: str
    number: float


# The score, what it is about, and the words from the highest probability down; less is better for the last.
_SCALES: tuple[tuple[str, str, tuple[tuple[float, str, str], ...]], ...] = (
    ("relation", "same idea", ((0.8, "certainly", "good"), (0.5, "probably", "good"), (0.25, "perhaps", "fair"),
                               (0.0, "hardly", "poor"))),
    ("subject", "subject", ((0.5, "clear", "good"), (0.2, "recognisable", "fair"), (0.0, "hard to tell", "poor"))),
    ("copy", "looks", ((0.7, "like the reference", "poor"), (0.4, "partly new", "fair"), (0.0, "new", "good"))),
)  # fmt: skip
MEANINGS = {
    "same idea": "that the picture has the logic of the reference, whatever it is made of",
    "subject": "that it shows the subject, and no other thing that could be drawn",
    "looks": "that it has the colours and materials of the reference; less is better",
}


def plain_caption(caption: str) -> str:
    """An anonymous caption as people say it: "many things arranged in a circle"."""
    one = re.search(r"\b(a|an|one|each|single|the)\b( \w+){0,2} \{subject\}", caption)
    several = re.search(r"\b(many|several|small|few)\b( \w+)? \{other\}", caption)
    told = caption.replace("{subject}", "thing" if one else "things")
    return told.replace("{other}", "other things" if several else "another thing")


def told(scores: Mapping[str, float], has_reference: bool = True) -> list[Told]:
    """The calibrated scores of a picture in words; none for a picture that was edited by hand."""
    found = []
    for name, what, steps in _SCALES:
        if name not in scores or (name == "copy" and not has_reference):
            continue
        value = min(max(float(scores[name]), 0.0), 1.0)
        words, level = next((words, level) for least, words, level in steps if value >= least)
        found.append(Told(what, words, level, value))
    return found


def short(image: Mapping[str, Any]) -> str:
    """A few words for a small card: what the reader does not confirm, else how sure the idea is."""
    if image.get("edited"):
        return "edited"
    if image.get("read"):
        return str(image["read"])
    first = told(image["scores"])
    return f"{first[0].what}: {first[0].words}" if first else ""
