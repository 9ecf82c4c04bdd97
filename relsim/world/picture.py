"""A cut-out of pixels as art, enlarged as it was made: drawings and photographs smoothly, pixel art in squares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from analogen.relsim.world.icon import Art, Icon, Pixels, check_side

PIXEL_ART_SIDE = 128  # pixels of a picture's grid at most, to be taken for pixel art
PIXEL_ART_COLORS = 64


@dataclass(frozen=True, eq=False)
class Picture:
    """A cut-out of pixels. `rgba`: (height, width, 4) uint8, straight alpha, trimmed to what is visible.

    notes: lines for the user about how it was cut out.
    """

    name: str
    rgba: Pixels
    notes: tuple[str, ...] = ()

    def document(self, side: int = 512, standing: bool = False) -> None:
        """None, because a picture of pixels has no SVG."""

    def pixels(self, side: int, standing: bool = False) -> Pixels:
        """See `Art.pixels`."""
        check_side(side)
        source = Image.fromarray(self.rgba if self._grid is None else self._grid)
        scale = side / max(source.size)
        size = (max(1, round(source.width * scale)), max(1, round(source.height * scale)))
        if self._grid is None:
            resized = source.resize(size, Image.Resampling.LANCZOS)
        else:  # whole squares first, so that all are of one size
            times = max(1, -(-side // max(source.size)))
            squares = source.resize((source.width * times, source.height * times), Image.Resampling.NEAREST)
            resized = squares.resize(size, Image.Resampling.BOX)
        square = Image.new("RGBA", (side, side))
        square.paste(resized, ((side - size[0]) // 2, (side - size[1]) // (1 if standing else 2)))
        pixels = np.array(square)
        pixels.setflags(write=False)
        return pixels

    @cached_property
    def _grid(self) -> Pixels | None:
        return pixel_grid(self.rgba)


def held_bytes(art: Art) -> int:
    """The memory that art itself takes, of pixels or of SVG; art that is a path or a word takes next to none."""
    inner = getattr(art, "art", art)  # of a painted picture
    if isinstance(inner, Picture):
        return inner.rgba.nbytes
    return len(inner.body) if isinstance(inner, Icon) else 0


def pixel_grid(rgba: Pixels) -> Pixels | None:
    """The picture at one pixel for each of its squares, if it is pixel art: few colours on a small grid. Else None."""
    colors = np.ascontiguousarray(rgba).view(np.uint32)[..., 0]
    block = int(np.gcd(_run_gcd(colors), _run_gcd(colors.T)))
    grid = rgba[::block, ::block]
    if max(grid.shape[:2]) > PIXEL_ART_SIDE or len(np.unique(colors[::block, ::block])) > PIXEL_ART_COLORS:
        return None
    return np.ascontiguousarray(grid)


def _run_gcd(colors: np.ndarray[tuple[int, ...], np.dtype[np.uint32]]) -> int:
    """The largest step at which all changes along the rows lie."""
    places = np.flatnonzero((colors[:, 1:] != colors[:, :-1]).any(axis=0)) + 1
    return int(np.gcd.reduce(np.append(places, colors.shape[1])))
