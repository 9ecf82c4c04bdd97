"""The two editors of the Create tab: the reading of the reference, and the scene of a chosen picture."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import gradio as gr

from analogen.demos.components import error_box
from analogen.demos.messages import error_message, page_sentence
from analogen.demos.scene_editor.service import SceneService
from analogen.demos.tabs import picture_cards

_LOG = logging.getLogger(__name__)
NO_EDITOR = ""  # the value of an editor that shows nothing


def reading_value(service: SceneService, saved: Sequence[str], scene: str | None = None) -> str:
    """The value of the reading's editor for saved references; several have no common reading, and show none.

    scene: a reading that was edited before, which takes the place of what is read.
    """
    if len(saved) > 1 or not (saved or scene):
        return NO_EDITOR
    try:
        state = service.edited_reading(scene, saved[0] if saved else None) if scene else service.reading_of(saved[0])
    except Exception:
        # The logic of the reference was read all the same, and is shown above.
        _LOG.exception("a reference could not be read as a scene")
        return NO_EDITOR
    return json.dumps(state)


def form_scene(service: SceneService, settings: dict[str, Any]) -> str | None:
    """The JSON of the scene that the settings of a form name; None without one, or if its file is gone."""
    name = settings.get("scene")
    return service.studio.files.scene_text(name) if isinstance(name, str) else None


def open_picture(service: SceneService, number: int | None) -> tuple[Any, ...]:
    """Open the editor of a card's picture; outputs: editor, large view, actions, problem."""
    try:
        if number is None:
            return (gr.skip(),) * 4
        job, rank = divmod(int(number), picture_cards.CARDS_PER_JOB)
        state = service.picture_of(job, rank)
    except Exception as error:
        return gr.skip(), gr.skip(), gr.skip(), error_box(page_sentence(error_message(error)))
    return json.dumps(state), gr.update(visible=False), gr.update(visible=False), ""


def close_picture() -> tuple[Any, ...]:
    """Close the editor of a picture; outputs: editor, large view, actions."""
    return NO_EDITOR, gr.update(visible=True), gr.update(visible=True)


def save_picture(service: SceneService, event: gr.EventData) -> int:
    """Save an edited picture. Returns the number of its card; raises UserError."""
    job = int(event.job)
    image = service.save(job, int(event.rank), str(event.scene))
    return job * picture_cards.CARDS_PER_JOB + int(image["rank"])


def can_edit(service: SceneService, number: int | None) -> bool:
    """Whether a card's picture can be edited: its scene was kept."""
    found = picture_cards.find(service.studio, number)
    return found is not None and service.can_edit(service.studio.files.pictures / found[1]["path"])
