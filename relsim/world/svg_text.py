"""Text in SVGs: the fonts that are shipped for it, and which of them stands for a font that a drawing names."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

TEXT_ELEMENTS = frozenset({"text", "tspan", "textPath"})
# The shipped fonts have the widths of the ones that follow them, for programs that draw the SVG without ours.
SANS, SERIF, MONO = (
    "Arimo, Arial, Helvetica, sans-serif",
    "Tinos, Times New Roman, serif",
    "Cousine, Courier New, monospace",
)
# As in recipes/build_fonts.py.
LETTERS = ((0x20, 0x24F), (0x2C6, 0x2DD), (0x370, 0x52F), (0x1E00, 0x1EFF), (0x2010, 0x2044), (0x20A0, 0x20BF),
           (0x2100, 0x2122), (0x2190, 0x2199), (0x2200, 0x2265))  # fmt: skip
_MONO = re.compile(r"mono|courier|consol|menlo|code|terminal|typewriter")
_SERIF = re.compile(
    r"times|georgia|garamond|palatino|cambria|baskerville|bodoni|didot|roman|tinos|minion|caslon|playfair|lora|"
    r"merriweather|(?<!sans[ -])(?<!sans)serif"
)


@lru_cache(maxsize=1)
def font_files() -> list[str]:
    """The paths of the shipped fonts."""
    return sorted(str(path) for path in (Path(__file__).parent / "fonts").glob("*.ttf"))


def font_family(names: str) -> str:
    """The shipped fonts for a list of font families as CSS has it."""
    if names.strip().lower() in ("inherit", "unset"):
        return "inherit"
    first = [name.strip(" \"'").lower() for name in names.split(",")]
    for name in first:
        if _MONO.search(name):
            return MONO
        if _SERIF.search(name):
            return SERIF
        if name:
            return SANS
    return SERIF


def has_letters(text: str) -> bool:
    """Whether the shipped fonts have all letters of the text."""
    return all(any(first <= ord(c) <= last for first, last in LETTERS) or c.isspace() for c in text)
