"""Draws contact sheets: the references first, then every picture with its caption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from analogen.relsim.world.lettering import draw_text, fitted

CELL_PX, GAP_PX, TEXT_PX = 256, 12, 15
MAX_PER_PAGE = 48
PAPER, INK, MARK = "#ffffff", "#222222", "#d9822b"


class Cell(NamedTuple):
    """One picture of a contact sheet. caption: may have several lines. marked: draw a coloured frame around it."""

    image: Image.Image
    caption: str
    marked: bool = False


def contact_sheets(cells: Sequence[Cell], columns: int = 6) -> list[Image.Image]:
    """Draw pages of at most MAX_PER_PAGE pictures, each fitted into a square cell above its caption.

    Raises ValueError if there are no cells.
    """
    if not cells:
        raise ValueError("a contact sheet needs at least one picture")
    pages = [cells[start : start + MAX_PER_PAGE] for start in range(0, len(cells), MAX_PER_PAGE)]
    return [_page(page, min(columns, len(cells))) for page in pages]


def _page(cells: Sequence[Cell], columns: int) -> Image.Image:
    lines = max(cell.caption.count("\n") + 1 for cell in cells)
    pitch_x, pitch_y = CELL_PX + GAP_PX, CELL_PX + GAP_PX + lines * (TEXT_PX + 5)
    rows = -(-len(cells) // columns)
    page = Image.new("RGB", (GAP_PX + columns * pitch_x, GAP_PX + rows * pitch_y), PAPER)
    draw = ImageDraw.Draw(page)
    for number, cell in enumerate(cells):
        left = GAP_PX + number % columns * pitch_x
        top = GAP_PX + number // columns * pitch_y
        image = cell.image.convert("RGB")
        scale = CELL_PX / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        corner = (left + (CELL_PX - size[0]) // 2, top + (CELL_PX - size[1]) // 2)
        page.paste(image.resize(size, Image.Resampling.LANCZOS), corner)
        if cell.marked:
            box = (corner[0] - 4, corner[1] - 4, corner[0] + size[0] + 3, corner[1] + size[1] + 3)
            draw.rectangle(box, outline=MARK, width=3)
        for line, text in enumerate(cell.caption.split("\n")):
            place = (left, top + CELL_PX + 6 + line * (TEXT_PX + 5))
            draw_text(page, place, fitted(text, TEXT_PX, CELL_PX), TEXT_PX, INK)
    return page
