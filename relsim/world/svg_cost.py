"""What a cleaned SVG costs to draw, counted before it is drawn: steps, layers, copies, and the room of patterns."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

MAX_DEPTH = 128  # of references
MAX_COST = 100_000  # elements to draw, each reference counted anew
LAYER_COST = 200  # an element drawn on a layer of its own, or a step of a filter: about 15 ms at 512 px
LETTER_COST = 5
LARGEST_TILE = 1.5  # of a pattern, in sides of the canvas: a tile is drawn whole, wherever it lies
LAYERED = ("opacity", "mask", "filter", "clip-path", "isolation", "mix-blend-mode")
# Filter primitives whose cost does not depend on their parameters; others, such as turbulence, can run for hours.
FILTERS = frozenset({
    "feBlend", "feColorMatrix", "feComponentTransfer", "feComposite", "feDropShadow", "feFlood", "feFuncA", "feFuncB",
    "feFuncG", "feFuncR", "feGaussianBlur", "feMerge", "feMergeNode", "feOffset",
})  # fmt: skip
_NUMBERS = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?", re.IGNORECASE)


def check_cost(root: ET.Element) -> None:
    """Raises ValueError for circular references, or if following them would draw more than MAX_COST elements."""
    by_id = _by_id(root)
    costs: dict[ET.Element, int] = {}
    open_elements: set[ET.Element] = set()

    def cost(element: ET.Element, depth: int) -> int:
        if element in costs:
            return costs[element]
        if element in open_elements or depth > MAX_DEPTH:
            raise ValueError("its references go round or too deep: simplify it, or export it as PNG")
        open_elements.add(element)
        style = element.get("style", "")
        layered = element.tag in FILTERS or element.tag == "pattern"
        layered = layered or any(key in element.attrib or f"{key}:" in style for key in LAYERED)
        total = LAYER_COST if layered else 1
        total += LETTER_COST * (len(element.text or "") + len(element.tail or ""))
        for child in element:
            total += cost(child, depth + 1)
        for key, id in _references(element):
            if id in by_id:
                total += cost(by_id[id], depth + 1) * (_corners(element) if key == "marker" else 1)
        open_elements.discard(element)
        costs[element] = total
        return total

    if cost(root, 0) > MAX_COST:
        raise ValueError(
            "it would take too long to draw, with its repeats, filters and transparencies: export it as PNG"
        )


def large_patterns(root: ET.Element, canvas: float) -> list[ET.Element]:
    """The patterns whose tile may be larger than LARGEST_TILE canvases. canvas: its longer side, in its units."""
    patterns = list(root.iter("pattern"))
    if not patterns:
        return []
    by_id = _by_id(root)
    scale = _largest_scale(root, by_id, canvas)
    widest = max((_extent(element, canvas) for element in root.iter()), default=canvas)
    found = []
    for pattern in patterns:
        chain = [pattern]  # attributes that are missing come from the pattern that it refers to
        while (more := by_id.get(chain[-1].get("xlink:href", "#")[1:])) is not None and more.tag == "pattern":
            chain.append(more)

        def of(name: str, fallback: str, chain: list[ET.Element] = chain) -> str:
            return next((p.attrib[name] for p in chain if name in p.attrib), fallback)

        side = max(_length(of("width", "0"), canvas), _length(of("height", "0"), canvas))
        if of("patternUnits", "objectBoundingBox") != "userSpaceOnUse":
            side = max(_length(of("width", "0"), 1), _length(of("height", "0"), 1)) * widest
        if side * scale * _scale_of(of("patternTransform", "")) > LARGEST_TILE * canvas:
            found.append(pattern)
    return found


def _by_id(root: ET.Element) -> dict[str, ET.Element]:
    return {id: element for element in root.iter() if (id := element.get("id")) is not None}


def _references(element: ET.Element) -> Iterator[tuple[str, str]]:
    """What kind of reference, and the id."""
    for key, value in element.attrib.items():
        if key == "xlink:href" and value.startswith("#"):
            yield "href", value[1:]
        for before, id in re.findall(r"([\w-]*)\s*:?\s*url\(#([^)]*)\)", value):
            yield "marker" if "marker" in (key + before) else "url", id


def _corners(element: ET.Element) -> int:
    """At most how many corners a line has."""
    return 1 + len(_NUMBERS.findall(element.get("d", "") + " " + element.get("points", "")))


def _length(text: str, whole: float) -> float:
    match = _NUMBERS.match(text.strip())
    value = abs(float(match[0])) if match else 0.0
    return value * whole / 100 if text.strip().endswith("%") else value


def _scale_of(transform: str) -> float:
    """At most how much a transform enlarges."""
    total = 1.0
    for name, inside in re.findall(r"(\w+)\s*\(([^)]*)\)", transform):
        values = [float(v) for v in _NUMBERS.findall(inside)]
        if name == "scale" and values:
            total *= max(abs(v) for v in values)
        elif name == "matrix" and len(values) == 6:
            total *= math.hypot(*values[:4])
        elif name in ("skewX", "skewY") and values:
            total *= 1 + abs(math.tan(math.radians(values[0])))
    return total


def _largest_scale(root: ET.Element, by_id: dict[str, ET.Element], canvas: float) -> float:
    """At most how much anything is enlarged, by its own transform and those around it, copies included."""
    known: dict[ET.Element, float] = {}

    def below(element: ET.Element) -> float:
        if element not in known:
            known[element] = 1.0
            own = max(1.0, _scale_of(element.get("transform", "")))
            box = [float(v) for v in _NUMBERS.findall(element.get("viewBox", ""))]
            if len(box) == 4 and element is not root:
                own *= max(1.0, canvas / max(min(box[2:]), 1e-6))
            parts = [below(child) for child in element]
            parts += [below(by_id[id]) for _, id in _references(element) if id in by_id]
            known[element] = own * max([1.0, *parts])
        return known[element]

    return below(root)


def _extent(element: ET.Element, canvas: float) -> float:
    """At most the longer side of an element's own box."""
    sides = [_length(element.get(key, "0"), canvas) for key in ("width", "height")]
    sides += [2 * _length(element.get(key, "0"), canvas) for key in ("r", "rx", "ry")]
    data = element.get("d", "")
    corners = [float(v) for v in _NUMBERS.findall(data)]
    if corners:  # steps from the corner before add up
        relative = re.search(r"[achlmqstv]", data) is not None
        sides.append(sum(map(abs, corners)) if relative else max(corners) - min(corners))
    points = [float(v) for v in _NUMBERS.findall(element.get("points", ""))]
    if points:
        sides.append(max(points) - min(points))
    sides.append(canvas * (element.tag in ("text", "g", "svg", "use")))
    return max(sides)
