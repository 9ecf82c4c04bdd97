"""HTML of search results: cards to pick from, and the similarity space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analogen import FoundPicture
from analogen.demos.components import bar, escaped, inline_image, note


@dataclass(frozen=True)
class AxisRange:
    """The range of an axis, a little wider than the values on it."""

    low: float
    high: float

    @classmethod
    def around(cls, values: Sequence[float]) -> AxisRange:
        margin = max(0.08 * (max(values) - min(values)), 0.02)
        # Cosines end at 1.
        return cls(min(values) - margin, min(max(values) + margin, max(1.0, max(values))))

    def share(self, value: float) -> float:
        """The position of a value on the axis, from 0 to 1."""
        return (value - self.low) / (self.high - self.low)


def grid(found: Sequence[FoundPicture], chosen: int | None = None) -> str:
    """The results as cards, best first; chosen: the number of the card with a border."""
    cards = "".join(
        f'<li><button type="button" class="an-card{" an-chosen" if number == chosen else ""}" data-pick="{number}">'
        f"{inline_image(one.thumbnail, '')}"
        f'<span class="an-name">{escaped(one.path.name)}</span>{bar("logic", one.relation)}'
        f"{bar('looks', one.attribute)}</button></li>"
        for number, one in enumerate(found)
    )
    return f'<ul class="an-grid">{cards}</ul>'


def plot(found: Sequence[FoundPicture], chosen: int | None = None) -> str:
    """The similarity space: thumbnails with looks to the right and logic upwards.

    A note takes its place if fewer than two results have looks that were compared.
    """
    compared = [(number, one) for number, one in enumerate(found) if one.attribute is not None]
    if len(compared) < 2:
        return note("The similarity space needs a picture to compare looks with, and two results or more.")
    across = AxisRange.around([one.attribute or 0 for _, one in compared])
    up = AxisRange.around([one.relation for _, one in compared])
    taken: list[tuple[float, float]] = []
    points = []
    # In ascending order, so that the best lie on top.
    for number, one in sorted(compared, key=lambda pair: pair[1].relation):
        x, y = across.share(one.attribute or 0), up.share(one.relation)
        crowded = any(abs(x - a) < 0.05 and abs(y - b) < 0.07 for a, b in taken)
        taken.append((x, y))
        points.append(
            f'<button type="button" class="an-point{" an-chosen" if number == chosen else ""}" data-pick="{number}" '
            f'style="left:{100 * x:.1f}%;bottom:{100 * y:.1f}%;--side:{34 if crowded else 52}px" '
            f'aria-label="{escaped(description(number, one))}" title="{escaped(one.path.name)}">'
            f"{inline_image(one.thumbnail, '')}</button>"
        )
    ticks = "".join(
        f'<span class="an-tick" style="left:{100 * share:.0f}%;top:calc(100% + 8px);transform:translateX(-50%)">'
        f"{across.low + share * (across.high - across.low):.2f}</span>"
        f'<span class="an-tick" style="right:calc(100% + 8px);bottom:{100 * share:.0f}%;transform:translateY(50%)">'
        f"{up.low + share * (up.high - up.low):.2f}</span>"
        for share in (0.0, 0.5, 1.0)
    )
    axes = (
        '<span class="an-axis" style="left:50%;top:calc(100% + 30px);transform:translateX(-50%)">'
        "alike looks (attribute) →</span>"
        '<span class="an-axis" style="right:calc(100% + 44px);bottom:50%;writing-mode:vertical-rl;'
        'transform:translateY(50%) rotate(180deg)">alike logic (relation) →</span>'
    )
    return (
        '<div class="an-frame"><div class="an-plot" role="group" '
        'aria-label="Similarity space: alike looks to the right, alike logic upwards">'
        f"{''.join(points)}{ticks}{axes}</div></div>"
    )


def description(number: int, one: FoundPicture) -> str:
    """A result in words, for screen readers."""
    looks = "" if one.attribute is None else f", looks {one.attribute:.2f}"
    return f"Result {number + 1}, {one.path.name}: logic {one.relation:.2f}{looks}"
