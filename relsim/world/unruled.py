"""Scenes that follow no rule: what a reader and a composer of scenes have to manage beside relations."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from analogen.relsim.world.scene import ENTRIES, MAX_ELEMENTS, PROPS, Clip, Element

# Draws the elements of a scene that follows some rule.
DrawRuled = Callable[[Generator], tuple[Element, ...]]
MOST = 16
CUTS = ("half", "wedge", "bite", "fragment")
UNPLACED = ("shadow",)  # belongs to a thing


def unruled_elements(rng: Generator, ruled: DrawRuled) -> tuple[Element, ...]:
    """Elements in drawing order, of one of three kinds alike often: scattered ones; a ruled scene whose elements are
    moved, changed, lost and doubled; parts of two ruled scenes together."""
    way = int(rng.integers(3))
    if way == 0:
        made = _scattered(rng)
    elif way == 1:
        made = _disturbed(list(ruled(rng)), rng)
    else:
        made = [*_some(ruled(rng), rng), *_some(ruled(rng), rng)]
    return tuple((made or _scattered(rng))[:MAX_ELEMENTS])


def _scattered(rng: Generator) -> list[Element]:
    """Things, most of them of a few sizes and alike, and some props, anywhere."""
    count = int(rng.integers(1, MOST))
    size = float(np.clip(1.6 / math.sqrt(count) * rng.uniform(0.5, 1.2), 0.12, 1.5))
    one_size, upright = rng.random() < 0.5, rng.random() < 0.6
    changed = str(rng.choice(["none", "opacity", "hue", "saturation", "brightness", "silhouette", "sketch", "clip"]))
    made = []
    for _ in range(count):
        thing = Element(
            "subject" if rng.random() < 0.75 else "other", *_place(rng),
            size=size if one_size else size * float(rng.uniform(0.5, 1.6)),
            turn=0.0 if upright else float(rng.uniform(-180, 180)), mirror=bool(rng.random() < 0.2),
        )  # fmt: skip
        made.append(_changed(thing, changed, rng) if rng.random() < 0.4 else thing)
    for _ in range(int(rng.poisson(0.9))):
        kind = str(rng.choice([kind for kind in PROPS if kind not in UNPLACED]))
        prop = Element(
            kind, *_place(rng), size=float(rng.uniform(0.2, 1.6)), aspect=float(np.exp(rng.normal(0, 0.4))),
            turn=0.0 if rng.random() < 0.7 else float(rng.uniform(-180, 180)),
            palette=str(rng.choice(ENTRIES)) if rng.random() < 0.4 else "none",
        )  # fmt: skip
        made.insert(int(rng.integers(len(made) + 1)), prop)
    return made


def _changed(thing: Element, what: str, rng: Generator) -> Element:
    if what == "none":
        return thing
    if what == "clip":
        angle = float(rng.uniform(0, 2 * math.pi))
        amount = float(rng.uniform(0.2, 0.6))
        return dataclasses.replace(thing, clip=Clip(str(rng.choice(CUTS)), math.cos(angle), math.sin(angle), amount))
    level = float(rng.uniform(0.2, 0.8))
    named: dict[str, dict[str, Any]] = {
        "silhouette": {"silhouette": 1.0, "palette": "ink"},
        "sketch": {"sketch": 1.0},
        "hue": {"hue": 600 * (level - 0.5)},
    }
    return dataclasses.replace(thing, **named.get(what, {what: level}))


def _disturbed(elements: list[Element], rng: Generator) -> list[Element]:
    spread = float(rng.uniform(0.05, 0.4))
    made = []
    for e in elements:
        if rng.random() < 0.15:
            continue
        x, y = np.clip(np.array([e.x, e.y]) + rng.normal(0, spread, 2), -1.1, 1.1).tolist()
        size = e.size * math.exp(float(rng.normal(0, spread)))
        moved = dataclasses.replace(e, x=x, y=y, size=size)
        if rng.random() < 0.3:
            moved = dataclasses.replace(moved, turn=moved.turn + float(rng.normal(0, 40)))
        made.append(moved)
        if rng.random() < 0.1:
            made.append(dataclasses.replace(moved, x=_place(rng)[0], y=_place(rng)[1]))
    return made


def _some(elements: tuple[Element, ...], rng: Generator) -> list[Element]:
    """A random part of a scene, moved and scaled as a whole."""
    scale, (x, y) = float(rng.uniform(0.45, 0.9)), _place(rng)
    kept = [e for e in elements if rng.random() < 0.8]
    return [dataclasses.replace(e, x=scale * e.x + 0.5 * x, y=scale * e.y + 0.5 * y, size=scale * e.size) for e in kept]


def _place(rng: Generator) -> tuple[float, float]:
    x, y = rng.uniform(-0.85, 0.85, 2).tolist()
    return x, y
