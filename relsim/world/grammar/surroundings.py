"""Checkers of settings: each raises Broken if the things do not stand in that setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from analogen.relsim.world.grammar.settings import bounds
from analogen.relsim.world.measure import extent, in_front, only, require
from analogen.relsim.world.scene import Element, Scene

Surrounding = Callable[[Scene], None]


def _the_only(scene: Scene, kind: str, *others: str) -> Element:
    """The one prop of its kind; Broken if there is another number of them, or a prop beside it and `others`."""
    only(scene, kind, *others)
    found = scene.of(kind)
    require(len(found) == 1, f"{len(found)} of {kind}, expected one")
    return found[0]


def _order(scene: Scene, prop: Element, front: bool | None) -> None:
    """Broken unless the prop lies in front of all things, or behind them all; None: either."""
    ahead = {in_front(scene, prop, e) for e in scene.things}
    if front is None:
        require(len(ahead) == 1, f"the {prop.kind} lies among the things")
    else:
        require(ahead == {front}, f"the {prop.kind} lies {'behind' if front else 'in front'}")


def _within(things: Sequence[Element], prop: Element, slack: float = 0.06) -> None:
    """Broken unless the bounds of the things lie within the prop's box, give or take slack * its size."""
    inner, outer, room = bounds(things), extent(prop), slack * prop.size
    require(
        inner[0] >= outer[0] - room
        and inner[1] >= outer[1] - room
        and inner[2] <= outer[2] + room
        and inner[3] <= outer[3] + room,
        f"not within the {prop.kind}",
    )


def _filling(things: Sequence[Element], prop: Element, least: float) -> None:
    """Broken if the things are lost in the prop: their longer side is below this share of its longer side."""
    left, top, right, bottom = bounds(things)
    require(max(right - left, bottom - top) >= least * max(prop.width, prop.height), f"lost in the {prop.kind}")


def _open(scene: Scene) -> None:
    """No setting; tiles under single things are as good as none."""
    only(scene, "rect")
    for tile in scene.of("rect"):
        _order(scene, tile, False)
        on_it = [e for e in scene.things if math.dist((e.x, e.y), (tile.x, tile.y)) <= 0.3 * tile.size]
        require(len(on_it) == 1 and tile.size <= 1.6 * on_it[0].size, "does not belong here: rect")


def _inside(kind: str, front: bool | None, *others: str, least: float = 0.35) -> Surrounding:
    """All within one prop of this kind, in front of it or behind; small ones of it may lie around."""

    def check(scene: Scene) -> None:
        only(scene, kind, *others)
        found = sorted(scene.of(kind), key=lambda e: -e.size)
        require(bool(found), f"no {kind}")
        prop = found[0]
        require(all(e.size <= 0.3 * prop.size for e in found[1:]), f"{len(found)} of {kind}, expected one")
        require(prop.opacity >= 0.35, f"the {kind} is hardly there")
        _order(scene, prop, front)
        _within(scene.things, prop)
        _filling(scene.things, prop, least)
        if kind in ("bubble", "ellipse", "ring", "ban"):
            require(0.75 <= prop.aspect <= 1.33, f"the {kind} is not round")
        for other in scene.of(*others) if others else []:
            _order(scene, other, False)

    return check


def _before(kind: str) -> Surrounding:
    """A big figure behind the things, which stand about its middle and mostly on it."""

    def check(scene: Scene) -> None:
        prop, things = _the_only(scene, kind), scene.things
        _order(scene, prop, False)
        _within(things, prop)
        left, top, right, bottom = bounds(things)
        off = math.dist(((left + right) / 2, (top + bottom) / 2), (prop.x, prop.y))
        require(off <= 0.22 * prop.size, f"beside the {kind}")
        _filling(things, prop, 0.25)

    return check


def _in_thought(scene: Scene) -> None:
    only(scene, "thought")
    puffs = sorted(scene.of("thought"), key=lambda e: -e.size)
    require(len(puffs) >= 1, "no thought bubble")
    cloud, dots = puffs[0], puffs[1:]
    require(len(dots) <= 4 and all(d.size <= 0.4 * cloud.size for d in dots), "two thoughts")
    _order(scene, cloud, False)
    _within(scene.things, cloud)
    _filling(scene.things, cloud, 0.35)


def _in_spotlight(scene: Scene) -> None:
    cone, things = _the_only(scene, "cone"), scene.things
    _order(scene, cone, False)
    _within(things, cone)
    require(all(abs(e.x - cone.x) <= 0.5 * cone.width for e in things), "out of the light")


def _half_under_water(scene: Scene) -> None:
    water, things = _the_only(scene, "water"), scene.things
    _order(scene, water, True)
    require(0.2 <= water.opacity <= 0.9, "not seen through the water")
    left, top, right, bottom = bounds(things)
    surface = extent(water)
    share = (bottom - surface[1]) / (bottom - top)
    require(0.25 <= share <= 0.75, "not half under water")
    require(surface[0] <= left + 0.1 and surface[2] >= right - 0.1, "the water is too narrow")
    require(surface[3] >= bottom - 0.1, "the water is too shallow")


def _standing_on(kind: str, slack: float) -> Surrounding:
    def check(scene: Scene) -> None:
        prop, things = _the_only(scene, kind), scene.things
        left, _, right, bottom = bounds(things)
        top_of = prop.y - prop.height / 2
        tallest = max(e.size for e in things)
        require(abs(top_of - bottom) <= slack * tallest + 0.04, f"not standing on the {kind}")
        require(prop.x - prop.width / 2 <= left + 0.3 * tallest, f"the {kind} is too narrow")
        require(prop.x + prop.width / 2 >= right - 0.3 * tallest, f"the {kind} is too narrow")

    return check


def _behind_wall(scene: Scene) -> None:
    wall, things = _the_only(scene, "rect"), scene.things
    _order(scene, wall, True)
    require(wall.opacity >= 0.85, "the wall is transparent")
    left, top, right, bottom = bounds(things)
    hides = extent(wall)
    require(0.25 <= (bottom - hides[1]) / (bottom - top) <= 0.7, "the wall does not hide about half")
    require(hides[0] <= left + 0.1 and hides[2] >= right - 0.1 and hides[3] >= bottom - 0.1, "the wall is too small")


def _in_bowl(scene: Scene) -> None:
    bowl, things = _the_only(scene, "bowl"), scene.things
    _order(scene, bowl, True)
    left, top, right, bottom = bounds(things)
    sides = extent(bowl)
    require(sides[0] <= left + 0.1 and sides[2] >= right - 0.1, "the bowl is too narrow")
    require(0.12 <= (bottom - sides[1]) / (bottom - top) <= 0.65, "not in the bowl")
    require(sides[3] >= bottom - 0.1, "below the bowl")


def _cracked(scene: Scene) -> None:
    crack, things = _the_only(scene, "crack"), scene.things
    _order(scene, crack, True)
    left, top, right, bottom = bounds(things)
    require(crack.width >= 0.5 * max(right - left, bottom - top), "the crack is short")
    middle = ((left + right) / 2, (top + bottom) / 2)
    require(math.dist(middle, (crack.x, crack.y)) <= 0.3 * max(right - left, bottom - top), "the crack is beside them")


SURROUNDINGS: dict[str, Surrounding] = {
    "none": _open,
    "behind_bars": _inside("bars", True),
    "in_bubble": _inside("bubble", True),
    "framed": _inside("frame", False),
    "on_panel": _inside("panel", False),
    "on_disc": _inside("ellipse", False),
    "in_ring": _inside("ring", None),
    "banned": _inside("ban", True, "ellipse", "panel", "rect"),
    "in_ice": _inside("ice", True),
    "in_thought": _in_thought,
    "in_spotlight": _in_spotlight,
    "half_under_water": _half_under_water,
    "before_sun": _before("sun"),
    "before_heart": _before("heart"),
    "before_star": _before("star"),
    "on_shelf": _standing_on("beam", 0.25),
    "on_pedestal": _standing_on("pedestal", 0.25),
    "behind_wall": _behind_wall,
    "in_bowl": _in_bowl,
    "cracked": _cracked,
}
