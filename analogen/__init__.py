"""Analogical image generation: keep a picture's relational logic, change its subject.

The public names below are imported when they are first used, so that `import analogen` does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analogen.art_selection import ArtSelection
    from analogen.batch.background import BatchRun, RunRow, RunStatus
    from analogen.batch.jobs import Job, JobStore
    from analogen.batch.manifest import Manifest
    from analogen.batch.manifest_rows import Problem
    from analogen.device_lock import OneAtATime
    from analogen.errors import RunError, UserError
    from analogen.files import write_atomic
    from analogen.generator import Generator
    from analogen.loading import load_generator
    from analogen.metadata import read_metadata
    from analogen.models import capabilities_of, find_model, pick_device
    from analogen.own_art import open_art, own_art_names
    from analogen.picture_gallery import FoundPicture, Indexed, PictureGallery
    from analogen.prompt_preview import preview_prompts
    from analogen.read_back import scene_read_back
    from analogen.relsim.encoder import load_encoder, load_reader
    from analogen.relsim.images import Picture, read_image, read_reference
    from analogen.relsim.mini.reading import SceneReading, reading_from_json, reading_to_json
    from analogen.relsim.world.lettering import draw_text
    from analogen.relsim.world.subject_image import read_subject_image
    from analogen.request_schema import request_from
    from analogen.saving import save_candidate
    from analogen.scene_editing import (
        EditedPicture,
        checked_scene,
        drawing_names,
        drawing_picture,
        find_drawing,
        on_ground,
        palette_colors,
        palettes,
        scene_art_of,
        scene_to_json,
        selection_of,
    )
    from analogen.scene_reading import read_scene
    from analogen.scene_reference import checked_reading, draw_reading, read_scene_file
    from analogen.similarity import Likeness, Reading, compare_images, read_logic
    from analogen.stages import Stages
    from analogen.types import Candidate, FoundRelation, MadeScene, Request, Result, Scores, random_seed

    __version__: str

_HOMES = {
    "ArtSelection": "analogen.art_selection",
    "BatchRun": "analogen.batch.background",
    "Candidate": "analogen.types",
    "EditedPicture": "analogen.scene_editing",
    "FoundPicture": "analogen.picture_gallery",
    "FoundRelation": "analogen.types",
    "Generator": "analogen.generator",
    "Indexed": "analogen.picture_gallery",
    "Job": "analogen.batch.jobs",
    "JobStore": "analogen.batch.jobs",
    "Likeness": "analogen.similarity",
    "MadeScene": "analogen.types",
    "Manifest": "analogen.batch.manifest",
    "OneAtATime": "analogen.device_lock",
    "Picture": "analogen.relsim.images",
    "PictureGallery": "analogen.picture_gallery",
    "Problem": "analogen.batch.manifest_rows",
    "Reading": "analogen.similarity",
    "Request": "analogen.types",
    "Result": "analogen.types",
    "RunError": "analogen.errors",
    "RunRow": "analogen.batch.background",
    "RunStatus": "analogen.batch.background",
    "SceneReading": "analogen.relsim.mini.reading",
    "Scores": "analogen.types",
    "Stages": "analogen.stages",
    "UserError": "analogen.errors",
    "capabilities_of": "analogen.models",
    "checked_reading": "analogen.scene_reference",
    "checked_scene": "analogen.scene_editing",
    "compare_images": "analogen.similarity",
    "drawing_picture": "analogen.scene_editing",
    "draw_text": "analogen.relsim.world.lettering",
    "draw_reading": "analogen.scene_reference",
    "drawing_names": "analogen.scene_editing",
    "find_drawing": "analogen.scene_editing",
    "find_model": "analogen.models",
    "load_encoder": "analogen.relsim.encoder",
    "load_generator": "analogen.loading",
    "load_reader": "analogen.relsim.encoder",
    "open_art": "analogen.own_art",
    "own_art_names": "analogen.own_art",
    "on_ground": "analogen.scene_editing",
    "palette_colors": "analogen.scene_editing",
    "palettes": "analogen.scene_editing",
    "pick_device": "analogen.models",
    "preview_prompts": "analogen.prompt_preview",
    "random_seed": "analogen.types",
    "read_image": "analogen.relsim.images",
    "read_logic": "analogen.similarity",
    "read_metadata": "analogen.metadata",
    "read_reference": "analogen.relsim.images",
    "read_scene": "analogen.scene_reading",
    "read_scene_file": "analogen.scene_reference",
    "read_subject_image": "analogen.relsim.world.subject_image",
    "reading_from_json": "analogen.relsim.mini.reading",
    "reading_to_json": "analogen.relsim.mini.reading",
    "request_from": "analogen.request_schema",
    "save_candidate": "analogen.saving",
    "scene_art_of": "analogen.scene_editing",
    "scene_to_json": "analogen.scene_editing",
    "scene_read_back": "analogen.read_back",
    "selection_of": "analogen.scene_editing",
    "write_atomic": "analogen.files",
}

__all__ = [
    "ArtSelection",
    "BatchRun",
    "Candidate",
    "EditedPicture",
    "FoundPicture",
    "FoundRelation",
    "Generator",
    "Indexed",
    "Job",
    "JobStore",
    "Likeness",
    "MadeScene",
    "Manifest",
    "OneAtATime",
    "Picture",
    "PictureGallery",
    "Problem",
    "Reading",
    "Request",
    "Result",
    "RunError",
    "RunRow",
    "RunStatus",
    "SceneReading",
    "Scores",
    "Stages",
    "UserError",
    "__version__",
    "capabilities_of",
    "checked_reading",
    "checked_scene",
    "compare_images",
    "draw_reading",
    "draw_text",
    "drawing_names",
    "drawing_picture",
    "find_drawing",
    "find_model",
    "load_encoder",
    "load_generator",
    "load_reader",
    "on_ground",
    "open_art",
    "own_art_names",
    "palette_colors",
    "palettes",
    "pick_device",
    "preview_prompts",
    "random_seed",
    "read_image",
    "read_logic",
    "read_metadata",
    "read_reference",
    "read_scene",
    "read_scene_file",
    "read_subject_image",
    "reading_from_json",
    "reading_to_json",
    "request_from",
    "save_candidate",
    "scene_art_of",
    "scene_read_back",
    "scene_to_json",
    "selection_of",
    "write_atomic",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("analogen")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'analogen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
