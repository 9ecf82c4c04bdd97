"""What can be done with the picture on the canvas: star, compare, edit, note, delete and undo, and go on from it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from analogen import UserError
from analogen.demos.collection import Collection
from analogen.demos.components import error_box
from analogen.demos.messages import error_message, page_sentence
from analogen.demos.scene_editor.service import SceneService
from analogen.demos.studio import Studio
from analogen.demos.tab_interface import PageContext
from analogen.demos.tabs import picture_cards
from analogen.demos.tabs.canvas import canvas
from analogen.demos.tabs.scene_edits import NO_EDITOR, can_edit, close_picture, open_picture, save_picture

STAR, STARRED = "☆ Star", "★ Starred"
PIN, PINNED = "Compare with…", "Compared: release"
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}


class CanvasActions:
    """The buttons below the canvas. chosen: the number of its card; large: its HTML; problem: where errors are told.

    `shown` gives the updates for a picture on the canvas, for the outputs `outputs`.
    """

    def __init__(
        self, studio: Studio, service: SceneService, context: PageContext, chosen: gr.State, large: gr.HTML,
        problem: gr.HTML,
    ) -> None:  # fmt: skip
        self.studio, self.service, self.context = studio, service, context
        self.chosen, self.large, self.problem = chosen, large, problem
        self.collection = Collection(studio.store, studio.files)
        self.beside, self.deleted = gr.State(None), gr.State(None)

    def build(self, editor: gr.HTML) -> None:
        """Build the buttons; editor: of the picture."""
        self.editor = editor
        with gr.Row(visible=False, elem_id="actions") as self.row:
            self.star = gr.Button(STAR, size="sm", elem_id="star")
            self.edit = gr.Button("Edit", size="sm", elem_id="edit")
            self.pin = gr.Button(PIN, size="sm", elem_id="pin")
            self.more = gr.Button("More like this", size="sm", elem_id="more")
            self.as_reference = gr.Button("Use as reference", size="sm")
            self.recall = gr.Button("Recall its settings", size="sm")
            self.delete = gr.Button("Delete", size="sm", elem_id="delete")
        self.note = gr.Textbox(
            show_label=False, label="Note", placeholder="A note", max_length=1000, elem_id="note", container=False
        )
        self.undo = gr.Button("Undo: bring the deleted picture back", size="sm", visible=False, elem_id="undo")
        self.outputs = [self.chosen, self.large, self.row, self.star, self.edit, self.note, self.editor]

    def shown(self, number: int | None, html: str | None = None) -> dict[Any, Any]:
        """The updates that show a card's picture, or with None only `html`, such as the progress of a run."""
        found = picture_cards.find(self.studio, number)
        if found is None:
            return {self.chosen: None, self.large: gr.update(value=html or "", visible=True),
                    self.row: gr.update(visible=False), self.editor: NO_EDITOR}  # fmt: skip
        image = found[1]
        return {
            self.chosen: number, self.editor: NO_EDITOR, self.row: gr.update(visible=True),
            self.large: gr.update(value=canvas(self.studio, number) if html is None else html, visible=True),
            self.star: STARRED if image.get("starred") else STAR, self.note: image.get("note", ""),
            self.edit: gr.update(visible=can_edit(self.service, number)),
        }  # fmt: skip

    def wire(self, strip: Callable[[int | None, int | None], dict[Any, Any]], run: Any, results: gr.HTML) -> None:
        """Connect the buttons. strip: the updates that show the cards of a run, with a card chosen."""
        chosen, large, row, problem, editor = self.chosen, self.large, self.row, self.problem, self.editor

        def turn_star(number: int, run_number: int | None) -> dict[Any, Any]:
            try:
                starred = self.collection.star(*_job_and_rank(number))
            except Exception as error:
                return {problem: _box(error)}
            return {self.star: STARRED if starred else STAR, problem: "", **strip(run_number, number)}

        def turn_pin(number: int, pinned: int | None) -> dict[Any, Any]:
            if pinned is None:
                return {self.beside: number, self.pin: PINNED, problem: ""}
            return {self.beside: None, self.pin: PIN, **self.shown(number)}

        def delete(number: int, run_number: int | None) -> dict[Any, Any]:
            try:
                self.collection.delete(*_job_and_rank(number))
            except Exception as error:
                return {problem: _box(error)}
            following = _neighbour(self.studio, number)
            return {
                self.deleted: number, self.undo: gr.update(visible=True), problem: "",
                **strip(run_number, following), **self.shown(following),
            }  # fmt: skip

        def undo(number: int, run_number: int | None) -> dict[Any, Any]:
            try:
                self.collection.restore(*_job_and_rank(number))
            except Exception as error:
                return {problem: _box(error)}
            return {
                self.deleted: None, self.undo: gr.update(visible=False), problem: "",
                **strip(run_number, number), **self.shown(number),
            }  # fmt: skip

        # Not write_note, which is the name of an endpoint.
        def keep_note(number: int, text: str | None) -> str:
            try:
                self.collection.write_note(*_job_and_rank(number), text or "")
            except Exception as error:
                return _box(error)
            return ""

        self.star.click(turn_star, [chosen, run], [self.star, problem, results], **PRIVATE)
        self.pin.click(turn_pin, [chosen, self.beside], [self.beside, self.pin, problem, *self.outputs], **PRIVATE)
        self.delete.click(delete, [chosen, run], [self.deleted, self.undo, problem, results, *self.outputs], **PRIVATE)
        self.undo.click(
            undo, [self.deleted, run], [self.deleted, self.undo, problem, results, *self.outputs], **PRIVATE
        )
        for event in (self.note.blur, self.note.submit):
            event(keep_note, [chosen, self.note], problem, **PRIVATE)
        self.edit.click(partial(open_picture, self.service), chosen, [editor, large, row, problem], **PRIVATE)
        editor.closed(close_picture, None, [editor, large, row], **PRIVATE)
        editor.saved(self._save, run, [problem, *self.outputs], **PRIVATE).then(
            lambda run_number, number: strip(run_number, number), [run, chosen], [results], **PRIVATE
        )
        form_state = self.context.form_state
        self.as_reference.click(self._form_with, chosen, form_state, **PRIVATE)
        self.more.click(partial(self._form_of, anew=True), chosen, form_state, **PRIVATE)
        self.recall.click(self._form_of, chosen, form_state, **PRIVATE)

    def _save(self, run_number: int | None, event: gr.EventData) -> dict[Any, Any]:
        """Save an edited picture and show it."""
        try:
            number = save_picture(self.service, event)
        except Exception as error:
            return {self.problem: _box(error)}
        return {self.problem: "", **self.shown(number)}

    def _form_of(self, number: int | None, anew: bool = False) -> Any:
        """The form with the settings of a picture; anew: without its seed, for further ones."""
        values = picture_cards.form_values(self.studio, number)
        if values is None:
            return gr.skip()
        saved, settings = values
        return self.context.form(saved, {**settings, "seed": None, "anew": True} if anew else settings)

    def _form_with(self, number: int | None) -> Any:
        """The form with a picture as its only reference."""
        found = picture_cards.find(self.studio, number)
        if found is None:
            return gr.skip()
        return self.context.form([self.studio.files.save_reference(self.studio.files.pictures / found[1]["path"])])


def _job_and_rank(number: int | None) -> tuple[int, int]:
    if number is None:
        raise UserError("no picture is chosen: click one first")
    return divmod(int(number), picture_cards.CARDS_PER_JOB)


def _neighbour(studio: Studio, number: int) -> int | None:
    """The picture after a deleted one of the same job, or the one before it."""
    job, rank = _job_and_rank(number)
    found = studio.store.get(job)
    ranks = [one["rank"] for one in (found.result or {}).get("images", ()) if not one.get("deleted")] if found else []
    if not ranks:
        return None
    return job * picture_cards.CARDS_PER_JOB + min(ranks, key=lambda one: (one < rank, abs(one - rank)))


def _box(error: Exception) -> str:
    return error_box(page_sentence(error_message(error)))
