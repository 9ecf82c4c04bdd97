"""OKLab, a colour space in which equal steps look equal (Ottosson 2020), and WCAG's relative luminance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TO_CONES = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
_TO_LAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip
_FROM_LAB, _FROM_CONES = np.linalg.inv(_TO_LAB), np.linalg.inv(_TO_CONES)
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def linear(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB values in [0, 1] to linear light."""
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def to_oklab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3) sRGB in [0, 1] to lightness in [0, 1] and two colour axes within about 0.4 of 0."""
    return np.asarray(np.cbrt(linear(rgb) @ _TO_CONES.T) @ _TO_LAB.T)


def from_oklab(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3) OKLab to sRGB in [0, 1]; colours that no screen shows are cut off at its limits."""
    light = np.clip((lab @ _FROM_LAB.T) ** 3 @ _FROM_CONES.T, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def luminance(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Relative luminance by WCAG 2 of (..., 3) sRGB in [0, 1]: [0, 1]."""
    return np.asarray(linear(rgb) @ _LUMINANCE)


def contrast(first: NDArray[np.float64] | float, second: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Contrast ratio by WCAG 2 of two luminances: 1 for equal ones, 21 for black and white."""
    high, low = np.maximum(first, second), np.minimum(first, second)
    return np.asarray((high + 0.05) / (low + 0.05))
