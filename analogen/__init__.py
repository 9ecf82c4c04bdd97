"""Analogical image generation: keep a picture's relational logic, change its subject.

The public names below are resolved on first use, so that `import analogen` stays free of torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analogen.batch_run import BatchRun, RunRow, RunStatus
    from analogen.errors import RunError, UserError
    from analogen.generator import Generator
    from analogen.likeness import Likeness, Reading, compare_images, read_logic
    from analogen.loading import load_generator
    from analogen.manifest import Manifest, Problem
    from analogen.metadata import read_metadata
    from analogen.picture_gallery import FoundPicture, Indexed, PictureGallery
    from analogen.relsim.encoder import load_encoder
    from analogen.types import Candidate, FoundRelation, Request, Result, Scores

    __version__: str

_HOMES = {
    "BatchRun": "analogen.batch_run",
    "Candidate": "analogen.types",
    "FoundPicture": "analogen.picture_gallery",
    "FoundRelation": "analogen.types",
    "Generator": "analogen.generator",
    "Indexed": "analogen.picture_gallery",
    "Likeness": "analogen.likeness",
    "Manifest": "analogen.manifest",
    "PictureGallery": "analogen.picture_gallery",
    "Problem": "analogen.manifest",
    "Reading": "analogen.likeness",
    "Request": "analogen.types",
    "Result": "analogen.types",
    "RunError": "analogen.errors",
    "RunRow": "analogen.batch_run",
    "RunStatus": "analogen.batch_run",
    "Scores": "analogen.types",
    "UserError": "analogen.errors",
    "compare_images": "analogen.likeness",
    "load_encoder": "analogen.relsim.encoder",
    "load_generator": "analogen.loading",
    "read_logic": "analogen.likeness",
    "read_metadata": "analogen.metadata",
}

__all__ = [
    "BatchRun",
    "Candidate",
    "FoundPicture",
    "FoundRelation",
    "Generator",
    "Indexed",
    "Likeness",
    "Manifest",
    "PictureGallery",
    "Problem",
    "Reading",
    "Request",
    "Result",
    "RunError",
    "RunRow",
    "RunStatus",
    "Scores",
    "UserError",
    "__version__",
    "compare_images",
    "load_encoder",
    "load_generator",
    "read_logic",
    "read_metadata",
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
