"""Makes an SVG from anywhere safe to draw: only known elements, attributes and style properties are kept.

References stay within the document, and what it would cost to draw is counted first. What cannot be kept is refused
with a ValueError of one line.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from PIL import Image

MAX_EMBEDDED_PIXELS = 16_000_000
MAX_ELEMENTS = 20_000
MAX_DEPTH = 32  # every level may need a layer of its own while it is drawn
MAX_COST = 100_000  # elements to draw, each reference counted anew
LAYER_COST = 200  # an element drawn on a layer of its own, or a step of a filter: about 15 ms at 512 px


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DRAWN = _words("path rect circle ellipse line polyline polygon image use")
# Filter primitives whose cost does not depend on their parameters; others, such as turbulence, can run for hours.
FILTERS = _words(
    "feBlend feColorMatrix feComponentTransfer feComposite feDropShadow feFlood feFuncA feFuncB feFuncG feFuncR "
    "feGaussianBlur feMerge feMergeNode feOffset"
)
ELEMENTS = (
    DRAWN | FILTERS | _words("svg g a defs symbol switch linearGradient radialGradient stop clipPath mask filter")
)
PROPERTIES = _words(
    "clip-path clip-rule color color-interpolation color-interpolation-filters display fill fill-opacity fill-rule "
    "filter flood-color flood-opacity isolation mask mask-type mix-blend-mode opacity overflow paint-order "
    "shape-rendering stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin "
    "stroke-miterlimit stroke-opacity stroke-width transform transform-origin vector-effect visibility"
)
ATTRIBUTES = PROPERTIES | _words(
    "id d x y x1 x2 y1 y2 dx dy cx cy r rx ry fx fy fr width height points pathLength viewBox preserveAspectRatio "
    "gradientUnits gradientTransform spreadMethod offset clipPathUnits maskUnits maskContentUnits filterUnits "
    "primitiveUnits in in2 result mode type values operator k1 k2 k3 k4 stdDeviation edgeMode slope intercept "
    "amplitude exponent tableValues"
)
FUNCTIONS = _words("url rgb rgba hsl hsla matrix translate scale rotate skewX skewY translateX translateY")
PIXELS_PER = {"": 1.0, "px": 1.0, "pt": 96 / 72, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
LAYERED = ("opacity", "mask", "filter", "clip-path", "isolation", "mix-blend-mode")
REFERENCE = re.compile(r"""url\(\s*(["']?)(?P<target>[^"')]*)\1\s*\)""")


def clean_svg(data: bytes) -> tuple[str, tuple[float, float]]:
    """Returns a safe svg element, and its width and height, of which the longer one is 128.

    Scripts, events, text, foreign content, style sheets (applied first) and whatever leaves the document are
    dropped. Raises ValueError for what is no SVG, declares entities, refers to itself, costs too much to
    draw, or has nothing to draw.
    """
    root = _parse(data)
    if _local(root.tag) != "svg":
        raise ValueError(f"the outermost element is <{_local(root.tag)[:40]}>, an SVG starts with <svg>")
    left, top, width, height = _canvas(root)
    clean = _clean(root, _style_rules(root))
    if not any(element.tag in DRAWN for element in clean.iter()):
        raise ValueError("nothing in it can be drawn: turn text into paths, and embed pictures as PNG or JPEG")
    _check_cost(clean)
    scale = 128 / max(width, height)
    size = (width * scale, height * scale)
    clean.attrib.update(width=f"{size[0]:.6g}", height=f"{size[1]:.6g}", viewBox=f"{left} {top} {width} {height}")
    for gone in ("x", "y", "transform"):
        clean.attrib.pop(gone, None)
    return ET.tostring(clean, encoding="unicode"), size


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


def _declarations(text: str) -> dict[str, str]:
    """The safe declarations of "property: value; ..."."""
    pairs = (part.partition(":") for part in re.sub(r"/\*.*?\*/", "", text, flags=re.S).split(";"))
    found = {key.strip().lower(): value.replace("!important", "").strip() for key, _, value in pairs}
    return {key: kept for key, value in found.items() if key in PROPERTIES and (kept := _safe(value)) is not None}


def _safe(value: str) -> str | None:
    """The value with its references as url(#id), or None if it has an escape or may leave the document."""
    value = REFERENCE.sub(lambda match: f"url({match['target'].strip()})", value)
    functions = re.findall(r"([\w-]+)\s*\(", value)
    inside = all(target.startswith("#") for target in re.findall(r"url\s*\(([^)]*)", value, flags=re.I))
    safe = inside and FUNCTIONS.issuperset(functions) and not re.search(r"[\\@\"'<>]", value)
    return value if safe else None


Rule = tuple[tuple[int, int, int], str, dict[str, str]]  # specificity, selector, declarations


def _style_rules(root: ET.Element) -> list[Rule]:
    """The style sheets' rules for simple selectors (*, path, .class, #id, path.class), weakest first."""
    rules: list[Rule] = []
    for sheet in (element.text or "" for element in root.iter() if _local(element.tag) == "style"):
        plain = re.sub(r"/\*.*?\*/", "", sheet, flags=re.S)
        for selectors, block in re.findall(r"([^{}]+)\{([^{}]*)\}", plain):
            for selector in selectors.rpartition(";")[2].split(","):
                if re.fullmatch(r"(\*|[\w-]+)?([.#][\w-]+)*", selector := selector.strip()) and selector:
                    strength = (selector.count("#"), selector.count("."), int(selector[0] not in "*.#"))
                    rules.append((strength, selector, _declarations(block)))
    if len(rules) > 1000:
        raise ValueError(f"its style sheets have {len(rules)} rules, at most 1000 are read: export it as plain SVG")
    return sorted(rules, key=lambda rule: rule[0])


def _selects(selector: str, element: ET.Element) -> bool:
    tag = re.match(r"[\w-]*", selector)
    classes, ids = re.findall(r"\.([\w-]+)", selector), re.findall(r"#([\w-]+)", selector)
    return (
        (tag is None or tag[0] in ("", _local(element.tag)))
        and set(classes) <= set(element.get("class", "").split())
        and all(id == element.get("id") for id in ids)
    )


def _clean(element: ET.Element, rules: list[Rule]) -> ET.Element:
    """A copy with only known elements and attributes, and with styles as attributes."""
    tag = _local(element.tag)
    clean = ET.Element("g" if tag in ("a", "switch") else tag)
    for key, value in element.attrib.items():
        if key in ATTRIBUTES and (kept := _safe(value)) is not None:
            clean.set(key, kept)
    style = {key: value for _, selector, block in rules if _selects(selector, element) for key, value in block.items()}
    style.update(_declarations(element.get("style", "")))
    if style:
        clean.set("style", ";".join(f"{key}:{value}" for key, value in style.items()))
    target = next((value.strip() for key, value in element.attrib.items() if _local(key) == "href"), "")
    if (tag == "image" and _is_safe_picture(target)) or (tag != "image" and re.fullmatch(r"#[\w.:-]+", target)):
        clean.set("xlink:href", target)
    for child in element:
        if _local(child.tag) in ELEMENTS:
            part = _clean(child, rules)
            if part.tag not in ("image", "use") or "xlink:href" in part.attrib:
                clean.append(part)
    return clean


def _is_safe_picture(target: str) -> bool:
    """Whether an embedded picture is a PNG or JPEG within the size limits."""
    match = re.fullmatch(r"data:image/(?:png|jpe?g);base64,([\sA-Za-z0-9+/=]+)", target)
    if match is None:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(base64.b64decode(match[1])), formats=("PNG", "JPEG"))
    except (OSError, SyntaxError, binascii.Error, Image.DecompressionBombError):
        return False
    return image.width * image.height <= MAX_EMBEDDED_PIXELS


def _references(element: ET.Element) -> Iterator[str]:
    for key, value in element.attrib.items():
        if key == "xlink:href" and value.startswith("#"):
            yield value[1:]
        else:
            yield from re.findall(r"url\(#([^)]*)\)", value)


def _check_cost(root: ET.Element) -> None:
    """Raises ValueError for circular references, or if following them would draw more than MAX_COST elements."""
    by_id = {id: element for element in root.iter() if (id := element.get("id")) is not None}
    costs: dict[ET.Element, int] = {}
    open_elements: set[ET.Element] = set()

    def cost(element: ET.Element, depth: int) -> int:
        if element in costs:
            return costs[element]
        if element in open_elements or depth > 4 * MAX_DEPTH:
            raise ValueError("its references go round or too deep: simplify it, or export it as PNG")
        open_elements.add(element)
        style = element.get("style", "")
        layered = element.tag in FILTERS or any(key in element.attrib or f"{key}:" in style for key in LAYERED)
        total = LAYER_COST if layered else 1
        for child in element:
            total += cost(child, depth + 1)
        for id in _references(element):
            if id in by_id:
                total += cost(by_id[id], depth + 1)
        open_elements.discard(element)
        costs[element] = total
        return total

    total = cost(root, 0)
    if total > MAX_COST:
        raise ValueError(
            "it would take too long to draw, with its repeats, filters and transparencies: export it as PNG"
        )
