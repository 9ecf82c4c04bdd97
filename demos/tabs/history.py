"""The History tab: everything that was made in the output folder, newest first, searched by words."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.events import api

from analogen.demos.components import PICK_SCRIPT, empty_state, error_box, escaped
from analogen.demos.job_values import subject_of
from analogen.demos.studio import Studio
from analogen.demos.tab_interface import PageContext
from analogen.demos.tabs import picture_cards

PAGE_SIZE = 24


def history_cards(studio: Studio, words: str, limit: int = PAGE_SIZE) -> str:
    """The cards of the newest jobs that contain all the words, below notes on failed and unfinished jobs."""
    jobs = studio.history(words[:200], limit=limit)
    cards, notes = [], []
    for job in jobs:
        name = subject_of(job)
        if job.state == "failed":
            notes.append(error_box(f"{name}: {job.error}"))
        elif job.state in ("queued", "running"):
            notes.append(f'<div class="an-note">{escaped(name)} is {job.state}; it continues without the page.</div>')
        for image in (job.result or {}).get("images", ()):
            cards.append(picture_cards.card(studio, job, image, name))
    if not cards and not notes:
        if words.strip():
            return empty_state(
                "Nothing found", "No picture here has all these words in its subject, logic or settings."
            )
        return empty_state(
            "Nothing made yet", "Pictures that you make in Create stay here, also after the page is closed."
        )
    return "".join(notes[:6]) + picture_cards.grid(cards)


def build(studio: Studio, context: PageContext) -> None:
    """Build the tab and its endpoint."""
    limit, chosen = gr.State(PAGE_SIZE), gr.State(None)
    with gr.Row():
        words = gr.Textbox(
            label="Search", placeholder="bicycle ring", info="In subjects, logic and settings; all words have to occur."
        )
        search = gr.Button("Search", variant="primary", scale=0, min_width=120)
    large = gr.HTML(visible=False, elem_id="history-large")
    open_button = gr.Button("Open in Create", visible=False)
    found = gr.HTML("", js_on_load=PICK_SCRIPT, elem_id="history-cards")
    more = gr.Button("Show more")

    def find_cards(text: str, count: int) -> str:
        return history_cards(studio, text or "", min(count, 10 * PAGE_SIZE))

    def pick_card(event: gr.EventData) -> tuple[int, Any, Any]:
        number = int(event.number)
        return number, gr.update(value=picture_cards.large(studio, number), visible=True), gr.update(visible=True)

    def form_of(number: int) -> Any:
        values = picture_cards.form_values(studio, number)
        return gr.skip() if values is None else context.form(*values)

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    for event in (search.click, words.submit):
        event(find_cards, [words, limit], found, **private)
    more.click(lambda count: count + PAGE_SIZE, limit, limit, **private).then(
        find_cards, [words, limit], found, **private
    )
    found.pick(pick_card, None, [chosen, large, open_button], **private)
    open_button.click(form_of, chosen, context.form_state, **private)
    context.history_tab.select(find_cards, [words, limit], found, **private)

    def history(words: str = "", limit: int = 24) -> list[dict[str, Any]]:
        """The jobs of this studio, newest first: run, job, state, subject, images with their scores.

        words: all have to occur in the job; limit: the largest number of jobs, at most 240.
        """
        return [
            {
                "run": job.group,
                "job": job.id,
                "state": job.state,
                "subject": subject_of(job),
                "images": picture_cards.images_for_clients(studio, job),
                "error": job.error,
            }
            for job in studio.history(words[:200], max(1, min(limit, 240)))
        ]

    api(history, api_name="history")
