"""Transforms of CSS, with units and an origin, as those of SVG's attribute."""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(px|%|deg|rad|turn|grad)?", re.IGNORECASE)
_DEGREES = {"deg": 1.0, "rad": 180 / math.pi, "turn": 360.0, "grad": 0.9, None: 1.0}
_PLACES = {"left": 0.0, "top": 0.0, "center": 0.5, "right": 1.0, "bottom": 1.0}
_COUNTS = {
    "translate": (1, 2), "translatex": (1, 1), "translatey": (1, 1), "scale": (1, 2), "scalex": (1, 1),
    "scaley": (1, 1), "rotate": (1, 3), "skew": (1, 2), "skewx": (1, 1), "skewy": (1, 1), "matrix": (6, 6),
}  # fmt: skip


def svg_transform(text: str, size: tuple[float, float], origin: str = "") -> str | None:
    """The transform in SVG's own words; None for what has none, such as turns in space.

    size: width and height that percentages are taken of. origin: CSS's transform-origin, "" for the canvas's corner.
    """
    parts: list[str] = []
    rest = text.strip()
    while rest:
        match = re.match(r"([A-Za-z]+)\(([^()]*)\)[\s,]*", rest)
        if match is None:
            return None
        part = _function(match[1].lower(), match[2], size)
        if part is None:
            return None
        parts.append(part)
        rest = rest[match.end() :]
    if origin:
        place = _origin(origin, size)
        if place is None:
            return None
        x, y = place
        parts = [f"translate({x:g} {y:g})", *parts, f"translate({-x:g} {-y:g})"]
    return " ".join(parts)


def _function(name: str, inside: str, size: tuple[float, float]) -> str | None:
    values: list[float] = []
    arguments = [part for part in re.split(r"[\s,]+", inside.strip()) if part]
    if name not in _COUNTS or not _COUNTS[name][0] <= len(arguments) <= _COUNTS[name][1]:
        return None
    for place, argument in enumerate(arguments):
        match = _NUMBER.fullmatch(argument)
        if match is None or not math.isfinite(float(match[1])):
            return None
        number, unit = float(match[1]), match[2].lower() if match[2] else None
        if unit == "%":
            of = size[1] if name == "translatey" or (name == "translate" and place == 1) else size[0]
            number *= of / 100 if name.startswith("translate") else 0.01
        elif unit in ("deg", "rad", "turn", "grad"):
            number *= _DEGREES[unit]
        values.append(number)
    words = " ".join(f"{value:g}" for value in values)
    match name:
        case "translatex":
            return f"translate({words} 0)"
        case "translatey":
            return f"translate(0 {words})"
        case "scalex":
            return f"scale({words} 1)"
        case "scaley":
            return f"scale(1 {words})"
        case "skew":
            across, down = (math.tan(math.radians(v)) for v in (*values, 0.0)[:2])
            return f"matrix(1 {down:g} {across:g} 1 0 0)"
        case "skewx":
            return f"skewX({words})"
        case "skewy":
            return f"skewY({words})"
        case _:
            return f"{name}({words})"


def _origin(text: str, size: tuple[float, float]) -> tuple[float, float] | None:
    words = text.lower().split()[:2]
    if len(words) == 1:
        words = ["center", words[0]] if words[0] in ("top", "bottom") else [words[0], "center"]
    if words[0] in ("top", "bottom") or words[1] in ("left", "right"):
        words.reverse()
    found = []
    for word, length in zip(words, size, strict=True):
        match = _NUMBER.fullmatch(word)
        if word in _PLACES:
            found.append(_PLACES[word] * length)
        elif match is not None and match[2] in (None, "px", "%"):
            found.append(float(match[1]) * (length / 100 if match[2] == "%" else 1))
        else:
            return None
    return found[0], found[1]
