"""Turns scenes into boxes, for models whose prompts say where things stand, and writes them as each model reads them.

dialect     where                                  a box
flux3       a JSON table after the caption         [y_min, x_min, y_max, x_max] from 0 to 1000
ideogram4   JSON caption, elements                 the same
fibo2       JSON caption, objects                  a place in words, such as "top-left", and a size
regions     arguments of the call (GLIGEN)         [x_min, y_min, x_max, y_max] from 0 to 1

Models without a dialect are told the layout in a sentence (`layout_words`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from analogen.relsim.english import plural, with_article
from analogen.relsim.mini.reading import reading_of
from analogen.relsim.mini.reading.sentence import DIFFERENT, PROPS, counted, number
from analogen.relsim.world.measure import DECORATION
from analogen.relsim.world.scene import Element, Scene

DIALECTS = ("flux3", "ideogram4", "fibo2", "regions")
GRID = 1000  # units of FLUX.3's and Ideogram's boxes on each side of the picture
SMALLEST = 0.004  # of the picture's side; smaller boxes are no places to paint in
BACKGROUND = "a plain, uncluttered background of one quiet colour"
# (least ratio to the usual size, word)
_SIZES = ((2.4, "huge"), (1.5, "large"), (0.67, ""), (0.4, "small"), (0.0, "tiny"))


@dataclass(frozen=True)
class Box:
    """A place in the picture and what stands there. top, left, bottom, right: fractions of the picture, [0, 1].

    name: unique in its layout, such as "bicycle_1". kind: of the scene's element. source: the sides of the thing of the
    reference that moves here, in the same order; None for one that is new.
    Raises ValueError for a box that is inverted, empty, or outside.
    """

    name: str
    words: str
    top: float
    left: float
    bottom: float
    right: float
    kind: str = ""
    source: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        sides = (self.top, self.left, self.bottom, self.right)
        shown = ", ".join(f"{side:g}" for side in sides)
        if not all(math.isfinite(side) and 0 <= side <= 1 for side in sides):
            raise ValueError(f"box {self.name}: [{shown}] is not within the picture: expected numbers from 0 to 1")
        if self.bottom - self.top < SMALLEST or self.right - self.left < SMALLEST:
            raise ValueError(
                f"box {self.name}: [{shown}] is empty or inverted: expected top < bottom and left < right, in the "
                "order top, left, bottom, right"
            )

    @property
    def on_grid(self) -> list[int]:
        """[y_min, x_min, y_max, x_max] in units of GRID."""
        return [round(side * GRID) for side in self.sides]

    @property
    def sides(self) -> tuple[float, float, float, float]:
        return self.top, self.left, self.bottom, self.right


def boxes_of(scene: Scene, width: int, height: int, subject: str, other: str | None = None) -> tuple[Box, ...]:
    """The boxes of what a scene shows in a picture of this size, in drawing order.

    Elements that lie outside the picture have none. Names count from left to right and top to bottom.
    """
    usual = median([e.size for e in scene.things] or [1.0])
    found = []
    for element in scene.elements:
        if element.kind in DECORATION:
            continue
        corners = _corners(element, scene, width, height)
        left, right = (min(1.0, max(0.0, x)) for x in (min(x for x, _ in corners), max(x for x, _ in corners)))
        top, bottom = (min(1.0, max(0.0, y)) for y in (min(y for _, y in corners), max(y for _, y in corners)))
        if bottom - top >= SMALLEST and right - left >= SMALLEST:
            noun = element.noun or {"subject": subject, "other": other or "other thing"}.get(element.kind, "")
            noun = noun or PROPS.get(element.kind, element.kind)
            found.append((noun, _described(element, noun, usual), (top, left, bottom, right), element.kind))
    order = sorted(range(len(found)), key=lambda i: (round(sum(found[i][2][::2]) * 5), sum(found[i][2][1::2])))
    names, counts = [""] * len(found), dict[str, int]()
    for place in order:
        stem = _stem(found[place][0])
        counts[stem] = counts.get(stem, 0) + 1
        names[place] = f"{stem}_{counts[stem]}"
    return tuple(Box(name, words, *sides, kind) for name, (_, words, sides, kind) in zip(names, found, strict=True))


def moved(boxes: Sequence[Box], seen: Sequence[Box]) -> tuple[tuple[Box, ...], tuple[Box, ...]]:
    """The boxes with their sources, and what of the reference goes away.

    seen: the boxes of what the reference shows. Each moves to the nearest box of its kind that no nearer one takes.
    """
    pairs = sorted(
        (math.dist(_middle(box), _middle(other)), place, origin)
        for place, box in enumerate(boxes)
        for origin, other in enumerate(seen)
        if box.kind == other.kind
    )
    source: dict[int, int] = {}
    for _, place, origin in pairs:
        if place not in source and origin not in source.values():
            source[place] = origin
    placed = tuple(
        replace(box, source=seen[source[place]].sides) if place in source else box for place, box in enumerate(boxes)
    )
    gone = [other for origin, other in enumerate(seen) if origin not in source.values()]
    return placed, tuple(replace(other, name=f"old_{other.name}") for other in gone)


def _middle(box: Box) -> tuple[float, float]:
    return (box.top + box.bottom) / 2, (box.left + box.right) / 2


def layout_words(scene: Scene, subject: str, other: str | None = None) -> str:
    """The layout in a sentence: "nine bicycles in a ring, each smaller than the last"."""
    sentence = reading_of(scene).sentence
    second = with_article(other) if other else "another thing"
    if sentence.startswith(DIFFERENT):
        return sentence.replace(DIFFERENT, f"{with_article(subject)} and {second}", 1)
    count = len(scene.things)
    words = sentence.replace(
        counted(count), with_article(subject) if count == 1 else f"{number(count)} {plural(subject)}", 1
    )
    if other:
        words = words.replace("one of them different", f"one of them {second}")
        words = words.replace("of another kind", f"{plural(other)} instead")
    return words


def written(
    dialect: str, prompt: str, boxes: Sequence[Box], sees_picture: bool = False, gone: Sequence[Box] = ()
) -> str:
    """The prompt with its boxes, as a model of this dialect reads them.

    sees_picture: the prompt is an instruction about a picture that the model sees; FLUX.3 is then told which thing of
    the picture moves to a box, by the box's source, and what goes away, by `gone`. Raises ValueError for a dialect
    that is not written into prompts, and for no boxes at all.
    """
    if not boxes:
        raise ValueError("the layout is empty: nothing of its scene lies in the picture")
    if dialect == "flux3":
        return _flux3(prompt, boxes, sees_picture, gone)
    writers = {"ideogram4": _ideogram4, "fibo2": _fibo2}
    if dialect not in writers:
        raise ValueError(f"dialect is {dialect!r}: expected one of flux3, {', '.join(writers)}")
    return writers[dialect](prompt, boxes, sees_picture)


def layout_json(prompt: str, boxes: Sequence[Box], width: int, height: int) -> dict[str, Any]:
    """The boxes for other tools, in all dialects; `boxes` are those that FLUX.3's own tools take."""
    return {
        "width": width,
        "height": height,
        "prompt": prompt,
        "axes": "bbox is [y_min, x_min, y_max, x_max] from 0 to 1",
        "boxes": [
            {"id": box.name, "desc": box.words, "bbox": [box.top, box.left, box.bottom, box.right]} for box in boxes
        ],
        **{dialect: written(dialect, prompt, boxes) for dialect in ("flux3", "ideogram4", "fibo2")},
    }


# How each model reads boxes


def _flux3(prompt: str, boxes: Sequence[Box], sees_picture: bool, gone: Sequence[Box]) -> str:
    """A caption that cites every box by its name, a space, and the table of boxes."""
    cited = ", ".join(f"{box.words} <{box.name}>" for box in boxes)
    away = ", ".join(f"the {box.words} <{box.name}>" for box in gone)
    rows = [_flux3_row(box, sees_picture) for box in boxes]
    rows += [{**_FIRST, "id": box.name, "src_bbox": box.on_grid, "tgt_bbox": None, "desc": box.words} for box in gone]
    remove = f" Remove {away}." if away else ""
    return f"{_sentence(prompt)} The picture holds {cited}.{remove} {json.dumps(rows, ensure_ascii=False)}"


_FIRST = {"id": "", "from": "ref_image_0"}  # the reference is the first picture that a model sees


def _flux3_row(box: Box, sees_picture: bool) -> dict[str, Any]:
    if not sees_picture:
        return {"id": box.name, "bbox": box.on_grid, "desc": box.words}
    if box.source is None:
        return {"id": box.name, "from": "target", "src_bbox": None, "tgt_bbox": box.on_grid, "desc": box.words}
    source = [round(side * GRID) for side in box.source]
    return {**_FIRST, "id": box.name, "src_bbox": source, "tgt_bbox": box.on_grid, "desc": box.words}


def _ideogram4(prompt: str, boxes: Sequence[Box], sees_picture: bool) -> str:
    elements = [{"type": "obj", "bbox": box.on_grid, "desc": box.words} for box in boxes]
    caption = {
        "high_level_description": prompt,
        "compositional_deconstruction": {"background": BACKGROUND, "elements": elements},
    }
    return json.dumps(caption, separators=(",", ":"), ensure_ascii=False)


def _fibo2(prompt: str, boxes: Sequence[Box], sees_picture: bool) -> str:
    objects = [
        {
            "description": box.words,
            "location": place_in_words(box),
            "relative_size": f"{round((box.right - box.left) * 100)}% of the width",
        }
        for box in boxes
    ]
    caption = {"short_description": prompt, "objects": objects, "background_setting": BACKGROUND}
    whole = {"structured_caption": caption, "edit_instruction": prompt} if sees_picture else caption
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False)


def place_in_words(box: Box) -> str:
    """The place of a box's middle, such as "center", "top" or "upper right edge": five rows and five columns."""
    row = ("top", "upper", "", "lower", "bottom")[int((box.top + box.bottom) * 2 + 0.5)]
    column = ("left edge", "left", "", "right", "right edge")[int((box.left + box.right) * 2 + 0.5)]
    return " ".join(part for part in (row, column) if part) or "center"


def _sentence(prompt: str) -> str:
    return prompt if prompt.endswith((".", "!", "?")) else f"{prompt}."


# What a box is called


def _described(element: Element, noun: str, usual: float) -> str:
    """ "small bicycle, half faded"."""
    size = ""
    if element.is_thing:
        size = next(word for least, word in _SIZES if element.size / usual >= least)
    states = [words for words, holds in _states(element) if holds]
    return ", ".join([f"{size} {noun}".strip(), *states])


def _states(e: Element) -> list[tuple[str, bool]]:
    turn = (e.turn + 180) % 360 - 180  # clockwise, from -180
    side = "right" if turn > 0 else "left"
    lying = 60 < abs(turn) < 120
    return [
        ("upside down", abs(turn) > 150),
        (f"lying on its {side} side", lying),
        (f"tilted to the {side}", not lying and 15 < abs(turn) <= 150),
        ("mirrored", e.mirror and e.is_thing),
        ("stretched wide", e.is_thing and e.aspect > 1.5),
        ("stretched tall", e.is_thing and e.aspect < 0.67),
        ("almost faded away", e.opacity < 0.35 and e.is_thing),
        ("half faded", 0.35 <= e.opacity < 0.75 and e.is_thing),
        ("only a dark silhouette", e.silhouette > 0.5),
        ("only a line drawing", e.sketch > 0.5),
        ("in coarse pixels", e.pixel > 0.3),
        ("without colour", e.saturation < 0.4 and e.silhouette <= 0.5),
        ("darkened", e.brightness < 0.6),
        ("in another colour", 25 < e.hue % 360 < 335),
        ("cut in half", e.clip.kind == "half"),
        ("with a piece missing", e.clip.kind in ("wedge", "bite")),
        ("only a fragment of it", e.clip.kind == "fragment"),
        ("only a part of it in view", e.clip.kind in ("window", "lens")),
    ]


def _stem(noun: str) -> str:
    """A name that FLUX.3 takes: a letter, then letters, digits and underscores."""
    stem = re.sub(r"[^a-z0-9]+", "_", noun.lower()).strip("_")[:30].strip("_")
    return stem if re.match(r"[a-z]", stem) else "thing"


def _corners(e: Element, scene: Scene, width: int, height: int) -> list[tuple[float, float]]:
    """The corners of an element's box in fractions of the picture, after the scene's own placement."""
    short, frame = min(width, height), scene.frame
    made = []
    for across, down in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        x, y = _turned(across * e.width / 2, down * e.height / 2, e.turn)
        x, y = e.x + x, e.y + y
        if frame.mirror:
            x = -x
        x, y = _turned(x * frame.scale, y * frame.scale, frame.turn)
        made.append(((x + frame.x) * short / 2 / width + 0.5, (y + frame.y) * short / 2 / height + 0.5))
    return made


def _turned(x: float, y: float, degrees: float) -> tuple[float, float]:
    """Clockwise on screen, where y grows downwards."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return x * cosine - y * sine, x * sine + y * cosine
