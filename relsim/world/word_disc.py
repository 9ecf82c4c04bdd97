"""A plain disc with a word on it, which stands in for a thing that the library does not draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from analogen.relsim.world.icon import Pixels, check_side
from analogen.relsim.world.lettering import LINE, draw_text, fitted, text_width

# A light disc with a dark rim is seen on any ground.
FILL, RIM, INK = "#f4efe4", "#3b4250", "#2a2f3a"
_RIM_SHARE, _TEXT_SHARE = 0.045, 0.76  # of the side: the rim's width, and the room of a line in the middle
_MAX_LINES, _SMALLEST, _LARGEST = 3, 0.11, 0.26  # sizes of the letters, of the side


@dataclass(frozen=True)
class WordDisc:
    """Implements `Art`. name: the word or the words on the disc."""

    name: str

    def document(self, side: int = 512, standing: bool = False) -> None:
        """None: the word is written in pixels, since an SVG viewer may lack its letters."""

    def pixels(self, side: int, standing: bool = False) -> Pixels:
        """See `Art.pixels`."""
        check_side(side)
        scale = 2 if side <= 1024 else 1  # the rim is smooth when reduced
        drawn = side * scale
        disc = Image.new("RGBA", (drawn, drawn), (0, 0, 0, 0))
        draw = ImageDraw.Draw(disc)
        inset = drawn * 0.005
        draw.ellipse((inset, inset, drawn - 1 - inset, drawn - 1 - inset), FILL, RIM, round(_RIM_SHARE * drawn))
        lines, size = self._lines(drawn)
        top = drawn / 2 - LINE * size * len(lines) / 2
        for number, line in enumerate(lines):
            draw_text(disc, (drawn / 2, top + number * LINE * size), line, size, INK, middle=True)
        pixels = np.array(disc.resize((side, side), Image.Resampling.LANCZOS) if scale > 1 else disc)
        pixels.setflags(write=False)
        return pixels

    def _lines(self, side: int) -> tuple[list[str], int]:
        """The word in up to three lines, and the size of its letters in pixels."""
        words, width = self.name.split() or [self.name], _TEXT_SHARE * side
        best: tuple[list[str], int] = ([], 0)
        for count in range(1, min(_MAX_LINES, len(words)) + 1):
            lines = _balanced(words, count)
            room = width * (1.0, 0.95, 0.85)[count - 1]
            widest = max(text_width(line, 100) for line in lines) / 100
            size = min(_LARGEST * side, room / max(widest, 0.1), 0.6 * side / count)
            if size > best[1]:
                best = lines, max(1, int(size))
        lines, size = best
        if size < _SMALLEST * side:  # a long word keeps its start
            size = max(1, int(_SMALLEST * side))
            lines = [fitted(line, size, width) for line in lines]
        return lines, size


def _balanced(words: list[str], count: int) -> list[str]:
    """The words in `count` lines of about the same length."""
    goal = sum(map(len, words)) / count
    lines: list[list[str]] = [[]]
    for number, word in enumerate(words):
        left = count - len(lines)
        long = sum(map(len, lines[-1])) + len(word) / 2 > goal
        if lines[-1] and left and (long or len(words) - number <= left):
            lines.append([])
        lines[-1].append(word)
    return [" ".join(line) for line in lines]
