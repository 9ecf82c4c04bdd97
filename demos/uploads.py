"""Uploaded files: an upload component for pictures, and checks of what was uploaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import processing_utils, utils
from PIL import Image

from analogen import UserError, read_image

MAX_FILES = 500


def picture_upload(**options: Any) -> gr.Image:
    """A gr.Image whose value is the path of the uploaded file, for `read_upload`.

    Gradio itself would open the picture, and raise with a traceback if it is damaged. This is no subclass, because
    Gradio would write a .pyi file for it beside this one.
    """
    component = gr.Image(type="filepath", sources=["upload", "clipboard"], **options)
    component.preprocess = lambda payload: None if payload is None else payload.path  # type: ignore[method-assign]
    return component


def as_upload(path: Path) -> str:
    """The path of a copy of a kept file in the folder of uploads, from which an upload field shows it again."""
    return processing_utils.save_file_to_cache(path, utils.get_upload_folder())


def read_upload(path: str | Path, side_px: int | None = None) -> Image.Image:
    """The picture as RGB, with no side longer than `side_px`. Raises UserError with the file name, without folders."""
    try:
        image = read_image(path).image
    except (ValueError, FileNotFoundError) as error:
        raise UserError(str(error).replace(str(path), Path(path).name)) from error
    if side_px is not None:
        image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return image


def checked_files(paths: Sequence[str] | None, limit: int = MAX_FILES) -> list[Path]:
    """The paths of the uploaded files. Raises UserError for more than `limit`."""
    found = [Path(path) for path in paths or ()]
    if len(found) > limit:
        raise UserError(f"{len(found)} files were uploaded, at most {limit} are accepted at once: upload fewer")
    return found
