"""Assembles a reading of the things and props that were read, by the rule that they follow.

The rule is found in the places; where there is a parts head, by what it tells of the whole picture too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from analogen.relsim.mini.reading.arranging import TOLD, Candidate
from analogen.relsim.mini.reading.completing import dressed, missed_things
from analogen.relsim.mini.reading.conforming import Shares, conform
from analogen.relsim.mini.reading.rule_fitting import Rule, fit_rule, fit_with_places, without_weak_looks
from analogen.relsim.mini.reading.scene_reading import PROP_GROUP, SceneReading, described, unread
from analogen.relsim.world.grammar.settings import SETTINGS
from analogen.relsim.world.measure import extent
from analogen.relsim.world.scene import MAX_ELEMENTS, Background, Element, Scene

# Props that lie before the things; the others lie behind them.
IN_FRONT = ("bars", "ice", "water", "crack", "ban", "bubble", "bowl", "lens", "wrap", "rope", "shell")
KNOWN = 0.6  # probability of some arrangement below which the picture shows no composition, and the head knows nothing
TOLD_EMPTY = 0.4  # probability of one empty place from which on it is not filled
TOLD_SETTING = 0.6  # probability of a setting from which on its props are drawn where they were not read
MISSED_CONFIDENCE = 0.3  # of a thing that was not seen

Told = tuple[Element, float, int]  # an element, its confidence and its group


def assembled(
    things: list[Told],
    props: list[Told],
    background: Background,
    size: tuple[int, int],
    crop: tuple[int, int, int, int],
    notes: tuple[str, ...] = (),
    parts: Mapping[str, Shares] | None = None,
) -> SceneReading:
    """The elements in drawing order: props behind, things along their rule, props in front.

    size: (width, height) of the part of the picture that was read; crop: that part in the picture; parts: by part of
    the grammar how likely each atom is, None or empty without a parts head.
    """
    if not things and not props:
        return unread("no thing was found in it", size, crop, notes)
    if parts and max(parts["arrangement"].values()) < KNOWN:
        parts = None
    if parts:
        things = _facing(things, parts["arrangement"])
    front = [p for p in props if _is_in_front(p[0], [e for e, _, _ in things])]
    behind = sorted((p for p in props if p not in front), key=lambda p: -p[0].size)
    first = [*behind, *things, *front][:MAX_ELEMENTS]
    scene = Scene(tuple(e for e, _, _ in first), background=background)
    arrangements = parts["arrangement"] if parts else None
    rule, chosen = fit_with_places(scene, [c for _, c, _ in first], arrangements)
    if chosen is not None:
        # Things that a rule explains only if they are left out were found twice.
        place = {id(e): i for i, e in enumerate(_originals(chosen.found.things, [e for e, _, _ in things]))}
        things = sorted((t for t in things if id(t[0]) in place), key=lambda t: place[id(t[0])])
        if parts:
            things = _told_by_parts(things, rule, chosen, parts)
            behind, things, front = _in_setting(behind, things, front, rule.setting, parts["setting"])
    else:
        things = sorted(things, key=lambda t: (round(2 * t[0].y), t[0].x))
    things = _mended(things)
    told = [*behind, *things, *front][:MAX_ELEMENTS]
    reading = SceneReading(
        Scene(tuple(e for e, _, _ in told), background=background),
        tuple(round(c, 4) for _, c, _ in told), tuple(k for _, _, k in told), size=size, crop=crop, notes=notes,
    )  # fmt: skip
    return described(reading, arrangements)


def _facing(things: list[Told], arrangements: Shares) -> list[Told]:
    """Two things, the left or the right one mirrored, if the parts head tells which way they face."""
    likeliest = max(arrangements, key=lambda atom: arrangements[atom])
    if len(things) != 2 or likeliest not in ("facing_pair", "back_to_back") or arrangements[likeliest] < TOLD:
        return things
    left, right = sorted(things, key=lambda told: told[0].x)
    mirrored = likeliest == "facing_pair"
    return [
        (replace(e, mirror=seen), c, k) for (e, c, k), seen in zip((left, right), (mirrored, not mirrored), strict=True)
    ]


def _told_by_parts(things: list[Told], rule: Rule, chosen: Candidate, parts: Mapping[str, Shares]) -> list[Told]:
    """The things, and those that were missed, with the casting and progression that the parts head tells.

    things: in the order of `chosen`.
    """
    found = replace(chosen.found, things=[e for e, _, _ in things])
    filled = dict(zip(found.slots.tolist(), things, strict=True))
    missed = missed_things(found)
    if len(missed) > 1 or parts["casting"]["missing"] < TOLD_EMPTY:
        filled |= {slot: (e, MISSED_CONFIDENCE, int(e.kind == "other")) for slot, e in missed.items()}
    slots = sorted(filled)
    things = [filled[slot] for slot in slots]
    found = replace(found, things=[e for e, _, _ in things], slots=np.array(slots))
    read = (rule.casting, rule.progression) if rule.exact and not missed else None
    made = conform(rule.arrangement, found, parts["casting"], parts["progression"], read)
    if made is None:
        return things
    return [
        (e, c, k if (k == 0) == (e.kind == "subject") else int(e.kind == "other"))
        for e, (_, c, k) in zip(made.things, things, strict=True)
    ]


def _in_setting(
    behind: list[Told], things: list[Told], front: list[Told], read: str, settings: Shares
) -> tuple[list[Told], list[Told], list[Told]]:
    """The elements with the props of the setting that the parts head is sure of, where another one was read."""
    setting = max(settings, key=lambda atom: settings[atom])
    if setting in (read, "none") or settings[setting] < TOLD_SETTING:
        return behind, things, front
    drawn = dressed(setting, [e for e, _, _ in things])
    replaced = {*SETTINGS[setting].props, *SETTINGS[read].props}
    behind, front = ([t for t in old if t[0].kind not in replaced] for old in (behind, front))
    sure = round(settings[setting], 4)
    return (
        [*behind, *((e, sure, PROP_GROUP) for e in drawn.behind)],
        [(e, c, k) for e, (_, c, k) in zip(drawn.things, things, strict=True)],
        [*((e, sure, PROP_GROUP) for e in drawn.front), *front],
    )


def _mended(things: list[Told]) -> list[Told]:
    """The things as they are if their looks follow a rule; else without weak differences, if then they do. Of two
    things every difference may be meant."""
    elements = [e for e, _, _ in things]
    rule = fit_rule(Scene(tuple(elements)))
    if len(things) < 3 or rule.exact or rule.progression != "none":
        return things
    for sizes in (False, True):
        plain = without_weak_looks(elements, sizes)
        if fit_rule(Scene(tuple(plain))).exact:
            return [(e, c, k) for e, (_, c, k) in zip(plain, things, strict=True)]
    return things


def _originals(found: Sequence[Element], things: Sequence[Element]) -> list[Element]:
    """The things that the arrangement's (perhaps tilted) ones are, in its order."""
    if all(any(f is e for e in things) for f in found):
        return list(found)
    left, order = list(things), []
    for f in found:
        nearest = min(left, key=lambda e: (abs(e.size - f.size) > 1e-9, math.dist((e.x, e.y), (f.x, f.y))))
        left.remove(nearest)
        order.append(nearest)
    return order


def _is_in_front(prop: Element, things: Sequence[Element]) -> bool:
    if prop.kind != "rect" or not things:
        return prop.kind in IN_FRONT
    # A wall hides the lower half of the things; a tile lies under them.
    box = extent(prop)
    covered = [e for e in things if box[0] < e.x < box[2] and box[1] < e.y + 0.3 * e.size < box[3]]
    return bool(covered) and all(box[1] > e.y - 0.35 * e.size for e in covered) and prop.size > covered[0].size
