"""What comes in from a page: files that were uploaded, read by the checked reader."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from analogen import UserError, read_image

MAX_FILES = 500


def picture_upload(**options: Any) -> gr.Image:
    """A picture whose value is the uploaded file's path; `read_upload` reads it.

    Gradio itself would open the picture, with a traceback where it is damaged. Not a class of its own, for which Gradio
    would write a file beside this one.
    """
    component = gr.Image(type="filepath", sources=["upload", "clipboard"], **options)
    component.preprocess = lambda payload: None if payload is None else payload.path  # type: ignore[method-assign]
    return component


def read_upload(path: str | Path, side_px: int | None = None) -> Image.Image:
    """The picture as RGB, no side longer than `side_px`. Raises UserError that names the file as the user knows it."""
    try:
        image = read_image(path).image
    except (ValueError, FileNotFoundError) as error:
        raise UserError(str(error).replace(str(path), Path(path).name)) from error
    if side_px is not None:
        image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return image


def checked_files(paths: Sequence[str] | None, limit: int = MAX_FILES) -> list[Path]:
    """The uploaded files. Raises UserError for more than `limit`."""
    found = [Path(path) for path in paths or ()]
    if len(found) > limit:
        raise UserError(f"{len(found)} files came, at most {limit} are taken at once: upload fewer")
    return found
