"""Settings: what a whole arrangement stands in, on, behind or before."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import Element, box


@dataclass
class Stage:
    """Things in their places between what lies behind and what lies in front of them."""

    things: list[Element]
    behind: list[Element] = field(default_factory=list)
    front: list[Element] = field(default_factory=list)


@dataclass(frozen=True)
class Setting:
    """One setting. `dress` brings things into the picture and adds the props.

    flat    Only for arrangements with a level lower edge.
    props   Kinds of props that belong to it.
    """

    id: str
    dress: Callable[[Draft, Sequence[Element]], Stage]
    props: tuple[str, ...] = ()
    flat: bool = False


def reach(e: Element) -> float:
    """Half the width that a thing takes up; art seldom fills the corners of its box, so turning adds little."""
    return e.size / 2 * (1 + 0.2 * abs(math.sin(math.radians(2 * e.turn))))


def bounds(things: Sequence[Element]) -> tuple[float, float, float, float]:
    """left, top, right, bottom."""
    return (
        min(e.x - reach(e) for e in things),
        min(e.y - reach(e) for e in things),
        max(e.x + reach(e) for e in things),
        max(e.y + reach(e) for e in things),
    )


def moved(things: Sequence[Element], dx: float, dy: float, scale: float = 1.0) -> list[Element]:
    """Shifted first, then scaled about the centre of the picture."""
    return [replace(e, x=(e.x + dx) * scale, y=(e.y + dy) * scale, size=e.size * scale) for e in things]


def in_rect(things: Sequence[Element], half_width: float, half_height: float, y: float = 0.0) -> list[Element]:
    """The things scaled and centred to fill a rectangle around (0, y)."""
    left, top, right, bottom = bounds(things)
    scale = min(2 * half_width / (right - left), 2 * half_height / (bottom - top))
    placed = moved(things, -(left + right) / 2, -(top + bottom) / 2, scale)
    return moved(placed, 0, y)


def in_disc(things: Sequence[Element], radius: float, y: float = 0.0) -> list[Element]:
    """The things scaled and moved to fill a disc around (0, y)."""
    left, top, right, bottom = bounds(things)
    cx, cy = (left + right) / 2, (top + bottom) / 2
    for step in range(1, 60):  # towards the farthest thing, ever less: the centre of the smallest disc
        far = max(things, key=lambda e: math.dist((e.x, e.y), (cx, cy)) + reach(e))
        cx, cy = cx + (far.x - cx) / (step + 1), cy + (far.y - cy) / (step + 1)
    scale = radius / max(math.dist((e.x, e.y), (cx, cy)) + 1.08 * reach(e) for e in things)
    return moved(moved(things, -cx, -cy, scale), 0, y)


def _open(draft: Draft, things: Sequence[Element]) -> Stage:
    side = draft.uniform(0.88, 0.93)
    return Stage(in_rect(things, side, side))


def _sheet(
    draft: Draft, things: Sequence[Element], kind: str, margin: float, side: float = 0.93
) -> tuple[Stage, Element]:
    """A prop around the bounds of the things with an even margin, and no narrower than half as high."""
    side -= margin
    placed = in_rect(things, side, side)
    left, top, right, bottom = bounds(placed)
    width, height = right - left + 2 * margin, bottom - top + 2 * margin
    width, height = max(width, 0.62 * height), max(height, 0.62 * width)
    return Stage(placed), box(kind, 0.0, 0.0, width, height)


def _behind_bars(draft: Draft, things: Sequence[Element]) -> Stage:
    stage, bars = _sheet(draft, things, "bars", draft.uniform(0.12, 0.18))
    stage.front.append(bars)
    return stage


def _in_ice(draft: Draft, things: Sequence[Element]) -> Stage:
    stage, ice = _sheet(draft, things, "ice", draft.uniform(0.18, 0.24))
    stage.front.append(replace(ice, opacity=draft.uniform(0.75, 0.9)))
    return stage


def _framed(draft: Draft, things: Sequence[Element]) -> Stage:
    stage, frame = _sheet(draft, things, "frame", draft.uniform(0.24, 0.28))
    stage.behind.append(replace(frame, palette=draft.choice(("none", "none", "gold", "dark"))))
    return stage


def _on_panel(draft: Draft, things: Sequence[Element]) -> Stage:
    stage, panel = _sheet(draft, things, "panel", draft.uniform(0.12, 0.18))
    stage.behind.append(panel)
    return stage


def _around(kind: str, front: bool, radius: float, **rest: str) -> Callable[[Draft, Sequence[Element]], Stage]:
    """A round prop of 1.86 whose inside, of this radius, is filled by the things."""

    def dress(draft: Draft, things: Sequence[Element]) -> Stage:
        placed = in_disc(things, radius * draft.uniform(0.93, 1.0))
        prop = Element(kind, 0.0, 0.0, 1.86, **rest)  # type: ignore[arg-type]
        return Stage(placed, [] if front else [prop], [prop] if front else [])

    return dress


def _on_disc(draft: Draft, things: Sequence[Element]) -> Stage:
    stage = _around("ellipse", False, 0.8)(draft, things)
    palette = draft.choice(("soft", "paper", "secondary", "primary"))
    stage.behind = [replace(e, palette=palette) for e in stage.behind]
    return stage


def _banned(draft: Draft, things: Sequence[Element]) -> Stage:
    stage = _around("ban", True, 0.74)(draft, things)
    if draft.coin(0.6):
        stage.behind.append(Element("ellipse", 0.0, 0.0, 1.8, palette="paper"))
    return stage


def _before(kind: str, half_width: float, half_height: float, y: float) -> Callable[[Draft, Sequence[Element]], Stage]:
    """A big figure behind the things, which keep within the rectangle around (0, y)."""

    def dress(draft: Draft, things: Sequence[Element]) -> Stage:
        share = draft.uniform(0.92, 1.0)
        colour = "none" if kind == "sun" else draft.choice(("none", "none", "primary", "secondary"))
        prop = Element(kind, 0.0, 0.0, 1.88, palette=colour)
        return Stage(in_rect(things, half_width * share, half_height * share, y), [prop])

    return dress


def _in_thought(draft: Draft, things: Sequence[Element]) -> Stage:
    side = draft.choice((-1, 1))
    placed = in_rect(things, 0.62, 0.46, -0.16)
    cloud = box("thought", 0.0, -0.16, 1.86, 1.4)
    dots = [Element("thought", side * 0.5, 0.66, 0.26), Element("thought", side * 0.66, 0.86, 0.15)]
    return Stage(placed, [cloud, *dots])


def _in_spotlight(draft: Draft, things: Sequence[Element]) -> Stage:
    placed = in_rect(things, draft.uniform(0.5, 0.56), 0.58, 0.3)
    return Stage(placed, [box("cone", 0.0, 0.0, draft.uniform(1.7, 1.86), 1.86)])


def _half_under_water(draft: Draft, things: Sequence[Element]) -> Stage:
    placed = in_rect(things, 0.9, 0.84, draft.uniform(-0.06, 0.0))
    _, top, _, bottom = bounds(placed)
    line = top + (bottom - top) * draft.uniform(0.45, 0.56)
    return Stage(placed, [], [box("water", 0.0, (line + 1) / 2, 2.0, 1 - line, opacity=draft.uniform(0.5, 0.65))])


def _standing(things: Sequence[Element]) -> list[Element]:
    return [replace(e, standing=e.turn == 0) for e in things]


def _on_shelf(draft: Draft, things: Sequence[Element]) -> Stage:
    placed = _standing(in_rect(things, 0.84, 0.82, -0.08))
    left, _, right, bottom = bounds(placed)
    width = max(right - left + draft.uniform(0.12, 0.18), 0.9)
    return Stage(placed, [box("beam", 0.0, bottom + 0.05, min(width, 1.9), 0.11)])


def _on_pedestal(draft: Draft, things: Sequence[Element]) -> Stage:
    height = draft.uniform(0.5, 0.62)
    room = 1.82 - height
    placed = in_rect(things, 0.84, room / 2)
    left, _, right, bottom = bounds(placed)
    tall = bottom * 2 + height
    placed = _standing(moved(placed, 0, -height / 2))
    width = min(max((right - left) * draft.uniform(0.95, 1.1), 0.55), 1.84)
    return Stage(placed, [box("pedestal", 0.0, (tall - height) / 2, width, height)])


def _behind_wall(draft: Draft, things: Sequence[Element]) -> Stage:
    placed = in_rect(things, 0.8, 0.7, -0.1)
    left, top, right, bottom = bounds(placed)
    edge = top + (bottom - top) * draft.uniform(0.5, 0.58)
    width, low = min(right - left + 0.3, 1.9), min(max(bottom + 0.25, edge + 0.5), 0.95)
    palette = draft.choice(("primary", "secondary", "accent", "wood"))
    return Stage(placed, [], [box("rect", 0.0, (edge + low) / 2, width, low - edge, palette=palette)])


def _in_bowl(draft: Draft, things: Sequence[Element]) -> Stage:
    placed = in_rect(things, 0.6, 0.55, -0.25)
    left, top, right, bottom = bounds(placed)
    rim = bottom - (bottom - top) * draft.uniform(0.3, 0.38)
    width = max((right - left) * 1.22, 0.8)
    deep = max(bottom - rim + 0.1, 0.42 * width)
    return Stage(placed, [], [box("bowl", 0.0, rim + deep / 2, width, deep)])


def _cracked(draft: Draft, things: Sequence[Element]) -> Stage:
    stage = _open(draft, things)
    turn = draft.choice((-1, 1)) * draft.uniform(8, 40)
    stage.front.append(box("crack", 0.0, 0.0, 1.9, 0.34, turn=turn, palette=draft.choice(("dark", "ink"))))
    return stage


SETTINGS: dict[str, Setting] = {
    s.id: s
    for s in (
        Setting("none", _open),
        Setting("behind_bars", _behind_bars, ("bars",)),
        Setting("in_bubble", _around("bubble", True, 0.78), ("bubble",)),
        Setting("framed", _framed, ("frame",)),
        Setting("on_panel", _on_panel, ("panel",)),
        Setting("on_disc", _on_disc, ("ellipse",)),
        Setting("in_ring", _around("ring", False, 0.76), ("ring",)),
        Setting("banned", _banned, ("ban", "ellipse")),
        Setting("in_ice", _in_ice, ("ice",)),
        Setting("in_thought", _in_thought, ("thought",)),
        Setting("in_spotlight", _in_spotlight, ("cone",)),
        Setting("half_under_water", _half_under_water, ("water",)),
        Setting("before_sun", _before("sun", 0.54, 0.54, 0.0), ("sun",)),
        Setting("before_heart", _before("heart", 0.66, 0.52, -0.12), ("heart",)),
        Setting("before_star", _before("star", 0.54, 0.46, 0.05), ("star",)),
        Setting("on_shelf", _on_shelf, ("beam",), flat=True),
        Setting("on_pedestal", _on_pedestal, ("pedestal",), flat=True),
        Setting("behind_wall", _behind_wall, ("rect",), flat=True),
        Setting("in_bowl", _in_bowl, ("bowl",), flat=True),
        Setting("cracked", _cracked, ("crack",)),
    )
}
