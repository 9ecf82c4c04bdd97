"""Castings: which things fill the places of an arrangement, and which differs from the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from analogen.relsim.world.grammar.plans import Plan
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import Element

SceneArt = Callable[[Draft, Plan, list[Element]], list[Element | None]]
SMALL = (0.42, 0.5)  # sizes of the small against the large where sizes tell them apart


@dataclass(frozen=True)
class Casting:
    """Who is who. `cast` gives the things in reading order, None for an empty place; least: things that it needs."""

    id: str
    cast: SceneArt
    least: int = 1


def _alike(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    return [*things]


def _anywhere(draft: Draft, plan: Plan) -> int:
    """A slot that has no casting of its own."""
    slot: int = draft.choice([i for i in range(len(plan.things)) if i not in plan.taken])
    return slot


def _one(draft: Draft, plan: Plan, things: list[Element], **rest: Any) -> list[Element | None]:
    """One of the things differs from the rest."""
    at = _anywhere(draft, plan)
    return [replace(e, **rest) if i == at else e for i, e in enumerate(things)]


def _one_odd(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    return _one(draft, plan, things, kind="other")


def _one_turned(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    at = _anywhere(draft, plan)
    return [replace(e, turn=(e.turn + 180) % 360) if i == at else e for i, e in enumerate(things)]


def _one_shadow(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    return _one(draft, plan, things, silhouette=1.0, palette=draft.choice(("dark", "ink")))


def _one_grey(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    return _one(draft, plan, things, saturation=0.0)


def _one_sketched(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    return _one(draft, plan, things, sketch=1.0)


def _one_large(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    at, small = _anywhere(draft, plan), draft.uniform(*SMALL)
    return [replace(e, size=e.size * (1.2 if i == at else 1.2 * small)) for i, e in enumerate(things)]


def _one_small(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    at, small = _anywhere(draft, plan), draft.uniform(*SMALL)
    return [replace(e, size=e.size * small) if i == at else e for i, e in enumerate(things)]


def _leader(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    small = draft.uniform(*SMALL)
    return [replace(e, size=e.size * (1.2 if i == 0 else 1.2 * small)) for i, e in enumerate(things)]


def _led_by_other(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    return [replace(e, kind="other") if i == 0 else e for i, e in enumerate(things)]


def _other_at_ends(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    last = len(things) - 1
    return [replace(e, kind="other") if i in (0, last) else e for i, e in enumerate(things)]


def _other_in_middle(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    return [replace(e, kind="other") if i == plan.layout.hub else e for i, e in enumerate(things)]


def _missing(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    at = draft.choice([i for i in range(len(things)) if i not in plan.layout.fixed])
    return [None if i == at else e for i, e in enumerate(things)]


def _halves(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    swap = draft.coin()
    return [
        replace(e, kind="other") if (t > 0.5) != swap else e for e, t in zip(things, plan.layout.progress, strict=True)
    ]


def _in_turn(plan: Plan, things: list[Element], which: int, **rest: Any) -> list[Element | None]:
    return [replace(e, **rest) if p == which else e for e, p in zip(things, plan.layout.parity, strict=True)]


def _alternating(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    return _in_turn(plan, things, draft.integer(0, 1), kind="other")


def _alternating_size(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    which, small = draft.integer(0, 1), draft.uniform(*SMALL)
    pairs = zip(things, plan.layout.parity, strict=True)
    return [replace(e, size=e.size * (1.2 * small if p == which else 1.2)) for e, p in pairs]


def _alternating_turn(draft: Draft, plan: Plan, things: list[Element]) -> list[Element | None]:
    which = draft.integer(0, 1)
    pairs = zip(things, plan.layout.parity, strict=True)
    return [replace(e, turn=(e.turn + 180) % 360) if p == which else e for e, p in pairs]


CASTINGS: dict[str, Casting] = {
    c.id: c
    for c in (
        Casting("alike", _alike),
        Casting("one_odd", _one_odd, 4),
        Casting("alternating", _alternating, 4),
        Casting("halves", _halves, 4),
        Casting("led_by_other", _led_by_other, 4),
        Casting("other_at_ends", _other_at_ends, 5),
        Casting("other_in_middle", _other_in_middle, 3),
        Casting("leader", _leader, 4),
        Casting("one_large", _one_large, 5),
        Casting("one_small", _one_small, 4),
        Casting("alternating_size", _alternating_size, 5),
        Casting("one_turned", _one_turned, 4),
        Casting("alternating_turn", _alternating_turn, 4),
        Casting("one_shadow", _one_shadow, 4),
        Casting("one_grey", _one_grey, 4),
        Casting("one_sketched", _one_sketched, 4),
        Casting("missing", _missing, 6),
    )
}
SIZES = ("leader", "one_large", "one_small", "alternating_size")
TURNS = ("one_turned", "alternating_turn")
OTHERS = ("one_odd", "alternating", "halves", "led_by_other", "other_at_ends", "other_in_middle")
IN_TURN = ("alternating", "alternating_size", "alternating_turn")
