"""Writes where the things of finished pictures stand, as JSON for other tools: `--layout-json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analogen.pipelines.diffusion.layout_boxes import boxes_of, layout_json, layout_words
from analogen.types import Candidate, Request

FORMAT = "analogen-layouts-1"


def layouts_of(
    request: Request, subject: str, candidates: Sequence[Candidate], paths: Sequence[Path]
) -> list[dict[str, Any]]:
    """The layouts of candidates that have a scene, in their order. Raises ValueError for one with nothing in view."""
    layouts = []
    for candidate, path in zip(candidates, paths, strict=True):
        scene = candidate.scene
        assert scene is not None, "checked before the pictures are made"
        other = request.other or scene.other
        boxes = boxes_of(scene, request.width, request.height, subject, other)
        prompt = layout_words(scene, subject, other)
        layouts.append({"picture": path.name, **layout_json(prompt, boxes, request.width, request.height)})
    return layouts


def layouts_to_json(layouts: Sequence[dict[str, Any]]) -> str:
    return json.dumps({"format": FORMAT, "layouts": list(layouts)}, indent=1, ensure_ascii=False)
