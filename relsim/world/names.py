"""Names of the library's nouns in many languages and as emoji, from art/names.xz (built by recipes/build_names.py)."""

from __future__ import annotations

import lzma
import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

# How well a name is known to mean its noun: it is one of an emoji's keywords, its label, or was translated by hand.
KEYWORD, LABEL, HAND = 1, 2, 3

_LANGUAGE_NAMES = {
    "af": "Afrikaans", "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech",
    "da": "Danish", "de": "German", "el": "Greek", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian",
    "fi": "Finnish", "fil": "Filipino", "fr": "French", "gl": "Galician", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "is": "Icelandic", "it": "Italian", "ja": "Japanese",
    "ka": "Georgian", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "mr": "Marathi", "ms": "Malay",
    "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian",
    "sk": "Slovak", "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil",
    "te": "Telugu", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese",
    "yue": "Cantonese", "zh": "Chinese",
}  # fmt: skip
# Their words are looked for even where English has the same word.
MAJOR = frozenset({"German", "Spanish", "French", "Italian", "Portuguese"})
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_SELECTORS = (0xFE0E, 0xFE0F)  # text or picture presentation
_GENDERS = ("\u200d\u2640", "\u200d\u2642")  # "woman climbing" is the climber with one of these
_ADULTS = ("\U0001f468\u200d", "\U0001f469\u200d")  # "man astronaut" is a man, a joiner and a rocket
_PERSON = "\U0001f9d1\u200d"
# An emoji with its modifiers and joined parts, a pair of letters that is a flag, or a key cap.
_EMOJI = re.compile(
    "(?:[\U0001f1e6-\U0001f1ff]{2}|[0-9#*]\ufe0f?\u20e3|"
    "(?:[\u203c-\u3299\U0001f000-\U0001faff][\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]*)"
    "(?:\u200d[\u2190-\u3299\U0001f000-\U0001faff][\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]*)*)"
)


class ForeignName(NamedTuple):
    """A noun by its name in some language. language: its English name; tier: KEYWORD, LABEL or HAND."""

    noun: str
    language: str
    tier: int


def normalized(text: str) -> str:
    """The form in which names are compared: lower case, single spaces for hyphens, one way to write an accent."""
    folded = unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
    return re.sub(r"[\s_‐‑–-]+", " ", unicodedata.normalize("NFC", folded)).strip()


def without_accents(text: str) -> str:
    """Letters without their marks where the mark is an accent: in Latin, Greek and Cyrillic, not in other scripts."""
    kept = []
    for letter in unicodedata.normalize("NFD", text):
        if "\u0300" <= letter <= "\u036f":
            continue
        kept.append({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"}.get(letter, letter))
    return unicodedata.normalize("NFC", "".join(kept))


def plain_emoji(text: str) -> str:
    """An emoji without skin tone and without the marks that choose between a text and a picture."""
    return "".join(c for c in text if ord(c) not in _SKIN_TONES and ord(c) not in _SELECTORS)


def split_emoji(text: str) -> tuple[list[str], str]:
    """The emoji of a text in order, and the words that remain. Letters and CJK characters are words."""
    found = [match for match in _EMOJI.findall(text) if _is_symbol(match)]
    rest = _EMOJI.sub(lambda match: " " if _is_symbol(match[0]) else match[0], text)
    return found, " ".join(rest.replace("\ufe0f", " ").split())


def emoji_spans(text: str) -> list[tuple[str, bool]]:
    """The text in parts, each an emoji (True) or what lies between two (False); no part is empty."""
    parts: list[tuple[str, bool]] = []
    end = 0
    for match in _EMOJI.finditer(text):
        if _is_symbol(match[0]):
            parts += [(text[end : match.start()], False)] if match.start() > end else []
            parts.append((match[0], True))
            end = match.end()
    return parts + ([(text[end:], False)] if end < len(text) else [])


def _is_symbol(text: str) -> bool:
    return len(text) > 1 or unicodedata.category(text).startswith("S")


class NameIndex:
    """The names of a file, read when first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @staticmethod
    @lru_cache(maxsize=1)
    def shipped() -> NameIndex:
        """The names in the package."""
        return NameIndex(Path(__file__).parent / "art" / "names.xz")

    @cached_property
    def _tables(self) -> tuple[dict[str, ForeignName], dict[str, str], dict[str, str]]:
        names: dict[str, ForeignName] = {}
        emoji: dict[str, str] = {}
        labels: dict[str, str] = {}
        for line in lzma.decompress(self._path.read_bytes()).decode("utf-8").split("\n"):
            language, tier, noun, texts = line.split("\t")
            if language == "emoji":
                emoji[texts] = noun
            elif language == "label":
                labels[texts] = noun
            else:
                spoken = _LANGUAGE_NAMES[language.split("-")[0]]
                found = ForeignName(noun, spoken, int(tier))
                names.update(dict.fromkeys(texts.split(";"), found))
        return names, emoji, labels

    @cached_property
    def _unaccented(self) -> dict[str, str]:
        """Names without accents, for those who type without; where two fall together the better known stays."""
        names = self._tables[0]
        found: dict[str, str] = {}
        for name in sorted(names, key=lambda n: names[n].tier):
            found[without_accents(name)] = name
        return found

    def find(self, text: str, accents: bool = False) -> ForeignName | None:
        """The noun that a text names in some language; None if it names none.

        accents: they have to be right; else a text without them will do.
        """
        name = normalized(text)
        names = self._tables[0]
        plain = None if accents else self._unaccented.get(without_accents(name))
        found = [names[spelled] for spelled in (name, plain) if spelled in names]
        if not found and not accents:
            dotted = name.replace("ae", "ä").replace("oe", "ö").replace("ue", "ü")  # "loewe", without such a key
            found = [names[dotted]] if dotted != name and dotted in names else []
        return max(found, key=lambda one: one.tier, default=None)

    def names(self, tier: int = LABEL) -> Iterable[tuple[str, ForeignName]]:
        """All names of at least this tier."""
        return ((name, found) for name, found in self._tables[0].items() if found.tier >= tier)

    def emoji(self, character: str) -> str | None:
        """The noun of an emoji in any skin tone and gender; None if the library does not draw it."""
        table, plain = self._tables[1], plain_emoji(character)
        neutral = plain
        for gender in _GENDERS:
            neutral = neutral.replace(gender, "")
        for adult in _ADULTS:
            neutral = neutral.replace(adult, _PERSON)
        return table.get(plain) or table.get(neutral)

    def emoji_label(self, character: str) -> str | None:
        """What an emoji is called that the library does not draw; None for an unknown one."""
        return self._tables[2].get(plain_emoji(character))

    def emoji_of(self, noun: str) -> str | None:
        """The emoji that a noun is drawn after."""
        return next((character for character, name in self._tables[1].items() if name == noun), None)
