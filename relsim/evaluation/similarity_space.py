"""Plots pictures by their attribute similarity (x) and relational similarity (y) to a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from analogen.relsim.world.lettering import draw_text, text_width

PAPER, INK, FAINT, MARK = "#ffffff", "#222222", "#d8d8d8", "#d9822b"
MARGIN_PX, TEXT_PX = 90, 18
TICKS = 5


class Point(NamedTuple):
    """A picture and the cosines of its similarities to the reference."""

    image: Image.Image
    attribute: float
    relation: float


def plot_similarity_space(
    reference: Image.Image, points: Sequence[Point], size_px: int = 1200, thumbnail_px: int = 96
) -> Image.Image:
    """Draws the plot, size_px square: attribute similarity on x, relational on y, the reference in the corner.

    The axes span the values. A thumbnail that would hide another is drawn smaller. Raises ValueError for no points.
    """
    if not points:
        raise ValueError("no pictures to plot: expected one or more beside the reference")
    page = Image.new("RGB", (size_px, size_px), PAPER)
    draw = ImageDraw.Draw(page)
    plot = (MARGIN_PX, thumbnail_px + 24, size_px - thumbnail_px // 2 - 12, size_px - MARGIN_PX)
    x_range, y_range = _span([p.attribute for p in points]), _span([p.relation for p in points])
    for number in range(TICKS + 1):
        share = number / TICKS
        x, y = plot[0] + share * (plot[2] - plot[0]), plot[3] - share * (plot[3] - plot[1])
        draw.line((x, plot[1], x, plot[3]), fill=FAINT)
        draw.line((plot[0], y, plot[2], y), fill=FAINT)
        draw_text(page, (x, plot[3] + 8), _value(x_range, share), TEXT_PX, INK, middle=True)
        value = _value(y_range, share)
        draw_text(page, (plot[0] - 8 - text_width(value, TEXT_PX), y - TEXT_PX * 0.6), value, TEXT_PX, INK)
    middle = (plot[0] + plot[2]) / 2
    draw_text(page, (middle, size_px - 16 - TEXT_PX), "attribute similarity", TEXT_PX, INK, middle=True)
    words = Image.new("RGB", (plot[3] - plot[1], 2 * TEXT_PX), PAPER)
    draw_text(words, (words.width / 2, TEXT_PX * 0.4), "relational similarity", TEXT_PX, INK, middle=True)
    page.paste(words.rotate(90, expand=True), (8, plot[1]))
    taken: list[tuple[float, float]] = []
    # The strongest relations last, so that they lie on top.
    for point in sorted(points, key=lambda p: p.relation):
        x = plot[0] + _share(point.attribute, x_range) * (plot[2] - plot[0])
        y = plot[3] - _share(point.relation, y_range) * (plot[3] - plot[1])
        crowded = any(abs(x - a) < thumbnail_px / 2 and abs(y - b) < thumbnail_px / 2 for a, b in taken)
        _paste(page, point.image, x, y, thumbnail_px // 2 if crowded else thumbnail_px, INK)
        taken.append((x, y))
    beside = (plot[0] + thumbnail_px + 12, 12 + thumbnail_px / 2 - TEXT_PX * 0.6)
    draw_text(page, beside, "the reference", TEXT_PX, INK)
    _paste(page, reference, plot[0] + thumbnail_px / 2, 12 + thumbnail_px / 2, thumbnail_px, MARK)
    return page


def _paste(page: Image.Image, image: Image.Image, x: float, y: float, size_px: int, frame: str) -> None:
    small = image.convert("RGB")
    small.thumbnail((size_px, size_px), Image.Resampling.LANCZOS)
    left, top = round(x - small.width / 2), round(y - small.height / 2)
    page.paste(small, (left, top))
    box = (left - 1, top - 1, left + small.width, top + small.height)
    ImageDraw.Draw(page).rectangle(box, outline=frame, width=2 if frame == MARK else 1)


def _span(values: Sequence[float]) -> tuple[float, float]:
    """From a little below the least to a little above the greatest."""
    low, high = min(values), max(values)
    room = max(0.05 * (high - low), 0.02)
    return low - room, high + room


def _share(value: float, span: tuple[float, float]) -> float:
    return (value - span[0]) / (span[1] - span[0])


def _value(span: tuple[float, float], share: float) -> str:
    return f"{span[0] + share * (span[1] - span[0]):.2f}"
