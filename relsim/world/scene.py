"""Scenes: a picture as an ordered list of elements on a background.

A scene is plain data. The relations emit scenes, the composer samples them, the checkers judge them and
the one renderer draws them, so everything here is in units that survive any picture size:

* Lengths: the origin is the centre of the picture, x grows to the right, y grows *downwards*, and 1 is half
  of the picture's short side. A square picture spans [-1, 1] in x and y.
* Angles: degrees, clockwise on screen.
* Levels (opacity, silhouette, sketch, pixel): [0, 1].
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any, TypeVar

MAX_ELEMENTS = 64
THINGS = ("subject", "other")
# Props are described beside their drawing code in props.py; their box is (width, height) below.
PROPS = (
    "rect", "ellipse", "ring", "line", "triangle", "star", "heart", "arrow", "panel", "frame", "card",
    "bubble", "thought", "bars", "water", "ground", "cone", "balloon", "foliage", "trunk", "pedestal", "lens",
    "sun", "moon", "cloud", "bowl", "beam", "crack", "shell", "ice", "building", "ban", "shadow", "wrap",
    "rope", "glow",
)  # fmt: skip
KINDS = THINGS + PROPS
PATTERNS = ("none", "stripes", "dots", "checks")
CLIPS = ("none", "window", "lens", "half", "wedge", "bite", "fragment")
ENTRIES = (
    "none", "ink", "dark", "paper", "primary", "secondary", "accent", "soft", "water", "ice", "gold", "wood",
    "leaf", "red", "sun", "night", "metal",
)  # fmt: skip
BACKGROUNDS = ("plain", "gradient", "horizon", "paper", "stripes", "noise")


@dataclass(frozen=True, slots=True)
class Clip:
    """The visible part of an element. The element's box means something else for the first two kinds.

    window, lens   The box is the visible rectangle (window) or ellipse (lens) on the canvas. Through it one
                   sees the art around the point (u, v), in [-1, 1] of the art's own box; `amount` is the
                   width of what is seen as a fraction of the art's side: art side = size / amount.
    half           The half on the side of direction (u, v) is kept; `amount` moves the seam along that
                   direction, as a fraction of half the side (0 = through the middle, 1 = nothing left).
    wedge          A sector around direction (u, v) is removed; `amount` is its share of the full turn.
    bite           Round bites from direction (u, v) remove about `amount` of the box.
    fragment       A jagged piece is kept: the sector around (u, v) with share `amount` of the full turn.
    For the last four the box stays the whole art's box.
    """

    kind: str = "none"
    u: float = 0.0
    v: float = 0.0
    amount: float = 0.0


NO_CLIP = Clip()


@dataclass(frozen=True, slots=True)
class Element:
    """A thing or prop. Elements are drawn in list order, later ones on top.

    kind        "subject", "other" (things, drawn with art) or one of PROPS.
    x, y        Centre of the box.
    size        sqrt(width * height) of the box before turning.
    aspect      Width / height of the box. A thing's art is fitted whole into the box of aspect 1 and then
                stretched by the aspect (area-preserving), so 1 means natural proportions.
    turn        Clockwise degrees around the centre.
    mirror      Flipped left to right, before turning.
    standing    The art rests on the lower edge of its box (things on a ground); otherwise it is centred.
    opacity     [0, 1].
    hue         Colour turn of the art in degrees; saturation, brightness: factors, 1 = unchanged, [0, 2].
    silhouette  How far the art is replaced by the flat colour of `palette` (1 = a pure silhouette).
    sketch      How far the art is replaced by its outline drawing.
    pixel       Coarseness: the longer side shows max(3, round(48 * 2 ** (-4 * pixel))) blocks; 0 = off.
    pattern     Pattern that fills a silhouette.
    palette     Named colour of a prop or silhouette; "none" = the prop's own default.
    noun        Name of a thing's own art; "" = the scene's `subject` or `other`.
    """

    kind: str
    x: float
    y: float
    size: float
    aspect: float = 1.0
    turn: float = 0.0
    mirror: bool = False
    standing: bool = False
    opacity: float = 1.0
    hue: float = 0.0
    saturation: float = 1.0
    brightness: float = 1.0
    silhouette: float = 0.0
    sketch: float = 0.0
    pixel: float = 0.0
    pattern: str = "none"
    palette: str = "none"
    clip: Clip = NO_CLIP
    noun: str = ""

    @property
    def width(self) -> float:
        return self.size * math.sqrt(self.aspect)

    @property
    def height(self) -> float:
        return self.size / math.sqrt(self.aspect)

    @property
    def is_thing(self) -> bool:
        return self.kind in THINGS


def box(kind: str, x: float, y: float, width: float, height: float, **rest: Any) -> Element:
    """Creates an element from the width and height of its box instead of size and aspect."""
    return Element(kind, x, y, size=math.sqrt(width * height), aspect=width / height, **rest)


@dataclass(frozen=True, slots=True)
class Background:
    """The background of a scene. `color`, `color2`: "#rrggbb"; `turn`: direction of gradients and stripes;
    `level`: y of a horizon; `seed`: the grain of paper and noise."""

    kind: str = "plain"
    color: str = "#f4efe6"
    color2: str = "#e6dccb"
    turn: float = 0.0
    level: float = 0.35
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """The placement of the whole scene on the canvas; elements keep their own coordinates."""

    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    turn: float = 0.0
    mirror: bool = False
    hue: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole picture. `subject`, `other`: names of the things; `style`: art family; `palette`: name of the
    colour set that the elements' entries are looked up in; `shadow`: strength of soft drop shadows, [0, 1].

    Raises ValueError for unknown words, values out of range, or more than MAX_ELEMENTS elements.
    """

    elements: tuple[Element, ...]
    background: Background = field(default_factory=Background)
    frame: Frame = field(default_factory=Frame)
    subject: str = "apple"
    other: str = "leaf"
    style: str = "fluent-flat"
    palette: str = "meadow"
    shadow: float = 0.0

    def __post_init__(self) -> None:
        if len(self.elements) > MAX_ELEMENTS:
            raise ValueError(f"a scene holds at most {MAX_ELEMENTS} elements, this one has {len(self.elements)}")
        if self.background.kind not in BACKGROUNDS:
            raise ValueError(f"unknown background {self.background.kind!r}; known: {', '.join(BACKGROUNDS)}")
        for number, element in enumerate(self.elements):
            _check_element(number, element)

    @property
    def things(self) -> list[Element]:
        return [e for e in self.elements if e.is_thing]

    def of(self, *kinds: str) -> list[Element]:
        """The elements of these kinds, in drawing order."""
        return [e for e in self.elements if e.kind in kinds]


def _check_element(number: int, e: Element) -> None:
    for value, known, what in (
        (e.kind, KINDS, "kind"),
        (e.pattern, PATTERNS, "pattern"),
        (e.palette, ENTRIES, "palette entry"),
        (e.clip.kind, CLIPS, "clip"),
    ):
        if value not in known:
            raise ValueError(f"element {number}: unknown {what} {value!r}; known: {', '.join(known)}")
    numbers = (e.x, e.y, e.size, e.aspect, e.turn, e.opacity, e.hue, e.saturation, e.brightness)
    levels = (e.opacity, e.silhouette, e.sketch, e.pixel)
    if not all(math.isfinite(v) for v in (*numbers, *levels, e.clip.u, e.clip.v, e.clip.amount)):
        raise ValueError(f"element {number} ({e.kind}): every number must be finite")
    if e.size <= 0 or e.aspect <= 0:
        raise ValueError(f"element {number} ({e.kind}): size and aspect must be above 0")
    if not all(0 <= level <= 1 for level in levels):
        raise ValueError(f"element {number} ({e.kind}): opacity, silhouette, sketch and pixel lie in [0, 1]")
    if e.clip.kind in ("window", "lens") and e.clip.amount <= 0:
        raise ValueError(f"element {number} ({e.kind}): a {e.clip.kind} needs an amount above 0")


Made = TypeVar("Made", Element, Clip, Background, Frame, Scene)
_NOTHING = object()
_PLAIN: dict[str, type | tuple[type, ...]] = {"str": str, "bool": bool, "int": int, "float": (int, float)}


def to_json(scene: Scene) -> str:
    """The scene as one line of JSON, which `from_json` reads."""
    return json.dumps(dataclasses.asdict(scene), separators=(",", ":"))


def from_json(text: str) -> Scene:
    """Reads a line of `to_json`. Raises ValueError with the reason for other text, also for unknown keys."""
    try:
        data = json.loads(text)
        elements = tuple(
            _made(Element, {**item, "clip": _made(Clip, item.get("clip", {}))}) for item in data.pop("elements")
        )
        background, frame = _made(Background, data.pop("background", {})), _made(Frame, data.pop("frame", {}))
        return _made(Scene, {**data, "elements": elements, "background": background, "frame": frame})
    except (TypeError, KeyError, AttributeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not a scene: {' '.join(str(error).split())}") from error


def _made(cls: type[Made], data: dict[str, Any]) -> Made:
    """Creates a part of a scene from plain values. Raises TypeError or ValueError for other types and colours."""
    for known in dataclasses.fields(cls):
        value = data.get(known.name, _NOTHING)
        wanted = _PLAIN.get(str(known.type))
        if value is _NOTHING or wanted is None:
            continue
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise TypeError(f"{known.name} is {value!r:.40}, expected {known.type}")
        if isinstance(value, int | float) and not math.isfinite(value):
            raise TypeError(f"{known.name} is {value!r}: every number must be finite")
        # The text is written into SVG files.
        if known.name in ("color", "color2") and not re.fullmatch("#[0-9a-fA-F]{6}", str(value)):
            raise ValueError(f"{known.name} is {value!r:.40}, expected a colour such as #e6dccb")
    return cls(**data)
