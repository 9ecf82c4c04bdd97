"""Colours of CSS as those that every SVG program reads: #rrggbb, or rgba() where they are not opaque."""

from __future__ import annotations

import math

import numpy as np
import tinycss2.ast
import tinycss2.color4
import tinycss2.color5
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

# Matrices of CSS Color 4: https://www.w3.org/TR/css-color-4/#color-conversion-code
_SRGB_FROM_XYZ: Matrix = np.array(
    [[3.2409699419, -1.5373831776, -0.4986107603], [-0.9692436363, 1.8759675015, 0.0415550574],
     [0.0556300797, -0.2039769589, 1.0569715142]]
)  # fmt: skip
_XYZ_FROM_P3: Matrix = np.array(
    [[0.4865709486, 0.2656676932, 0.1982172852], [0.2289745641, 0.6917385218, 0.0792869141],
     [0.0, 0.0451133819, 1.0439443689]]
)  # fmt: skip
_D65_FROM_D50: Matrix = np.array(
    [[0.9555766, -0.0230393, 0.0631636], [-0.0282895, 1.0099416, 0.0210077], [0.0122982, -0.0204830, 1.3299098]]
)


def plain_color(text: str) -> str | None:
    """The colour as #rrggbb, rgba(r, g, b, a) or currentColor; None for what is no colour.

    Reads names, hex, rgb(), hsl(), hwb(), lab(), lch(), oklab(), oklch(), light-dark() and color() in srgb,
    srgb-linear, display-p3 and xyz. Colours outside sRGB are clipped, as browsers do.
    """
    try:
        color = tinycss2.color5.parse_color(text) if text.strip() else None
    except ValueError:  # tinycss2 1.5 does not expect "color()"
        return None
    if color is None:
        return None
    if isinstance(color, str):
        return "currentColor"
    rgb = _srgb(color)
    if rgb is None:
        return None
    red, green, blue = (round(255 * min(max(float(v), 0.0), 1.0)) for v in rgb)
    if color.alpha >= 1:
        return f"#{red:02x}{green:02x}{blue:02x}"
    return f"rgba({red}, {green}, {blue}, {color.alpha:.4g})"


def _srgb(color: tinycss2.color4.Color) -> Matrix | None:
    """(3,) sRGB, which may lie outside [0, 1]; None for spaces that are not read."""
    values = np.array([0.0 if v is None else float(v) for v in color.coordinates])
    if len(values) != 3 or not all(math.isfinite(v) for v in values):
        return None
    match color.space:
        case "srgb":
            return values
        case "srgb-linear":
            return _encoded(values)
        case "hsl" | "hwb":
            return np.array(color.to("srgb").coordinates)
        case "lab" | "lch":
            return _encoded(_SRGB_FROM_XYZ @ _D65_FROM_D50 @ np.array(color.to("xyz-d50").coordinates))
        case "xyz-d50":
            return _encoded(_SRGB_FROM_XYZ @ _D65_FROM_D50 @ values)
        case "oklab" | "oklch":
            return _encoded(_SRGB_FROM_XYZ @ np.array(color.to("xyz-d65").coordinates))
        case "xyz" | "xyz-d65":
            return _encoded(_SRGB_FROM_XYZ @ values)
        case "display-p3":
            return _encoded(_SRGB_FROM_XYZ @ _XYZ_FROM_P3 @ _linear(values))
        case _:
            return None


def _encoded(linear: Matrix) -> Matrix:
    size = np.abs(linear)
    return np.sign(linear) * np.where(size <= 0.0031308, 12.92 * size, 1.055 * size ** (1 / 2.4) - 0.055)


def _linear(encoded: Matrix) -> Matrix:
    size = np.abs(encoded)
    return np.sign(encoded) * np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
