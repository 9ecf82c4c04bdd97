"""The last stage: a finished picture, with its record and its drawing, becomes files."""

from __future__ import annotations

from pathlib import Path

from analogen.files import write_atomic
from analogen.metadata import make_record, png_bytes
from analogen.types import Candidate, Request, Result


def save_candidate(
    request: Request, result: Result, candidate: Candidate, path: Path, metadata: bool = True, make_folder: bool = True
) -> None:
    """Write the PNG, and the SVG beside it if there is one; each appears whole or not at all.

    Raises RunError if it cannot be written.
    """
    record = make_record(request, result, candidate) if metadata else None
    if candidate.svg is not None:
        write_atomic(path.with_suffix(".svg"), candidate.svg.encode("utf-8"), make_folder)
    write_atomic(path, png_bytes(candidate.image, record), make_folder)
