"""Analogical image generation: keep a picture's relational logic, change its subject.

The public names below are resolved on first use, so that `import analogen` stays free of torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analogen.errors import RunError, UserError
    from analogen.generator import Generator
    from analogen.loading import load_generator
    from analogen.metadata import read_metadata
    from analogen.relsim.encoder import load_encoder
    from analogen.types import Candidate, FoundRelation, Request, Result, Scores

    __version__: str

_HOMES = {
    "Candidate": "analogen.types",
    "FoundRelation": "analogen.types",
    "Generator": "analogen.generator",
    "Request": "analogen.types",
    "Result": "analogen.types",
    "RunError": "analogen.errors",
    "Scores": "analogen.types",
    "UserError": "analogen.errors",
    "load_encoder": "analogen.relsim.encoder",
    "load_generator": "analogen.loading",
    "read_metadata": "analogen.metadata",
}

__all__ = [
    "Candidate",
    "FoundRelation",
    "Generator",
    "Request",
    "Result",
    "RunError",
    "Scores",
    "UserError",
    "__version__",
    "load_encoder",
    "load_generator",
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
