"""Checkers of castings: which thing fills which place of an arrangement that was found.

Each takes the arrangement, what was found and its things freed of what the arrangement gives them, raises Broken if
they are not cast so, and returns the things as if nothing told them apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from analogen.relsim.world.grammar.fitting import Found
from analogen.relsim.world.grammar.rules import allowed
from analogen.relsim.world.measure import require, turn_between
from analogen.relsim.world.scene import Element

Role = Callable[[str, Found, list[Element]], list[Element]]
LARGER = 1.45  # ratio from which on a thing counts as large beside small ones


def _only_subjects(things: Sequence[Element]) -> None:
    require(all(e.kind == "subject" for e in things), "another thing is there")


def _alike(arrangement: str, found: Found, things: list[Element]) -> list[Element]:
    _only_subjects(things)
    return things


def _places_of_others(found: Found, things: Sequence[Element]) -> set[int]:
    """Slots in which other things stand; Broken if there is no other, or no subject."""
    others = {int(s) for s, e in zip(found.slots, things, strict=True) if e.kind == "other"}
    require(0 < len(others) < len(things), "subject and other thing are not both there")
    return others


def _as_subjects(things: Sequence[Element]) -> list[Element]:
    return [replace(e, kind="subject") for e in things]


def special_slots(arrangement: str, leaders: str, found: Found) -> set[int]:
    """Slots with a casting of their own: who stands there is more than one among many. leaders: that casting."""
    special = {0} if allowed(arrangement, "none", leaders, "none") else set()
    if leaders == "led_by_other" and found.layout.hub >= 0:
        special.add(found.layout.hub)
    return special


def _one_odd(arrangement: str, found: Found, things: list[Element]) -> list[Element]:
    others = _places_of_others(found, things)
    require(len(others) == 1, "not one single other thing")
    require(not others & special_slots(arrangement, "led_by_other", found), "the other thing has a place of its own")
    return _as_subjects(things)


def _others_at(*wanted: int) -> Role:
    def check(arrangement: str, found: Found, things: list[Element]) -> list[Element]:
        slots = {w % len(found.layout) for w in wanted}
        require(_places_of_others(found, things) == slots, "the other thing stands elsewhere")
        return _as_subjects(things)

    return check


def _other_in_middle(arrangement: str, found: Found, things: list[Element]) -> list[Element]:
    require(_places_of_others(found, things) == {found.layout.hub}, "the middle is not the other thing alone")
    return _as_subjects(things)


def _alternating(arrangement: str, found: Found, things: list[Element]) -> list[Element]:
    _places_of_others(found, things)
    kinds = [e.kind == "other" for e in things]
    require(len({k == bool(p) for k, p in zip(kinds, found.parity, strict=True)}) == 1, "they do not take strict turns")
    return _as_subjects(things)


def _halves(arrangement: str, found: Found, things: list[Element]) -> list[Element]:
    _places_of_others(found, things)
    late = found.progress > 0.5
    kinds = [e.kind == "other" for e in things]
    clear = np.abs(found.progress - 0.5) > 1e-6  # the one exactly in the middle may belong to either half
    require(len({k == bool(t) for k, t, c in zip(kinds, late, clear, strict=True) if c}) == 1, "no two halves")
    return _as_subjects(things)


def _sizes_told(things: list[Element], large: Sequence[bool]) -> list[Element]:
    """The things with one size; Broken unless those marked are clearly larger than the rest."""
    _only_subjects(things)
    big = [e.size for e, marked in zip(things, large, strict=True) if marked]
    small = [e.size for e, marked in zip(things, large, strict=True) if not marked]
    require(bool(big) and bool(small) and min(big) >= LARGER * max(small), "sizes do not tell them apart")
    unit = {True: float(np.median(big)), False: float(np.median(small))}
    return [replace(e, size=e.size / unit[marked]) for e, marked in zip(things, large, strict=True)]


def _leader(arrangement: str, found: Found, things: list[Element]) -> list[Element]:
    return _sizes_told(things, [int(s) == 0 for s in found.slots])


def _one_large(arrangement: str, found: Found, things: list[Element]) -> list[Element]:
    largest = max(range(len(things)), key=lambda i: things[i].size)
    special = special_slots(arrangement, "leader", found)
    require(int(found.slots[largest]) not in special, "the large one leads")
    return _sizes_told(things, [i == largest for i in range(len(things))])


def _one_small(arrangement: str, found: Found, things: list[Element]) -> list[Element]:
    smallest = min(range(len(things)), key=lambda i: things[i].size)
    return _sizes_told(things, [i != smallest for i in range(len(things))])


def _alternating_size(arrangement: str, found: Found, things: list[Element]) -> list[Element]:
    require(len(set(found.parity.tolist())) == 2, "nothing takes turns")
    first = [float(np.mean([e.size for e, p in zip(things, found.parity, strict=True) if p == q])) for q in (0, 1)]
    return _sizes_told(things, [bool(p) == (first[1] > first[0]) for p in found.parity])


def _turned_over(things: list[Element]) -> list[bool]:
    """Which things stand the other way up than the first; Broken if one stands neither way."""
    ways = [abs(turn_between(things[0].turn, e.turn)) for e in things]
    require(all(w <= 32 or w >= 148 for w in ways), "one is neither upright nor upside down")
    return [w >= 148 for w in ways]


def _set_upright(things: list[Element], over: Sequence[bool]) -> list[Element]:
    return [replace(e, turn=(e.turn + 180) % 360) if o else e for e, o in zip(things, over, strict=True)]


def _one_turned(arrangement: str, found: Found, things: list[Element]) -> list[Element]:
    _only_subjects(things)
    over = _turned_over(things)
    require(sum(over) in (1, len(things) - 1), "not one upside down")
    return _set_upright(things, over)


def _alternating_turn(arrangement: str, found: Found, things: list[Element]) -> list[Element]:
    _only_subjects(things)
    over = _turned_over(things)
    require(len(set(over)) == 2, "all the same way up")
    require(
        len({o == bool(p) for o, p in zip(over, found.parity, strict=True)}) == 1, "not every second one upside down"
    )
    return _set_upright(things, over)


def _one_altered(altered: Callable[[Element], bool], what: str, **neutral: Any) -> Role:
    def check(arrangement: str, found: Found, things: list[Element]) -> list[Element]:
        _only_subjects(things)
        marked = [altered(e) for e in things]
        require(sum(marked) == 1, f"not one {what}")
        return [replace(e, **neutral) if m else e for e, m in zip(things, marked, strict=True)]

    return check


def _missing(arrangement: str, found: Found, things: list[Element]) -> list[Element]:
    _only_subjects(things)
    require(math.isfinite(found.error) and len(things) == len(found.layout) - 1, "no empty place")
    return things


ROLES: dict[str, Role] = {
    "alike": _alike,
    "one_odd": _one_odd,
    "alternating": _alternating,
    "halves": _halves,
    "led_by_other": _others_at(0),
    "other_at_ends": _others_at(0, -1),
    "other_in_middle": _other_in_middle,
    "leader": _leader,
    "one_large": _one_large,
    "one_small": _one_small,
    "alternating_size": _alternating_size,
    "one_turned": _one_turned,
    "alternating_turn": _alternating_turn,
    "one_shadow": _one_altered(lambda e: e.silhouette >= 0.6, "dark silhouette", silhouette=0.0, palette="none"),
    "one_grey": _one_altered(lambda e: e.saturation <= 0.3, "grey one", saturation=1.0),
    "one_sketched": _one_altered(lambda e: e.sketch >= 0.6, "sketch", sketch=0.0),
    "missing": _missing,
}
