"""The definition of a relation: anonymous captions, a drawing function and a checker.

A family file registers its relations with the `relation` decorator on the drawing function and names the
checker. Drawing code decides numbers freely (counts, sizes, directions) within the logic; checkers accept
whatever keeps the logic within a tolerance, also from a composer that has never seen this code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from numpy.random import Generator

from analogen.relsim.world.measure import Broken
from analogen.relsim.world.scene import Element, Scene, box

FAMILIES = ("change over time", "arrangement of many", "one thing and its surroundings", "the thing itself transformed")


@dataclass
class Draft:
    """A scene under construction. `facts` holds structure beyond the caption (count, direction, ...)."""

    rng: Generator
    elements: list[Element] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, kind: str, x: float, y: float, size: float, **rest: Any) -> None:
        self.elements.append(Element(kind, float(x), float(y), float(size), **rest))

    def box(self, kind: str, x: float, y: float, width: float, height: float, **rest: Any) -> None:
        self.elements.append(box(kind, float(x), float(y), float(width), float(height), **rest))

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def integer(self, low: int, high: int) -> int:
        """low <= result <= high."""
        return int(self.rng.integers(low, high + 1))

    def choice(self, options: tuple[Any, ...] | list[Any]) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def coin(self, probability: float = 0.5) -> bool:
        return bool(self.rng.random() < probability)


@dataclass(frozen=True)
class Relation:
    """A relation of the catalogue.

    captions   The anonymous caption first, then at least five paraphrases, one short and one long, all with
               {subject} and, where a second thing belongs to the logic, {other}.
    held_out   Never trained on.
    mirror_ok  The mirrored picture has the same logic.
    draw       Fills a Draft, in the canonical order: what lies behind first, then the things in reading
               order (rings from the top, clockwise), then what lies in front.
    check      Raises Broken with the reason if the scene does not keep the logic.
    also       Ids of relations whose logic may hold in this relation's scenes too; all others exclude it.
    """

    id: str
    family: str
    captions: tuple[str, ...]
    draw: Callable[[Draft], None]
    check: Callable[[Scene], None]
    held_out: bool = False
    mirror_ok: bool = True
    also: frozenset[str] = frozenset()

    @property
    def caption(self) -> str:
        return self.captions[0]

    @property
    def needs_other(self) -> bool:
        return "{other}" in self.caption

    def why_broken(self, scene: Scene) -> str | None:
        """None if the relation holds in the scene, else the first reason why not."""
        try:
            self.check(scene)
        except Broken as reason:
            return str(reason)
        return None

    def holds(self, scene: Scene) -> bool:
        return self.why_broken(scene) is None


REGISTRY: dict[str, Relation] = {}


def relation(
    id: str,
    *captions: str,
    family: str,
    check: Callable[[Scene], None],
    held_out: bool = False,
    mirror_ok: bool = True,
    also: tuple[str, ...] = (),
) -> Callable[[Callable[[Draft], None]], Callable[[Draft], None]]:
    """Registers the decorated drawing function under the id of RELATIONS.md."""
    if family not in FAMILIES:
        raise ValueError(f"{id}: unknown family {family!r}")
    if len(captions) < 6 or any("{subject}" not in caption for caption in captions):
        raise ValueError(f"{id}: a caption and five paraphrases are needed, each with {{subject}}")

    def register(draw: Callable[[Draft], None]) -> Callable[[Draft], None]:
        if id in REGISTRY:
            raise ValueError(f"relation {id!r} is registered twice")
        REGISTRY[id] = Relation(id, family, captions, draw, check, held_out, mirror_ok, frozenset(also))
        return draw

    return register
