"""Finds the rule of a scene: arrangement, progression, casting and setting, and how certain each is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analogen.relsim.mini.reading.arranging import UNRULED, Candidate, candidates
from analogen.relsim.world.grammar.castings import CASTINGS
from analogen.relsim.world.grammar.composition import Composition
from analogen.relsim.world.grammar.finding import bare, borders, in_given_order
from analogen.relsim.world.grammar.fitting import Found
from analogen.relsim.world.grammar.judging import check_alike
from analogen.relsim.world.grammar.progressions import PROGRESSIONS
from analogen.relsim.world.grammar.roles import ROLES
from analogen.relsim.world.grammar.rules import allowed
from analogen.relsim.world.grammar.settings import SETTINGS, bounds
from analogen.relsim.world.grammar.surroundings import SURROUNDINGS
from analogen.relsim.world.measure import DECORATION, Broken, extent, turn_between
from analogen.relsim.world.scene import NO_CLIP, Element, Scene

CLOSE_CALL = 0.05  # difference in cost to the second arrangement at which the first is about twice as likely
SOFT = 0.5  # certainty of parts that hold roughly only, against 1 where their checkers agree
UNTOLD = 0.6  # certainty where the things differ in a way that no part of the grammar tells
FEW_THINGS = {1: 1.0, 2: 0.85, 3: 0.75, 4: 0.85}  # few things stand in a line or on a circle by chance


@dataclass(frozen=True)
class Rule:
    """What the things of a scene have in common.

    arrangement, progression, casting, setting: atoms of `relsim.world.grammar`; arrangement "": no rule, in which case
    the casting is "" too where the things are of several kinds. rows: things in each row of a grid, from the top.
    exact: the grammar's checkers of casting and progression agree.
    certainty: in [0, 1], that this is what a person would say of these places.
    """

    arrangement: str = ""
    progression: str = "none"
    casting: str = "alike"
    setting: str = "none"
    certainty: float = 0.0
    rows: tuple[int, ...] = ()
    exact: bool = False

    @property
    def composition(self) -> str:
        """The id of the composition, "" where the parts are none of the grammar's."""
        parts = (self.arrangement, self.progression, self.casting, self.setting)
        known = self.arrangement and self.casting and allowed(*parts)
        return Composition(*parts).id if known else ""


NO_RULE = Rule()
# Weaker looks than these are not believed where nothing else has a reason for them: opacity, the share that is bitten
# off, degrees of hue, saturation and brightness off 1, degrees of turn, log of the size over the kind's.
FAINT, BITTEN, TINTED, TONED, LEANING, SIZED = 0.5, 0.45, 60.0, 0.5, 40.0, 0.3


def without_weak_looks(things: Sequence[Element], sizes: bool = True) -> list[Element]:
    """The things without the weak differences that a reader of pictures sees where there are none; strong ones stay.

    sizes: those of each kind alike, too, where they are nearly.
    """
    usual = {kind: float(np.median([e.size for e in things if e.kind == kind])) for kind in {e.kind for e in things}}
    made = []
    for e in things:
        weak = e.clip.amount < {"bite": BITTEN, "half": 0.0}.get(e.clip.kind, -9.0)
        near = abs(math.log(e.size / usual[e.kind])) < SIZED
        made.append(
            replace(
                e,
                opacity=1.0 if e.opacity > FAINT else e.opacity,
                clip=NO_CLIP if weak else e.clip,
                hue=0.0 if min(e.hue, 360 - e.hue) < TINTED else e.hue,
                saturation=1.0 if abs(e.saturation - 1) < TONED else e.saturation,
                brightness=1.0 if abs(e.brightness - 1) < TONED else e.brightness,
                turn=0.0 if abs(turn_between(0, e.turn)) < LEANING else e.turn,
                size=usual[e.kind] if near and sizes else e.size,
            )
        )
    return made


def fit_rule(scene: Scene, confidences: Sequence[float] | None = None, told: Mapping[str, float] | None = None) -> Rule:
    """The rule that the scene's things follow best, whatever their order.

    confidences: of the scene's elements, 1 by default; told: how likely each arrangement is by the parts head.
    """
    rule, _ = fit_with_places(scene, confidences, told)
    return rule


def fit_with_places(
    scene: Scene, confidences: Sequence[float] | None = None, told: Mapping[str, float] | None = None
) -> tuple[Rule, Candidate | None]:
    """The rule, and the things in the places of its arrangement; None where there is no rule."""
    things = scene.things
    sure = dict(zip(map(id, scene.elements), confidences or [1.0] * len(scene.elements), strict=True))
    own = [sure[id(e)] for e in things]
    if not things:
        return Rule(casting=""), None
    fits = candidates(things, own, told)
    setting, set_sure = _setting(scene, fits[0].arrangement if fits else "")
    if not fits:
        found = in_given_order(sorted(things, key=lambda e: (round(2 * e.y), e.x)))
        casting, progression, _ = _parts("scatter", found)
        return Rule("", progression, casting, setting, 0.0), None
    parts = [_parts(c.arrangement, c.found) for c in fits[:3]]
    # An arrangement in which everything has its reason is better than one that fits a little closer without.
    best = min(range(len(parts)), key=lambda i: fits[i].cost + 0.06 * (1 - parts[i][2]))
    chosen, (casting, progression, parts_sure) = fits[best], parts[best]
    if (
        chosen.holes
        and not chosen.missed
        and casting == "alike"
        and allowed(chosen.arrangement, progression, "missing", "none")
    ):
        casting = "missing"
    rest = [c.cost for i, c in enumerate(fits) if i != best] + [UNRULED]
    margin = 1 / (1 + math.exp(-(min(rest) - chosen.cost) / CLOSE_CALL))
    certainty = (
        math.exp(-((chosen.found.error / 0.22) ** 2) if math.isfinite(chosen.found.error) else -0.3)
        * margin
        * parts_sure
        * (set_sure if setting != "none" else 1.0)
        * FEW_THINGS.get(len(things), 1.0)
        * float(np.mean(own))
        * (0.6 if chosen.left_out or chosen.missed else 1.0)
    )
    rule = Rule(
        chosen.arrangement, progression, casting, setting, round(float(certainty), 4), _rows(chosen), parts_sure == 1
    )
    return rule, chosen


def _rows(chosen: Candidate) -> tuple[int, ...]:
    if chosen.arrangement not in ("lattice", "bricks"):
        return ()
    heights = np.round(chosen.found.layout.places[:, 1], 6)
    return tuple(int((heights == level).sum()) for level in np.unique(heights))


def _parts(arrangement: str, found: Found) -> tuple[str, str, float]:
    """Casting ("" where none fits), progression and how well they fit, in [0, 1]."""
    for casting in CASTINGS:
        if casting == "missing" or not allowed(arrangement, "none", casting, "none"):
            continue
        for turning in (False, True):
            try:
                cast = ROLES[casting](arrangement, found, bare(arrangement, found, turning=turning))
            except Broken:
                continue
            for progression in PROGRESSIONS:
                if turning != (progression == "turning") or not allowed(arrangement, progression, casting, "none"):
                    continue
                try:
                    check_alike(PROGRESSIONS[progression].undo(cast, found.progress))
                except Broken:
                    continue
                return casting, progression, 1.0
    return _roughly(arrangement, found)


def _roughly(arrangement: str, found: Found) -> tuple[str, str, float]:
    """As `_parts`, where something is a little off: the casting by kinds alone, and the strongest trend."""
    things = bare(arrangement, found)
    casting = "alike"
    if any(e.kind == "other" for e in things):
        casting = ""
        plain = [Element(e.kind, e.x, e.y, 1.0) for e in things]
        for name in CASTINGS:
            try:
                if allowed(arrangement, "none", name, "none") and name not in ("alike", "missing"):
                    ROLES[name](arrangement, found, plain)
                    casting = name
                    break
            except Broken:
                continue
    best, progression = 0.6, "none"
    for name, values, least in _courses(things):
        if not allowed(arrangement, name, casting or "one_odd", "none"):
            continue
        agreement = _agreement(values, found.progress, least)
        if agreement > best:
            best, progression = agreement, name
    if progression != "none":
        return casting, progression, SOFT * (1.0 if casting else UNTOLD)
    return casting, "none", UNTOLD if casting else UNTOLD * SOFT


def _courses(things: Sequence[Element]) -> list[tuple[str, list[float], float]]:
    """Per progression of a level: its values and the least change in all."""
    sizes = [math.log(e.size) for e in things]
    opacity, pixel, sketch = ([getattr(e, n) for e in things] for n in ("opacity", "pixel", "sketch"))
    saturation, brightness = ([getattr(e, n) for e in things] for n in ("saturation", "brightness"))
    return [
        ("growing", sizes, 0.45), ("shrinking", sizes, -0.45), ("fading", opacity, -0.4), ("appearing", opacity, 0.4),
        ("paling", saturation, -0.5), ("colouring", saturation, 0.5), ("darkening", brightness, -0.4),
        ("dissolving", pixel, 0.4), ("drawn", sketch, -0.5),
        ("eaten", [e.clip.amount if e.clip.kind == "bite" else 0.0 for e in things], 0.3),
        ("cut_away", [e.clip.amount if e.clip.kind == "half" else -1.0 for e in things], 0.6),
    ]  # fmt: skip


def _agreement(values: Sequence[float], progress: np.ndarray, least: float) -> float:
    """Share of the values' variance that a line over the progress explains; 0 if it leads the wrong way or is weak."""
    across = np.asarray(values, float)
    if len(across) < 3 or np.ptp(progress) == 0 or np.ptp(across) == 0:
        return 0.0
    slope = float(np.polyfit(progress, across, 1)[0])
    if slope * math.copysign(1, least) < abs(least):
        return 0.0
    return float(np.corrcoef(progress, across)[0, 1] ** 2)


def _setting(scene: Scene, arrangement: str) -> tuple[str, float]:
    """The setting whose prop is there, and how well it holds in [0, 1]; props that belong to none are passed over."""
    things = scene.things
    props = [e for e in scene.elements if not e.is_thing and e.kind not in DECORATION]
    if not things or not props:
        return "none", 1.0
    own = borders(arrangement, scene)
    best, name = 0.0, "none"
    left, top, right, bottom = bounds(things)
    for setting in SETTINGS.values():
        if not setting.props:
            continue
        kinds = ("ban", "ellipse", "panel", "rect") if setting.id == "banned" else setting.props
        kept = tuple(e for e in scene.elements if e.is_thing or (e.kind in kinds and e not in own))
        leading = [e for e in kept if e.kind == setting.props[0]]
        if not leading:
            continue
        try:
            SURROUNDINGS[setting.id](replace(scene, elements=kept))
            held = 1.0
        except Broken:
            held = 0.0
            for prop in leading:
                box = extent(prop)
                wide = min(right, box[2]) - max(left, box[0])
                high = min(bottom, box[3]) - max(top, box[1])
                share = max(wide, 0) * max(high, 0) / max((right - left) * (bottom - top), 1e-9)
                if setting.id in ROUGHLY_AROUND and share > 0.6:
                    held = SOFT * share
        score = held * (1 + 0.01 * max(e.size for e in leading))
        if score > best:
            best, name = score, setting.id
    return name, min(best, 1.0) if name != "none" else 1.0


# Settings that are seen even where their prop does not lie quite as it should.
ROUGHLY_AROUND = ("behind_bars", "in_bubble", "framed", "banned", "in_ice", "in_thought", "in_spotlight", "before_sun",
                  "before_heart", "before_star")  # fmt: skip
