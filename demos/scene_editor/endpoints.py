"""The endpoints for programs that read, describe, draw and edit scenes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from analogen import EditedPicture, UserError, checked_reading, write_atomic
from analogen.demos.components import client_endpoint
from analogen.demos.scene_editor.service import SceneService


def add_endpoints(service: SceneService) -> None:
    """Add read_scene, describe_scene, draw_scene, picture_scene and edit_picture to the page's API."""
    studio = service.studio
    file, answer, button = gr.File(visible=False), gr.JSON(visible=False), gr.Button(visible=False)

    def read_scene(reference: str) -> dict[str, Any]:
        """Read a picture as a scene.

        Returns its sentence, an anonymous caption, the certainty, and `scene`, which the other endpoints and /create
        take, edited or not.
        """
        found = service.reading_of(studio.files.save_reference(_given(reference)))
        return {name: found[name] for name in ("sentence", "caption", "certainty", "notes", "scene")}

    def describe_scene(scene: dict) -> dict[str, Any]:  # type: ignore[type-arg]
        """The sentence, anonymous caption and certainty of a scene from /read_scene, edited or not."""
        return service.describe(json.dumps(scene))

    def draw_scene(scene: dict, width: int = 1024, height: int = 1024, svg: bool = False) -> str:  # type: ignore[type-arg]
        """Draw a scene as PNG, or as layered SVG, without composing. Returns the file."""
        limit = studio.limits.side_px
        if not all(64 <= side <= limit for side in (width, height)):
            raise UserError(f"the size is {width} x {height}: expected 64 to {limit} pixels for each side")
        text = json.dumps(scene)
        picture = EditedPicture(checked_reading(text).scene, int(width), int(height))
        name = hashlib.sha256(f"{width} {height} {text}".encode()).hexdigest()[:20]
        path = studio.files.downloads / f"{name}.png"
        if svg:
            path = path.with_suffix(".svg")
            write_atomic(path, picture.svg().encode("utf-8"))
        else:
            picture.save(path, svg=False)
        return str(path)

    def picture_scene(job: int, rank: int = 0) -> dict[str, Any]:
        """The scene of a picture that this studio made; job and rank are those of /history."""
        scene: dict[str, Any] = json.loads(service.find(int(job), int(rank)).scene)
        return scene

    def edit_picture(job: int, rank: int, scene: dict) -> dict[str, Any]:  # type: ignore[type-arg]
        """Save an edited scene of /picture_scene as a new picture, PNG and SVG, whose record says that it was edited.

        Returns its file, address and rank.
        """
        image = service.save(int(job), int(rank), json.dumps(scene))
        path = studio.files.pictures / image["path"]
        return {"file": path.name, "url": studio.files.url(path), "rank": image["rank"], "seed": image["seed"]}

    button.click(client_endpoint(read_scene), file, answer, api_name="read_scene", concurrency_limit=None)
    for function in (describe_scene, picture_scene, edit_picture):
        api(client_endpoint(function), api_name=function.__name__, concurrency_limit=None)
    scene, numbers = gr.JSON(visible=False), [gr.Number(1024, visible=False, precision=0) for _ in range(2)]
    drawn = gr.File(visible=False)
    gr.Button(visible=False).click(
        client_endpoint(draw_scene), [scene, *numbers, gr.Checkbox(False, visible=False)], drawn, api_name="draw_scene",
        concurrency_limit=None,
    )  # fmt: skip


def _given(reference: str | None) -> Path:
    if not reference:
        raise UserError("no picture was given: upload one as `reference`")
    return Path(reference)
