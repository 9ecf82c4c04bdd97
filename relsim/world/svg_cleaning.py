"""Makes an SVG from anywhere safe to draw: only known elements, attributes and style properties are kept.

References stay within the document, and what it would cost to draw is counted first. What cannot be kept is refused
with a ValueError of one line, or named in a note where the rest can be drawn without it.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import re
import warnings
import xml.etree.ElementTree as ET
from typing import NamedTuple

from PIL import Image

from analogen.relsim.world.svg_cost import FILTERS, check_cost, large_patterns
from analogen.relsim.world.svg_styles import COLORS, Notes, Style, cascade
from analogen.relsim.world.svg_text import TEXT_ELEMENTS, font_family, has_letters

MAX_EMBEDDED_PIXELS = 16_000_000
MAX_ELEMENTS = 20_000
MAX_DEPTH = 32  # every level may need a layer of its own while it is drawn


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DRAWN = _words("path rect circle ellipse line polyline polygon image use text")
ELEMENTS = (
    DRAWN
    | FILTERS
    | TEXT_ELEMENTS
    | _words("svg g a defs symbol switch linearGradient radialGradient stop clipPath mask filter pattern marker")
)
# Elements that browsers draw and this does not, with the words for it.
NOT_DRAWN = {
    "foreignObject": "HTML in foreignObject", "animate": "animations", "animateTransform": "animations",
    "animateMotion": "animations", "set": "animations", "video": "videos", "mesh": "mesh gradients",
    "meshgradient": "mesh gradients",
}  # fmt: skip
PROPERTIES = _words(
    "baseline-shift clip-path clip-rule color color-interpolation color-interpolation-filters display "
    "dominant-baseline fill fill-opacity fill-rule filter flood-color flood-opacity font-family font-size "
    "font-stretch font-style font-variant font-weight image-rendering isolation letter-spacing marker-end "
    "marker-mid marker-start mask mask-type mix-blend-mode opacity overflow paint-order shape-rendering "
    "stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin "
    "stroke-miterlimit stroke-opacity stroke-width text-anchor text-decoration text-rendering transform "
    "vector-effect visibility word-spacing writing-mode"
)
ATTRIBUTES = PROPERTIES | _words(
    "id d x y x1 x2 y1 y2 dx dy cx cy r rx ry fx fy fr width height points pathLength viewBox preserveAspectRatio "
    "gradientUnits gradientTransform spreadMethod offset clipPathUnits maskUnits maskContentUnits filterUnits "
    "primitiveUnits in in2 result mode type values operator k1 k2 k3 k4 stdDeviation edgeMode slope intercept "
    "amplitude exponent tableValues patternUnits patternContentUnits patternTransform markerUnits markerWidth "
    "markerHeight orient refX refY rotate textLength lengthAdjust startOffset"
)
FUNCTIONS = _words(
    "url rgb rgba hsl hsla matrix translate scale rotate skewX skewY blur brightness contrast drop-shadow grayscale "
    "hue-rotate invert opacity saturate sepia"
)
PIXELS_PER = {"": 1.0, "px": 1.0, "pt": 96 / 72, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
REFERENCE = re.compile(r"""url\(\s*(["']?)(?P<target>[^"')]*)\1\s*\)""")


class CleanSvg(NamedTuple):
    """A safe svg element; its width and height, of which the longer one is 128; what of it is not drawn."""

    body: str
    size: tuple[float, float]
    notes: Notes


def clean_svg(data: bytes) -> CleanSvg:
    """Reads an SVG and keeps what is safe, with its styles resolved as browsers do.

    Scripts, events, foreign content and whatever leaves the document are dropped. Raises ValueError for what is no
    SVG, declares entities, refers to itself, costs too much to draw, or has nothing to draw.
    """
    root = _parse(data)
    if _local(root.tag) != "svg":
        raise ValueError(f"the outermost element is <{_local(root.tag)[:40]}>, an SVG starts with <svg>")
    left, top, width, height = _canvas(root)
    notes = Notes()
    clean = _clean(root, cascade(root, (width, height), PROPERTIES, notes), notes)
    if not any(element.tag in DRAWN for element in clean.iter()):
        raise ValueError("nothing in it can be drawn: embed pictures as PNG or JPEG, and export HTML as paths")
    check_cost(clean)
    for pattern in large_patterns(clean, max(width, height)):
        notes.add("a pattern larger than the picture")
        pattern.clear()
        pattern.tag = "g"  # a fill that refers to it falls back as for one that is missing
    scale = 128 / max(width, height)
    size = (width * scale, height * scale)
    clean.attrib.update(width=f"{size[0]:.6g}", height=f"{size[1]:.6g}", viewBox=f"{left} {top} {width} {height}")
    for gone in ("x", "y", "transform"):
        clean.attrib.pop(gone, None)
    return CleanSvg(ET.tostring(clean, encoding="unicode"), size, notes)


class _CappedBuilder(ET.TreeBuilder):
    """A tree builder that stops at too many or too deeply nested elements."""

    def __init__(self) -> None:
        super().__init__()
        self._count = self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> ET.Element:
        self._count += 1
        self._depth += 1
        if self._count > MAX_ELEMENTS or self._depth > MAX_DEPTH:
            raise ValueError(f"it has over {MAX_ELEMENTS} elements or {MAX_DEPTH} levels: export it as PNG")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ET.Element:
        self._depth -= 1
        return super().end(tag)


def _parse(data: bytes) -> ET.Element:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("it is not encoded as UTF-8: save it again as UTF-8") from error
    # Many programs name SVG's DTD at the top. It is not downloaded, and an internal subset in brackets is an error.
    text = re.sub(r"<!DOCTYPE[^<>\[\]]*>", "", text, count=1, flags=re.IGNORECASE)
    if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        raise ValueError("it declares entities in its DOCTYPE, which are not read: save it as plain SVG without them")
    try:
        return ET.fromstring(text, parser=ET.XMLParser(target=_CappedBuilder()))
    except ET.ParseError as error:
        raise ValueError(f"it is no valid XML ({error}): export it again") from error


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]


def _canvas(root: ET.Element) -> tuple[float, float, float, float]:
    """Left, top, width and height of the visible part of the document, in its units."""
    try:
        if "viewBox" in root.attrib:
            left, top, width, height = (float(number) for number in root.attrib["viewBox"].replace(",", " ").split())
        else:
            left, top, width, height = 0.0, 0.0, _length(root.get("width", "")), _length(root.get("height", ""))
    except ValueError:
        raise ValueError("its size is unclear: give it a viewBox of four numbers, or a width and a height") from None
    sound = all(math.isfinite(v) and abs(v) < 1e7 for v in (left, top, width, height))
    if not sound or min(width, height) < 1e-3 or max(width, height) > 100 * min(width, height):
        raise ValueError(f"its size of {width:g} x {height:g} cannot be drawn: give it a viewBox around the subject")
    return left, top, width, height


def _length(text: str) -> float:
    unit = text.strip().lstrip("-+.0123456789eE")
    if unit not in PIXELS_PER:
        raise ValueError(f"unknown unit {unit!r}")
    return float(text.strip().removesuffix(unit)) * PIXELS_PER[unit]


def _safe(value: str) -> str | None:
    """The value with its references as url(#id), or None if it has an escape or may leave the document."""
    value = REFERENCE.sub(lambda match: f"url({match['target'].strip()})", value)
    functions = re.findall(r"([\w-]+)\s*\(", value)
    inside = all(target.startswith("#") for target in re.findall(r"url\s*\(([^)]*)", value, flags=re.I))
    safe = inside and FUNCTIONS.issuperset(functions) and not re.search(r"[\\@\"'<>]", value)
    return value if safe else None


def _clean(element: ET.Element, styles: dict[ET.Element, Style], notes: Notes) -> ET.Element:
    """A copy with only known elements and attributes, and with what style sheets say as attributes."""
    tag = _local(element.tag)
    clean = ET.Element("g" if tag in ("a", "switch") else tag)
    for key, value in element.attrib.items():
        if key in ATTRIBUTES - COLORS and "var(" not in value and (kept := _safe(value)) is not None:
            clean.set(key, kept)
        elif key == "{http://www.w3.org/XML/1998/namespace}space":
            clean.set("xml:space", "preserve" if value == "preserve" else "default")
    if "font-family" in clean.attrib:
        clean.set("font-family", font_family(element.attrib["font-family"]))
    kept_style: Style = {}
    for name, value in styles.get(element, {}).items():
        if name == "font-family":
            value = font_family(value)
        if (safe := _safe(value)) is not None:
            if name in PROPERTIES and name not in element.attrib and name != "transform":
                kept_style[name] = safe
            elif name in ATTRIBUTES:
                clean.set(name, safe)
    if kept_style:
        clean.set("style", ";".join(f"{name}:{value}" for name, value in kept_style.items()))
    target = next((value.strip() for key, value in element.attrib.items() if _local(key) == "href"), "")
    if (tag == "image" and _is_safe_picture(target)) or (tag != "image" and re.fullmatch(r"#[\w.:-]+", target)):
        clean.set("xlink:href", target)
    if tag in TEXT_ELEMENTS:
        clean.text = _letters(element.text, notes)
    for child in _chosen(element) if tag == "switch" else element:
        name = _local(child.tag)
        if name in ELEMENTS:
            part = _clean(child, styles, notes)
            if part.tag not in ("image", "use") or "xlink:href" in part.attrib:
                clean.append(part)
            else:
                notes.add(
                    "pictures that are not embedded as PNG or JPEG" if name == "image" else "links to other files"
                )
                continue
            if tag in TEXT_ELEMENTS:
                part.tail = _letters(child.tail, notes)
        elif name in NOT_DRAWN or (name.startswith("fe") and tag == "filter"):
            notes.add(NOT_DRAWN.get(name, f"the filter {name}"))
    return clean


def _chosen(switch: ET.Element) -> list[ET.Element]:
    """The child of a <switch> that is drawn: the first for readers of English without further demands."""
    for child in switch:
        languages = [part.strip().lower() for part in child.get("systemLanguage", "en").split(",")]
        wanted = any(part == "en" or part.startswith("en-") for part in languages)
        if wanted and "requiredExtensions" not in child.attrib and _local(child.tag) in ELEMENTS:
            return [child]
    return []


def _letters(text: str | None, notes: Notes) -> str | None:
    if text and not has_letters(text):
        notes.add("letters that are neither Latin, Greek nor Cyrillic")
    return text


def _is_safe_picture(target: str) -> bool:
    """Whether an embedded picture is a PNG, JPEG, GIF or WebP within the size limits."""
    match = re.fullmatch(r"data:image/(?:png|jpe?g|gif|webp);base64,([\sA-Za-z0-9+/=]+)", target)
    if match is None:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(base64.b64decode(match[1])), formats=("PNG", "JPEG", "GIF", "WEBP"))
    except (OSError, SyntaxError, binascii.Error, Image.DecompressionBombError):
        return False
    return image.width * image.height <= MAX_EMBEDDED_PIXELS
