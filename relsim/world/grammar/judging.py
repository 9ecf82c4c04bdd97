"""Checks separately whether a scene keeps each part of a composition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analogen.relsim.world.grammar.finding import bare, borders, find, in_given_order
from analogen.relsim.world.grammar.fitting import Found
from analogen.relsim.world.grammar.progressions import PROGRESSIONS
from analogen.relsim.world.grammar.roles import ROLES
from analogen.relsim.world.grammar.surroundings import SURROUNDINGS
from analogen.relsim.world.measure import Broken, alike, require, turn_between
from analogen.relsim.world.scene import Element, Scene


def check_arrangement(arrangement: str, scene: Scene, progression: str = "none", casting: str = "alike") -> Found:
    """The things of the scene in the arrangement. Broken if they do not form it.

    The other parts matter little: a casting may leave one place empty, and what grows along a spiral needs more room.
    """
    return find(arrangement, scene.things, holes=int(casting == "missing"), grown=progression == "growing")


def check_casting(casting: str, arrangement: str, found: Found, progression: str = "none") -> list[Element]:
    """Broken unless the parts in the arrangement are cast so. The things as if nothing told them apart."""
    return ROLES[casting](arrangement, found, bare(arrangement, found, turning=progression == "turning"))


def check_progression(progression: str, found: Found, things: list[Element]) -> list[Element]:
    """Broken unless the things change so in reading order. The things without the change."""
    if progression != "none":
        return PROGRESSIONS[progression].undo(things, found.progress)
    for other in PROGRESSIONS.values():
        require(other.id == "none" or not _changes(other.id, found, things), f"{other.id}, expected no progression")
    return things


def _changes(progression: str, found: Found, things: list[Element]) -> bool:
    try:
        PROGRESSIONS[progression].undo(things, found.progress)
    except Broken:
        return False
    return True


def check_setting(setting: str, scene: Scene, arrangement: str = "single") -> None:
    """Broken unless the things stand in this setting and in no other; the arrangement's own props are none."""
    own = borders(arrangement, scene)
    SURROUNDINGS[setting](replace(scene, elements=tuple(e for e in scene.elements if e not in own)) if own else scene)


def check_alike(things: Sequence[Element]) -> None:
    """Broken if anything tells the things apart, or hides what they are."""
    alike(things, 0.28)
    waves = np.exp(1j * np.radians([e.turn for e in things]))
    base = math.degrees(float(np.angle(waves.mean())))
    require(all(abs(turn_between(base, e.turn)) <= 22 for e in things), "turned differently")


def broken_parts(parts: tuple[str, str, str, str], scene: Scene) -> dict[str, str]:
    """The parts that do not hold, with the reason; empty if all hold.

    Where the arrangement is not found, progression and casting are judged in the order in which the scene lists its
    things, so that one slip is not counted three times.
    """
    arrangement, progression, casting, setting = parts
    reasons: dict[str, str] = {}
    things = scene.things
    if not things:
        return dict.fromkeys(("arrangement", "progression", "casting"), "nothing is there")
    found = in_given_order(things)
    try:
        found = check_arrangement(arrangement, scene, progression, casting)
    except Broken as reason:
        reasons["arrangement"] = str(reason)
    try:
        things = check_casting(casting, arrangement, found, progression)
    except Broken as reason:
        reasons["casting"] = str(reason)
        things = bare(arrangement, found, turning=progression == "turning")
    try:
        if progression != "none":
            things = check_progression(progression, found, things)
        try:
            check_alike(things)
        except Broken as reason:
            if progression == "none":
                check_progression(progression, found, things)
            reasons.setdefault("casting", str(reason))
    except Broken as reason:
        reasons["progression"] = str(reason)
    try:
        check_setting(setting, scene, arrangement)
    except Broken as reason:
        reasons["setting"] = str(reason)
    return reasons
