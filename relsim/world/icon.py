"""One drawing as SVG: the `Art` interface of the renderer, `Icon`, and the rasteriser with its cache."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.world.bounded_cache import BoundedCache
from analogen.relsim.world.svg_text import MONO, SANS, SERIF, font_files

MAX_SIDE_PX = 4096
_FONT_OPTIONS = {
    "font_family": SERIF.split(",")[0], "serif_family": SERIF.split(",")[0], "sans_serif_family": SANS.split(",")[0],
    "monospace_family": MONO.split(",")[0], "cursive_family": SANS.split(",")[0], "fantasy_family": SANS.split(",")[0],
}  # fmt: skip
CACHE_BYTES = 96 * 2**20

Pixels = NDArray[np.uint8]
View = tuple[float, float, float, float]  # left, top, width, height


class Art(Protocol):
    """The drawing of one thing, from the library or from the user."""

    @property
    def name(self) -> str: ...

    def pixels(self, side: int, standing: bool = False) -> Pixels:
        """Pixels (side, side, 4), RGBA with straight alpha, read-only. The content's longer side fills the square; the
        shorter one is centred, or at the lower edge if standing. Raises ValueError unless 1 <= side <= 4096."""

    def document(self, side: int = 512, standing: bool = False) -> str | None:
        """The same square as a standalone SVG, or None if the art consists of pixels."""


@dataclass(frozen=True, slots=True)
class Icon:
    """A drawing. `body` is the content of an svg element, `view` the x, y, width and height of its visible part.

    notes: lines for the user about what of it is not drawn.
    """

    name: str
    style: str
    body: str
    view: View
    notes: tuple[str, ...] = field(default=(), compare=False)

    def document(self, side: int = 512, standing: bool = False) -> str:
        """A standalone SVG, side x side pixels, with the whole content: centred, or at the lower edge."""
        return square_document(self.body, self.view, side, standing)

    def pixels(self, side: int, standing: bool = False) -> Pixels:
        """See `Art.pixels`."""
        return rasterise(self.body, self.view, side, standing)

    def prefixed(self, prefix: str) -> str:
        """The body with `prefix` before all ids, so that one document can hold several bodies."""
        return prefixed_ids(self.body, prefix)


def square(view: View, standing: bool) -> tuple[float, float, float]:
    """Left, top and side of the square around a view: the shorter side is centred, or at the lower edge."""
    x, y, width, height = view
    length = max(width, height)
    return x - (length - width) / 2, y - (length - height) * (1 if standing else 0.5), length


def square_document(body: str, view: View, side: int, standing: bool) -> str:
    """An SVG of side x side pixels that shows the view of the body, whose longer side fills the square."""
    left, top, length = square(view, standing)
    return svg_document(body, (left, top, length, length), side)


def svg_document(body: str, view: View, side: int) -> str:
    """A standalone SVG of side x side pixels."""
    box = " ".join(f"{value:.6g}" for value in view)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{side}" '
        f'height="{side}" viewBox="{box}">{body}</svg>'
    )


def prefixed_ids(body: str, prefix: str) -> str:
    body = re.sub(r'(\sid=")', rf"\g<1>{prefix}", body)
    body = re.sub(r'(href=")#', rf"\g<1>#{prefix}", body)
    return re.sub(r"(url\(['\"]?)#", rf"\g<1>#{prefix}", body)


def _raster_bytes(key: Hashable, picture: Pixels) -> int:
    return picture.nbytes + len(cast(tuple[str, int], key)[0])


_RASTERS = BoundedCache(CACHE_BYTES, _raster_bytes)


def check_side(side: int) -> None:
    if not 1 <= side <= MAX_SIDE_PX:
        raise ValueError(f"side is {side} px; art is drawn from 1 to {MAX_SIDE_PX} px")


def rasterise(body: str, view: View, side: int, standing: bool = False) -> Pixels:
    """Rasterises the square around `view`: (side, side, 4) RGBA with straight alpha, read-only, cached.

    Raises ValueError for a side out of range and for a body that cannot be drawn.
    """
    check_side(side)
    document = square_document(body, view, side, standing)

    def draw() -> Pixels:
        picture = _draw_filtered(body, view, side, standing) if "<filter" in body else _draw(document, side)
        picture.setflags(write=False)
        return picture

    return _RASTERS.get((document, side), draw)


def _draw(document: str, side: int) -> Pixels:
    try:
        fonts: dict[str, Any] = {**_FONT_OPTIONS, "font_files": font_files()} if "<text" in document else {}
        png = resvg_py.svg_to_bytes(svg_string=document, width=side, height=side, skip_system_fonts=True, **fonts)
    except ValueError as error:
        raise ValueError(f"the svg cannot be drawn: {error}") from error
    except BaseException as error:  # pyo3's PanicException derives from BaseException and cannot be imported
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError("the svg cannot be drawn: its filters break the rasteriser; simplify them") from error
    return np.array(Image.open(io.BytesIO(png)).convert("RGBA"))


def _draw_filtered(body: str, view: View, side: int, standing: bool) -> Pixels:
    """Rasterises bodies with filters on whole pixels at about twice the side, then crops and reduces them.

    At any other scale and place resvg 0.48 rounds the two inputs of some filters to different sizes and panics; and
    its filters harden the outlines to whole pixels, which the reduction makes smooth.
    """
    left, top, length = square(view, standing)
    x, y = math.floor(left), math.floor(top)
    units = max(math.ceil(left + length) - x, math.ceil(top + length) - y)
    scale = max(1, min(math.ceil(2 * side / length), MAX_SIDE_PX // units))
    drawn = units * scale
    whole = Image.fromarray(_draw(svg_document(body, (x, y, units, units), drawn), drawn))
    box = ((left - x) * scale, (top - y) * scale, (left - x + length) * scale, (top - y + length) * scale)
    return np.array(whole.resize((side, side), Image.Resampling.BOX, box))
