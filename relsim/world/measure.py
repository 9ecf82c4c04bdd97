"""Measurements of scenes, and conditions that checkers share. Tolerances are relative to the sizes in the scene."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.scene import Element, Scene

# Decorative props, which do not change any relation.
DECORATION = ("shadow", "ground", "glow", "cloud")


class Broken(Exception):
    """Raised by checkers if the relation does not hold; the message says why."""


def require(condition: bool, reason: str) -> None:
    """Raises Broken with the reason unless the condition holds."""
    if not condition:
        raise Broken(reason)


def only(scene: Scene, *kinds: str) -> None:
    """Broken if a prop that is not decorative has another kind than these."""
    stray = sorted({e.kind for e in scene.elements if not e.is_thing} - {*DECORATION, *kinds})
    require(not stray, f"does not belong here: {', '.join(stray)}")


def subjects(scene: Scene, low: int, high: int) -> list[Element]:
    """The subjects in drawing order; Broken unless low <= their number <= high."""
    found = scene.of("subject")
    require(low <= len(found) <= high, f"{len(found)} subjects, expected {low} to {high}")
    return found


def others(scene: Scene, low: int, high: int) -> list[Element]:
    """The second things in drawing order; Broken unless low <= their number <= high."""
    found = scene.of("other")
    require(low <= len(found) <= high, f"{len(found)} other things, expected {low} to {high}")
    return found


def lone_subjects(scene: Scene, low: int, high: int, *kinds: str) -> list[Element]:
    """The subjects; Broken unless there are low to high of them, and else only decoration and props of these kinds."""
    only(scene, *kinds)
    require(not scene.of("other"), "another thing is there")
    return subjects(scene, low, high)


def in_front(scene: Scene, front: Element, behind: Element) -> bool:
    """Whether element `front` is drawn after element `behind`."""
    order = [id(e) for e in scene.elements]
    return order.index(id(front)) > order.index(id(behind))


def points(elements: Sequence[Element]) -> NDArray[np.float64]:
    """The centres of the elements, (n, 2)."""
    return np.array([(e.x, e.y) for e in elements], dtype=np.float64).reshape(-1, 2)


def spread(values: Sequence[float] | NDArray[np.float64]) -> float:
    """(max - min) / |mean|: 0 for equal values."""
    array = np.asarray(values, dtype=np.float64)
    return float((array.max() - array.min()) / max(abs(array.mean()), 1e-9)) if len(array) else 0.0


def equal_sizes(elements: Sequence[Element], tolerance: float = 0.2) -> None:
    require(spread([e.size for e in elements]) <= tolerance, "sizes differ")


def rising(values: Sequence[float], step: float, what: str) -> None:
    """Broken unless each value exceeds the one before by at least `step`."""
    require(all(b - a >= step for a, b in pairwise(values)), f"{what} does not rise step by step")


def rising_by_factor(values: Sequence[float], factor: float, what: str) -> None:
    """Broken unless each value is at least `factor` times the one before."""
    require(all(b >= a * factor for a, b in pairwise(values)), f"{what} does not grow step by step")


def turn_between(first: float, second: float) -> float:
    """The smallest rotation from the first angle to the second, degrees in (-180, 180]."""
    return -((first - second + 180) % 360 - 180)


def upright(elements: Sequence[Element], tolerance: float = 12) -> None:
    require(all(abs(turn_between(0, e.turn)) <= tolerance for e in elements), "not upright")


def natural(elements: Sequence[Element]) -> None:
    """Broken unless every element keeps roughly its natural proportions."""
    require(all(0.8 <= e.aspect <= 1.25 for e in elements), "stretched out of proportion")


def own_colours(elements: Sequence[Element]) -> None:
    """Broken unless every element is opaque and shows its thing in full detail; it may be clipped."""
    for e in elements:
        altered = e.opacity < 0.85 or max(e.silhouette, e.sketch, e.pixel) > 0.2
        require(not altered, f"a {e.kind} is altered")


def plain_looks(elements: Sequence[Element]) -> None:
    """Broken unless every element is opaque and shows its whole thing in full detail."""
    own_colours(elements)
    for e in elements:
        require(e.clip.kind == "none", f"a {e.kind} is cut")


def unaltered(elements: Sequence[Element], tolerance: float = 12) -> None:
    """Broken unless every element has plain looks and natural proportions and is upright within `tolerance` degrees."""
    plain_looks(elements)
    natural(elements)
    upright(elements, tolerance)


def same_looks(elements: Sequence[Element]) -> None:
    """Broken unless all look alike: opacity, colours, silhouette, sketch, pixel, clip (place, size, turn free)."""
    first = elements[0]
    for e in elements[1:]:
        equal = (
            abs(turn_between(e.hue, first.hue)) <= 25
            and abs(e.opacity - first.opacity) <= 0.25
            and abs(e.saturation - first.saturation) <= 0.5
            and abs(e.brightness - first.brightness) <= 0.25
            and abs(e.silhouette - first.silhouette) <= 0.25
            and abs(e.sketch - first.sketch) <= 0.25
            and abs(e.pixel - first.pixel) <= 0.25
            and e.clip.kind == first.clip.kind
        )
        require(equal, "they do not look alike")


def alike(elements: Sequence[Element], size_tolerance: float = 0.2) -> None:
    """Broken unless all are whole, plain and equal, each size within the tolerance of the median one.

    Deviations from the median, not the range, so that many noisy copies pass as easily as few.
    """
    plain_looks(elements)
    same_looks(elements)
    sizes = np.array([e.size for e in elements])
    require(bool(np.all(np.abs(sizes / np.median(sizes) - 1) <= size_tolerance)), "sizes differ")


def alike_except(elements: Sequence[Element], **neutral: Any) -> None:
    """Broken unless the elements look plain and alike once these changing properties are made neutral."""
    bare = [replace(e, **neutral) for e in elements]
    plain_looks(bare)
    same_looks(bare)


def clip_directions(elements: Sequence[Element]) -> NDArray[np.float64]:
    """(n, 2) points (u, v) of the clips as they appear, mirrored for mirrored elements."""
    return np.array([(-e.clip.u if e.mirror else e.clip.u, e.clip.v) for e in elements], dtype=np.float64)


def rows_of(elements: Sequence[Element]) -> list[list[Element]]:
    """Rows from top to bottom, each from left to right. Centres within 0.35 * the mean size share a row."""
    reach = 0.35 * float(np.mean([e.size for e in elements])) if elements else 0.0
    rows: list[list[Element]] = []
    for e in sorted(elements, key=lambda e: e.y):
        if rows and abs(e.y - np.mean([r.y for r in rows[-1]])) <= reach:
            rows[-1].append(e)
        else:
            rows.append([e])
    return [sorted(row, key=lambda e: e.x) for row in rows]


def even_gaps(values: Sequence[float], tolerance: float) -> None:
    """Broken unless the steps between sorted values differ by at most tolerance * their mean."""
    gaps = np.diff(np.sort(np.asarray(values, dtype=np.float64)))
    require(len(gaps) == 0 or spread(gaps) <= tolerance, "gaps are uneven")


def fit_line(centres: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Least-squares line: a point on it (2,), its unit direction (2,), the largest distance from it."""
    middle = centres.mean(axis=0)
    _, _, directions = np.linalg.svd(centres - middle)
    direction = directions[0]
    offsets = centres - middle
    distance = np.abs(offsets[:, 0] * direction[1] - offsets[:, 1] * direction[0])
    return middle, direction, float(distance.max())


def fit_circle(centres: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, float]:
    """Least-squares circle (Kasa): centre (2,), radius, relative spread of the radii (max - min) / radius."""
    design = np.column_stack([2 * centres, np.ones(len(centres))])
    solution, *_ = np.linalg.lstsq(design, (centres**2).sum(axis=1), rcond=None)
    middle = solution[:2]
    radii = np.linalg.norm(centres - middle, axis=1)
    return middle, float(radii.mean()), float((radii.max() - radii.min()) / max(radii.mean(), 1e-9))


def bearings(centres: NDArray[np.float64], middle: NDArray[np.float64]) -> NDArray[np.float64]:
    """The clock angle of each point around the middle: 0 at the top, clockwise, degrees in [0, 360)."""
    offset = centres - middle
    return np.degrees(np.arctan2(offset[:, 0], -offset[:, 1])) % 360


def extent(element: Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the bounding box of the rotated element."""
    angle = math.radians(element.turn)
    cosine, sine = abs(math.cos(angle)), abs(math.sin(angle))
    half_width = (element.width * cosine + element.height * sine) / 2
    half_height = (element.width * sine + element.height * cosine) / 2
    return element.x - half_width, element.y - half_height, element.x + half_width, element.y + half_height


def overlap(first: Element, second: Element) -> float:
    """Shared area of the two extents, as a fraction of the smaller one."""
    a, b = extent(first), extent(second)
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return max(width, 0.0) * max(height, 0.0) / max(min(areas), 1e-9)


def inside(inner: Element, outer: Element, slack: float = 0.1) -> bool:
    """Whether the inner extent lies in the outer one, with a tolerance of slack * the outer's size."""
    a, b, room = extent(inner), extent(outer), slack * outer.size
    return a[0] >= b[0] - room and a[1] >= b[1] - room and a[2] <= b[2] + room and a[3] <= b[3] + room


def distance(first: Element, second: Element) -> float:
    return math.hypot(first.x - second.x, first.y - second.y)
