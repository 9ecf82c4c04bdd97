"""Lists the combinations of parts that are excluded; all others are compositions."""

from __future__ import annotations

from analogen.relsim.world.grammar import castings, progressions
from analogen.relsim.world.grammar.arrangements import ARRANGEMENTS
from analogen.relsim.world.grammar.castings import CASTINGS
from analogen.relsim.world.grammar.progressions import PROGRESSIONS
from analogen.relsim.world.grammar.settings import SETTINGS

# A progression hides or imitates what tells one thing from the others.
_DESPITE: dict[str, tuple[str, ...]] = {
    "growing": castings.SIZES,
    "shrinking": castings.SIZES,
    "turning": castings.TURNS,
    "fading": ("missing", "one_shadow", "one_sketched", "one_grey"),
    "appearing": ("missing", "one_shadow", "one_sketched", "one_grey"),
    **dict.fromkeys(progressions.LOOKS, ("one_shadow", "one_grey", "one_sketched")),
    **dict.fromkeys(progressions.CUTS, (*castings.TURNS, *castings.SIZES)),
}
# A closed line has no first and no last; halves are read along a line; a hole must leave the shape what it is.
_WITHOUT: dict[str, tuple[str, ...]] = {
    "double_ring": ("led_by_other", "leader", "other_at_ends", "halves", "missing"),
    "ring": ("led_by_other", "leader", "other_at_ends"),
    "square": ("led_by_other", "leader", "other_at_ends"),
    "triangle": ("led_by_other", "leader", "other_at_ends"),
    "lattice": ("led_by_other", "leader", "other_at_ends", "halves"),
    "bricks": ("led_by_other", "leader", "other_at_ends", "halves"),
    "pyramid": ("missing", "other_at_ends", "halves"),
    "funnel": ("missing", "led_by_other", "leader", "other_at_ends", "halves"),
    "wedge": ("other_at_ends", "halves"),
    "spiral": ("missing", "alternating_size"),
    "zigzag": ("missing",),
    # The middle of a cross has a casting of its own.
    "plus": ("led_by_other", "leader", "other_at_ends", "halves"),
    "saltire": ("led_by_other", "leader", "other_at_ends", "halves"),
    "rosette": ("led_by_other", "leader", "other_at_ends", "halves", "alternating", "alternating_size",
                "alternating_turn"),
    "two_groups": ("led_by_other", "leader", "other_at_ends", "missing", "alternating", "alternating_size",
                   "alternating_turn"),
    "counted": ("led_by_other", "leader", "other_at_ends", "missing", "halves", "alternating_turn"),
}  # fmt: skip
# Arrangements whose things differ anyway, or stand where chance put them.
_ONLY: dict[str, tuple[str, ...]] = {
    "single": ("alike",),
    "facing_pair": ("alike",),
    "back_to_back": ("alike",),
    "nest": ("alike", "other_in_middle"),
    "scatter": ("alike", "one_odd", "one_large", "one_turned", "one_shadow", "one_grey", "one_sketched"),
    "heap": ("alike", "one_odd", "one_shadow", "one_grey"),
    "mirrored": ("alike",),
    "k_fold": ("alike",),
}
_HUBS = ("plus", "saltire", "rosette", "nest")
# Settings that hide or crowd the arrangement.
_SMALL = ("before_sun", "before_heart", "before_star", "in_spotlight", "in_thought")  # little room
_UNSET: dict[str, tuple[str, ...]] = {
    "wave": _SMALL,
    "spiral": _SMALL,
    "square": ("before_star", "before_sun", "in_thought"),
    "double_ring": ("before_star", "before_sun", "in_thought", "in_ring"),
    "column": ("in_thought",),
    "nest": ("framed", "on_panel", "on_disc", "in_ring", "half_under_water", "cracked"),
    "heap": ("half_under_water",),
    "falling": ("banned",),  # under the slash
    "saltire": ("banned",),
    "pyramid": ("behind_wall", "in_bowl"),
    "row": ("in_bowl",),
    "ring": ("in_ring",),
}
# Many things in little room: there they have no room left for different sizes.
_ROUND = ("in_bubble", "in_ring", "on_disc", "banned")
_TIGHT: dict[str, tuple[str, ...]] = {
    "wave": (*_SMALL, *_ROUND, "behind_bars", "framed", "in_ice", "on_panel"),
    "square": (*_SMALL, "banned"),
    **dict.fromkeys(("plus", "saltire", "double_ring", "column", "counted", "two_groups", "scatter"), _SMALL),
}
# Settings that alter what a progression shows.
_OBSCURED: dict[str, tuple[str, ...]] = {
    "in_ice": ("fading", "appearing", "paling", "colouring"),
    "half_under_water": ("fading", "appearing", "paling", "colouring", "darkening"),
    "behind_wall": ("eaten", "cut_away", "turning", "growing", "shrinking"),
    "in_bowl": ("eaten", "cut_away", "turning", "growing", "shrinking"),
}
_HIDDEN = {"behind_wall": (*castings.TURNS, *castings.SIZES, "missing")}


def allowed(arrangement: str, progression: str, casting: str, setting: str) -> bool:
    """Whether these parts make a composition."""
    place, onto = ARRANGEMENTS[arrangement], SETTINGS[setting]
    if progression != "none" and not place.stages:
        return False
    if onto.flat and not place.flat:
        return False
    if casting == "other_in_middle" and arrangement not in _HUBS:
        return False
    if setting in _TIGHT.get(arrangement, ()) and (progression in progressions.SIZES or casting in castings.SIZES):
        return False
    return not (
        casting not in _ONLY.get(arrangement, tuple(CASTINGS))
        or casting in _WITHOUT.get(arrangement, ())
        or casting in _DESPITE.get(progression, ())
        or setting in _UNSET.get(arrangement, ())
        or progression in _OBSCURED.get(setting, ())
        or casting in _HIDDEN.get(setting, ())
    )


def all_parts() -> list[tuple[str, str, str, str]]:
    """Every composition's parts, in a fixed order."""
    return [
        (a, p, c, s)
        for a in ARRANGEMENTS
        for p in PROGRESSIONS
        for c in CASTINGS
        if allowed(a, p, c, "none")
        for s in SETTINGS
        if allowed(a, p, c, s)
    ]
