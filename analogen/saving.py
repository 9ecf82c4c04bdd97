"""Saves a finished picture: the PNG with its metadata, and the SVG."""

from __future__ import annotations

import json
from pathlib import Path

from analogen.files import write_atomic
from analogen.metadata import file_fingerprint, make_record, png_bytes
from analogen.types import Candidate, Request, Result


def save_candidate(
    request: Request,
    result: Result,
    candidate: Candidate,
    path: Path,
    metadata: bool = True,
    make_folder: bool = True,
    ground: Path | str | None = None,
) -> None:
    """Write the PNG, and the SVG beside it if the candidate has one; each file is written whole or not at all.

    metadata: write the settings into the PNG. make_folder: make missing folders. ground: what the
    picture lies on in place of its palette's ground, "none" or the file of a picture, for the record. Raises RunError
    if a file cannot be written.
    """
    record = make_record(request, result, candidate) if metadata else None
    if record is not None and (result.made is not None or request.scene is not None):
        # Imported here, because they import torch, and whoever only names this function does without.
        from analogen.relsim.mini.reading import reading_to_json
        from analogen.scene_reference import read_scene_file

        if result.made is not None:
            reading = result.made.reading
        else:
            assert request.scene is not None, "a scene was made or given"
            reading = read_scene_file(request.scene)
        record["scene"] = json.loads(reading_to_json(reading))
    if record is not None and ground is not None:
        record["ground"] = file_fingerprint(ground) if isinstance(ground, Path) else ground
    if candidate.svg is not None:
        write_atomic(path.with_suffix(".svg"), candidate.svg.encode("utf-8"), make_folder)
    write_atomic(path, png_bytes(candidate.image, record), make_folder)
