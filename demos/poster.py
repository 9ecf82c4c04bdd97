"""A set as a poster: one reference and many subjects on a sheet with margins, as PNG and PDF."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from analogen import UserError, draw_text, read_image, write_atomic
from analogen.demos.job_values import references_of, subject_of
from analogen.demos.studio import Status, Studio

WIDTH_PX, MARGIN_PX, GAP_PX = 2480, 160, 60  # of A4 at 300 dots per inch
TITLE_PX, CAPTION_PX = 64, 40
DOTS_PER_INCH = 300
PAPER, INK = "#ffffff", "#1d1d1b"
MOST_PICTURES = 36
MOST_LETTERS = 40  # of a title or a name, so that they stay within their places


def poster(studio: Studio, run: int, title: str = "") -> tuple[str, str]:
    """Draw the sheet of a run: the starred pictures of its subjects, or the best of each where none is starred.

    Returns the paths of the PNG and the PDF in the downloads. Raises UserError for a run without pictures.
    """
    status = studio.status(run)
    cells = _pictures(studio, status)
    if not cells:
        raise UserError("this run has no picture yet: wait until it is done, then make the set")
    reference = next((studio.output / name for job in status.jobs for name in references_of(job)), None)
    if reference is not None and reference.is_file():
        cells.insert(0, ("the idea", reference))
    sheet = draw_sheet([(name, read_image(path).image) for name, path in cells], title)
    name = hashlib.sha256(repr((run, title, [str(path) for _, path in cells])).encode()).hexdigest()[:12]
    paths = []
    for kind in ("PNG", "PDF"):
        buffer = io.BytesIO()
        sheet.save(buffer, kind, **({"dpi": (DOTS_PER_INCH,) * 2} if kind == "PNG" else {"resolution": DOTS_PER_INCH}))
        paths.append(studio.files.downloads / f"set-{name}.{kind.lower()}")
        write_atomic(paths[-1], buffer.getvalue())
    return str(paths[0]), str(paths[1])


def draw_sheet(cells: Sequence[tuple[str, Image.Image]], title: str = "") -> Image.Image:
    """Pictures of any shape with their names in a grid that fits an A4 sheet best, below the title."""
    columns = max(1, round(math.sqrt(len(cells) / 1.3)))
    rows = math.ceil(len(cells) / columns)
    cell = (WIDTH_PX - 2 * MARGIN_PX - (columns - 1) * GAP_PX) // columns
    ratio = max(image.height / image.width for _, image in cells)
    height, caption = round(cell * min(ratio, 1.5)), CAPTION_PX + 44
    top = MARGIN_PX + (TITLE_PX + GAP_PX if title else 0)
    sheet = Image.new("RGB", (WIDTH_PX, top + rows * (height + caption) + (rows - 1) * GAP_PX + MARGIN_PX), PAPER)
    if title:
        draw_text(sheet, (WIDTH_PX // 2, MARGIN_PX - 20), title[:MOST_LETTERS], TITLE_PX, INK, middle=True)
    for number, (name, image) in enumerate(cells):
        left = MARGIN_PX + number % columns * (cell + GAP_PX)
        above = top + number // columns * (height + caption + GAP_PX)
        scale = min(cell / image.width, height / image.height)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        place = (left + (cell - size[0]) // 2, above + height - size[1])
        sheet.paste(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), place)
        draw_text(sheet, (left + cell // 2, above + height + 22), name[:MOST_LETTERS], CAPTION_PX, INK, middle=True)
    return sheet


def _pictures(studio: Studio, status: Status) -> list[tuple[str, Path]]:
    found = []
    for job in status.jobs:
        images = [one for one in (job.result or {}).get("images", ()) if not one.get("deleted")]
        chosen = [one for one in images if one.get("starred")] or images[:1]
        found += [(subject_of(job), studio.files.pictures / one["path"]) for one in chosen]
    return [(name, path) for name, path in found if path.is_file()][:MOST_PICTURES]
