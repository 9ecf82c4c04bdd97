from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from analogen.contact_sheet import CELL_PX, GAP_PX, MAX_PER_PAGE, Cell, contact_sheets


def test_references_come_first_and_are_marked() -> None:
    cells = [
        Cell(Image.new("RGB", (50, 50), "red"), "reference", marked=True),
        Cell(Image.new("RGB", (50, 50), "blue"), "x"),
    ]
    (page,) = contact_sheets(cells)
    middle = GAP_PX + CELL_PX // 2
    assert page.getpixel((middle, middle)) == (255, 0, 0)
    assert page.getpixel((middle + CELL_PX + GAP_PX, middle)) == (0, 0, 255)
    assert page.getpixel((GAP_PX - 3, middle)) not in ((255, 255, 255), (255, 0, 0))


@pytest.mark.parametrize("size", [(1, 1), (2000, 3), (3, 2000), (64, 4096)])
def test_any_shape_fits_whole_into_its_cell(size: tuple[int, int]) -> None:
    (page,) = contact_sheets([Cell(Image.new("RGB", size, "black"), "")])
    dark = np.argwhere(np.asarray(page.convert("L")) < 128)
    assert len(dark) > 0
    assert (dark.max(axis=0) - dark.min(axis=0)).max() < CELL_PX


def test_many_pictures_are_paged() -> None:
    tile = Image.new("RGB", (8, 8))
    assert len(contact_sheets([Cell(tile, "")] * MAX_PER_PAGE)) == 1
    assert len(contact_sheets([Cell(tile, "")] * (MAX_PER_PAGE + 1))) == 2


def test_long_and_foreign_captions_stay_in_their_cell() -> None:
    cells = [
        Cell(Image.new("RGB", (8, 8), "white"), "word " * 200 + "自転車 🦉"),
        Cell(Image.new("RGB", (8, 8), "white"), ""),
    ]
    (page,) = contact_sheets(cells)
    ink = np.argwhere(np.asarray(page.convert("L")) < 128)
    assert ink[:, 1].max() < GAP_PX + CELL_PX + GAP_PX


def test_empty_sheet_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        contact_sheets([])
