"""The editor as a component of the page: a gr.HTML whose JavaScript is loaded from `page/` when it is first shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from analogen.demos.components import escaped
from analogen.demos.messages import error_message, sentence
from analogen.demos.scene_editor.service import SceneService
from analogen.demos.studio_files import StudioFiles

PAGE = Path(__file__).resolve().parent / "page"
# The events that the page raises: an edit of a reading, and an edited picture to save or to close.
_SCRIPT = """
const events = ['edited', 'saved', 'closed'];
import(new URL('{editor}', document.baseURI)).then((editor) =>
  editor.mount({{element, props, watch, server, raise: (name, data) => events.includes(name) && trigger(name, data)}}));
"""


def scene_editor(service: SceneService, elem_id: str, label: str) -> gr.HTML:
    """An editor without a scene. Its value is the JSON of `SceneService.reading_of` or `picture_of`, "" shows nothing.

    The page writes its edits into the value, so that an event that takes the editor as input gets the scene as it is.
    """

    def describe(scene: str) -> dict[str, Any]:
        return _answer(lambda: service.describe(scene))

    def preview(given: dict[str, Any]) -> dict[str, Any]:
        return _answer(lambda: {"picture": service.preview(int(given["job"]), int(given["rank"]), str(given["scene"]))})

    def find_noun(text: str) -> dict[str, Any]:
        return _answer(lambda: service.find_noun(str(text)))

    def nouns(_: Any = None) -> dict[str, Any]:
        return _answer(lambda: {"nouns": service.nouns()})

    return gr.HTML(
        "", html_template=f'<section class="se" aria-label="{escaped(label)}" hidden></section>',
        js_on_load=_SCRIPT.format(editor=StudioFiles.url(PAGE / "editor.js")), apply_default_css=False,
        elem_id=elem_id, elem_classes="se-host", server_functions=[describe, preview, find_noun, nouns],
    )  # fmt: skip


def edited_scene(value: str | None, references: list[str]) -> str | None:
    """The scene of a reading editor that was edited, as JSON; None if it was not, or belongs to other references."""
    state = parse_value(value)
    if not state.get("edited") or state.get("mode") != "reading":
        return None
    owner = state.get("reference")
    return json.dumps(state.get("scene")) if references == ([] if owner is None else [owner]) else None


def parse_value(value: str | None) -> dict[str, Any]:
    """The value of an editor as a dictionary, empty for anything that is none."""
    try:
        state = json.loads(value or "{}")
    except (ValueError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}


def _answer(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of a call from the page, or its error as one sentence."""
    try:
        return call()
    except Exception as error:
        return {"error": sentence(error_message(error))}
