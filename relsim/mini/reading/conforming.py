"""Brings things that were read into the casting and progression that the network's parts head tells.

Pixels say well where things are and badly how each differs from the next; the parts head sees the whole picture. So of
the compositions that the head holds likely, the one is taken whose things, drawn by the grammar itself, come nearest to
what was measured.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analogen.relsim.world.grammar.arrangements import ARRANGEMENTS
from analogen.relsim.world.grammar.castings import CASTINGS
from analogen.relsim.world.grammar.finding import bare
from analogen.relsim.world.grammar.fitting import Found
from analogen.relsim.world.grammar.plans import Plan
from analogen.relsim.world.grammar.progressions import PROGRESSIONS
from analogen.relsim.world.grammar.rules import allowed
from analogen.relsim.world.measure import turn_between
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import NO_CLIP, Element

Shares = Mapping[str, float]  # probability by atom
LEAST = 0.04  # probability below which an atom is not tried
DRAWS = 24  # drawings of each composition: which thing is the odd one, how strong a change is
FARTHEST = 1.0  # most that one thing's difference counts
PIXELS = 3.0  # what the mean difference of the things counts against the log of the head's probability
# Differences that count as much as a thing of another kind: log of size, degrees of turn and hue, levels.
SIZE, TURN, HUE, LEVEL = 0.7, 120.0, 120.0, 0.7
PLAIN: dict[str, Any] = {
    "opacity": 1.0, "hue": 0.0, "saturation": 1.0, "brightness": 1.0, "silhouette": 0.0, "sketch": 0.0, "pixel": 0.0,
    "palette": "none", "clip": NO_CLIP,
}  # fmt: skip


@dataclass(frozen=True)
class Conformed:
    """Things in reading order that show a casting and a progression. cost: the less, the likelier."""

    things: list[Element]
    casting: str
    progression: str
    cost: float


def conform(
    arrangement: str, found: Found, castings: Shares, progressions: Shares, read: tuple[str, str] | None = None
) -> Conformed | None:
    """The likeliest casting and progression of the things, which stand in the arrangement, and the things with exactly
    these; None where a place is empty, where things differ by their arrangement (a nest, a heap), or nothing fits.

    castings, progressions: what the parts head holds of them. read: casting and progression that the things already
    have exactly, if they have any; these are kept as they are where they are the likeliest. All things show the same
    side: what is seen of a side is weak, and no arrangement that is asked here has two.
    """
    if ARRANGEMENTS[arrangement].shape is None or len(found.things) != len(found.layout):
        return None
    measured = bare(arrangement, found, turning=_likeliest(progressions) == "turning")
    best: Conformed | None = None
    mirror = sum(e.mirror for e in found.things) > len(found.things) / 2
    found = replace(found, things=[replace(e, mirror=mirror) for e in found.things])
    if read is not None:
        best = Conformed(found.things, *read, _surprise(castings, read[0]) + _surprise(progressions, read[1]))
    for casting, progression in itertools.product(_likely(castings), _likely(progressions)):
        if casting == "missing" or (casting, progression) == read:
            continue
        if not allowed(arrangement, progression, casting, "none"):
            continue
        surprise = _surprise(castings, casting) + _surprise(progressions, progression)
        if best is not None and surprise >= best.cost:
            continue
        for drawn in _drawings(arrangement, found, casting, progression):
            scaled = _at_size(drawn, measured)
            cost = surprise + PIXELS * _mean_difference(scaled, measured)
            if best is None or cost < best.cost:
                best = Conformed(_placed(scaled, found, measured), casting, progression, cost)
    return best


def _likeliest(shares: Shares) -> str:
    return max(shares, key=lambda atom: shares[atom])


def _likely(shares: Shares) -> list[str]:
    return [atom for atom, share in shares.items() if share >= LEAST]


def _surprise(shares: Shares, atom: str) -> float:
    return -math.log(max(shares[atom], 1e-4))


def _drawings(arrangement: str, found: Found, casting: str, progression: str) -> Iterator[list[Element]]:
    """Things of size 1 with this casting and progression, as the grammar draws them, in reading order."""
    plain = [replace(e, kind="subject", size=1.0, turn=0.0, **PLAIN) for e in found.things]
    taken = {0} if allowed(arrangement, "none", "leader", "none") else set()
    plan = Plan(found.layout, plain, taken=frozenset(taken | {found.layout.hub}))
    for number in range(DRAWS if (casting, progression) != ("alike", "none") else 1):
        draft = Draft(np.random.default_rng(number))
        change = PROGRESSIONS[progression].prepare(draft)
        changed = [change(e, float(t)) for e, t in zip(plain, found.layout.progress, strict=True)]
        filled = CASTINGS[casting].cast(draft, plan, changed)
        yield [e for e in filled if e is not None]


def _at_size(drawn: Sequence[Element], measured: Sequence[Element]) -> list[Element]:
    """The drawn things, all larger or smaller, so that they are as large as the measured ones in the middle."""
    factor = math.exp(float(np.median([math.log(m.size / d.size) for d, m in zip(drawn, measured, strict=True)])))
    return [replace(e, size=e.size * factor) for e in drawn]


def _mean_difference(drawn: Sequence[Element], measured: Sequence[Element]) -> float:
    # Which of two sides is upright, and which kind is the subject, are not seen: the whole may be turned and swapped.
    base = _mean_turn(drawn, measured)
    pairs = list(zip(drawn, measured, strict=True))
    return float(np.mean([min(_difference(d, m, base), FARTHEST) for d, m in pairs]))


def _mean_turn(drawn: Sequence[Element], measured: Sequence[Element]) -> float:
    waves = sum(np.exp(1j * math.radians(m.turn - d.turn)) for d, m in zip(drawn, measured, strict=True))
    return math.degrees(float(np.angle(waves)))


def _difference(drawn: Element, measured: Element, base: float) -> float:
    levels = ("opacity", "saturation", "brightness", "silhouette", "sketch", "pixel")
    one, other = drawn.clip, measured.clip
    if one.kind == other.kind:
        cut = 0.0 if one.kind == "none" else abs(one.amount - other.amount) / LEVEL
    else:
        amount = next(c.amount + (c.kind == "half") for c in (one, other) if c.kind != "none")
        cut = min(1.0, abs(amount) / LEVEL)
    return (
        float(drawn.kind != measured.kind)
        + abs(math.log(drawn.size / measured.size)) / SIZE
        + abs(turn_between(drawn.turn + base, measured.turn)) / TURN
        + abs(turn_between(drawn.hue, measured.hue)) / HUE
        + sum(abs(getattr(drawn, name) - getattr(measured, name)) for name in levels) / LEVEL
        + cut
    )


def _placed(drawn: Sequence[Element], found: Found, measured: Sequence[Element]) -> list[Element]:
    """The drawn things where the things of the picture are, turned and mirrored as the arrangement turns those."""
    base = _mean_turn(drawn, measured)
    base = 0.0 if abs(base) < 22 else base
    return [
        replace(
            e, x=own.x, y=own.y, aspect=own.aspect, mirror=own.mirror,
            turn=round((e.turn + base + turn_between(m.turn, own.turn)) % 360, 2),
        )
        for e, own, m in zip(drawn, found.things, measured, strict=True)
    ]  # fmt: skip
