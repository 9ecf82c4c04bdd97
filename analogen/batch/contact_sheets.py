"""Draws the contact sheets of a batch, page by page, from the pictures on disk."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from analogen.batch.jobs import Job, JobStore
from analogen.contact_sheet import CELL_PX, MAX_PER_PAGE, Cell, contact_sheets
from analogen.files import write_atomic
from analogen.metadata import png_bytes
from analogen.relsim.images import read_image
from analogen.request_schema import reference_paths


def write_sheets(store: JobStore, base: Path, output: Path) -> list[Path]:
    """Write pages with the reference and pictures of each finished row, in the manifest's order. Returns the files.

    base: the folder of relative references. Missing pictures are left out. Raises RunError if a page cannot be written.
    """
    paths: list[Path] = []
    cells = _cells(store, base, output)
    while page := list(islice(cells, MAX_PER_PAGE)):
        paths.append(output / ("sheet.png" if not paths else f"sheet-page{len(paths) + 1}.png"))
        (image,) = contact_sheets(page)
        write_atomic(paths[-1], png_bytes(image, None), make_folder=False)
    return paths


def _cells(store: JobStore, base: Path, output: Path) -> Iterator[Cell]:
    jobs = (job for job in store.ended(in_order_of_ending=False) if job.result is not None)
    with ThreadPoolExecutor() as pool:  # reading and resizing release Python's lock
        while page := list(islice(jobs, MAX_PER_PAGE)):
            for cells in pool.map(lambda job: _cells_of(job, base, output), page):
                yield from cells


def _cells_of(job: Job, base: Path, output: Path) -> list[Cell]:
    name, values, result = job.payload["id"], job.payload["values"], job.result or {}
    shown = [(base / path, f"{name}\nreference", True) for path in reference_paths(values.get("reference") or [])]
    for image in result["images"]:
        shown.append((output / image["path"], f"{name}  {result['subject']}\n{_scores(image)}", False))
    found = ((_small(path), caption, marked) for path, caption, marked in shown)
    return [Cell(image, caption, marked) for image, caption, marked in found if image is not None]


def _scores(image: dict[str, Any]) -> str:
    return f"total {image['scores']['total']:.2f}  seed {image['seed']}"


def _small(path: Path) -> Image.Image | None:
    try:
        image = read_image(path).image
    except (ValueError, FileNotFoundError):
        return None
    image.thumbnail((CELL_PX, CELL_PX), reducing_gap=2.0)
    return image
