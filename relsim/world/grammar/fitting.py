"""Fits the templates of a regular arrangement to things: which thing stands in which slot.

All templates with the right number of slots are laid over the things at once, and the one that fits best is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.grammar.arrangements import Shape
from analogen.relsim.world.grammar.layouts import Layout, Points
from analogen.relsim.world.measure import points
from analogen.relsim.world.scene import Element

FARTHEST, TYPICAL = 0.45, 0.22  # deviations from the slots that are accepted, in steps between neighbours
_STRETCH = 0.85  # a template may be squeezed to this share along one axis


@dataclass(frozen=True)
class Found:
    """An arrangement in a scene: its things in reading order, their slots, and how well they fit (0 = exactly)."""

    layout: Layout
    things: list[Element]
    slots: NDArray[np.int64]
    error: float

    @property
    def progress(self) -> Points:
        return self.layout.progress[self.slots]

    @property
    def parity(self) -> NDArray[np.int64]:
        return self.layout.parity[self.slots]


@dataclass(frozen=True)
class _Templates:
    """All layouts of one shape with the same number of slots, as arrays over the templates."""

    layouts: list[Layout]
    places: Points  # (templates, slots, 2), centred, the longer side 2
    room: Points  # (templates, slots)


@lru_cache(maxsize=1024)  # 411 shapes are in use; of pictures with other numbers of things there are more
def _templates(shape: Shape) -> dict[int, _Templates]:
    by_count: dict[int, list[Layout]] = {}
    for made in shape.templates():
        by_count.setdefault(len(made), []).append(made)
    return {count: _stacked(found, shape.turning) for count, found in by_count.items()}


def _stacked(found: list[Layout], turning: bool) -> _Templates:
    places, rooms = [], []
    for one in found:
        middle, unit = _middle_and_unit(one.places, turning)
        places.append((one.places - middle) / unit)
        rooms.append(np.maximum(one.room, 0.5 * np.median(one.room)) / unit)
    return _Templates(found, np.array(places), np.array(rooms))


def _middle_and_unit(spots: Points, turning: bool) -> tuple[Points, float]:
    """Centre and size of the box around points; of the points themselves if turning must not matter."""
    if turning:
        middle = spots.mean(axis=0)
        return middle, float(np.sqrt(((spots - middle) ** 2).sum(axis=1).mean()))
    low, high = spots.min(axis=0), spots.max(axis=0)
    return (low + high) / 2, float((high - low).max()) / 2


def fitted(shape: Shape, things: Sequence[Element], holes: int, any_hole: bool = False) -> Found | None:
    """The best fit of the shape's templates, or None if none is good enough.

    any_hole: also with a slot empty without which the shape would be another one.
    """
    match = _matched(shape, holes, any_hole, points(list(things)).tobytes())
    if match is None:
        return None
    return Found(match.layout, [things[i] for i in match.order], match.slots, match.error)


class _Match(NamedTuple):
    """A template that fits: order of the things along it, the slots that they fill, and the typical error."""

    layout: Layout
    order: tuple[int, ...]
    slots: NDArray[np.int64]
    error: float


@lru_cache(maxsize=4096)  # a scene is fitted several times, with and without its weak looks
def _matched(shape: Shape, holes: int, any_hole: bool, places: bytes) -> _Match | None:
    spots = np.frombuffer(places).reshape(-1, 2)
    templates = _templates(shape).get(len(spots) + holes)
    if templates is None:
        return None
    middle, unit = _middle_and_unit(spots, shape.turning)
    if unit < 1e-6:
        return None
    spots = (spots - middle) / unit
    placed, room = templates.places, templates.room
    nearest = np.empty((len(placed), len(spots)), dtype=np.int64)
    for _ in range(5 if shape.turning else 3):
        gaps = ((spots[None, :, None] - placed[:, None]) ** 2).sum(axis=3)  # (templates, things, slots)
        nearest = gaps.argmin(axis=2)
        matched = np.take_along_axis(templates.places, nearest[..., None], axis=1)  # (templates, things, 2)
        scale, matrix, shift = (_similarity if shape.turning else _affine)(matched, spots)
        placed = templates.places @ matrix + shift[:, None]
        room = templates.room * scale[:, None]
    errors = np.linalg.norm(np.take_along_axis(placed, nearest[..., None], axis=1) - spots, axis=2)
    errors = errors / np.take_along_axis(room, nearest, axis=1)
    typical = np.sqrt((errors**2).mean(axis=1))
    ordered = np.sort(nearest, axis=1)
    good = (np.diff(ordered, axis=1) > 0).all(axis=1) & (errors.max(axis=1) <= FARTHEST) & (typical <= TYPICAL)
    if not good.any():
        return None
    best = int(np.where(good, typical, np.inf).argmin())
    made, slots = templates.layouts[best], nearest[best]
    if holes and not any_hole and set(range(len(made))) - set(slots.tolist()) <= made.fixed:
        return None
    order = np.argsort(slots)
    return _Match(made, tuple(order.tolist()), slots[order], float(typical[best]))


def _affine(matched: Points, spots: Points) -> tuple[Points, Points, Points]:
    """Scale (templates,), matrix (templates, 2, 2) and shift (templates, 2) that bring each template's slots to the
    things: stretched nearly equally across and down."""
    middle, aim = matched.mean(axis=1), spots.mean(axis=0)
    own, wanted = matched - middle[:, None], spots - aim
    squares, products = (own**2).sum(axis=1), (own * wanted).sum(axis=1)  # (templates, 2)
    common = products.sum(axis=1) / np.maximum(squares.sum(axis=1), 1e-12)
    common = np.maximum(common, 1e-6)[:, None]
    flat = squares < 1e-3 * squares.sum(axis=1, keepdims=True)
    scales = np.where(flat, common, products / np.maximum(squares, 1e-12))
    scales = np.clip(scales, _STRETCH * common, common / _STRETCH)
    return scales.mean(axis=1), scales[:, None] * np.eye(2), aim - scales * middle


def _similarity(matched: Points, spots: Points) -> tuple[Points, Points, Points]:
    """As `_affine`, but scaled and turned."""
    middle, aim = matched.mean(axis=1), spots.mean(axis=0)
    own, wanted = (matched - middle[:, None]) @ np.array([1, 1j]), (spots - aim) @ np.array([1, 1j])
    factor = (own.conj() * wanted).sum(axis=1) / np.maximum((np.abs(own) ** 2).sum(axis=1), 1e-12)  # (templates,)
    real, imaginary = factor.real, factor.imag
    matrix = np.stack([np.stack([real, imaginary], axis=1), np.stack([-imaginary, real], axis=1)], axis=1)
    return np.abs(factor), matrix, aim - (middle[:, None] @ matrix)[:, 0]
