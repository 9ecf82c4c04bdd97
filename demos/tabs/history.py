"""History: everything ever made in this output folder, newest first, searched by words."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.events import api

from analogen.demos.components import PICKING, empty, escaped, problem
from analogen.demos.studio import Desk, Studio
from analogen.demos.tabs import picture_cards

PAGE = 24


def shown(studio: Studio, words: str, most: int = PAGE) -> str:
    """The cards of the newest jobs that hold all the words."""
    jobs = studio.history(words[:200], limit=most)
    found, problems = [], []
    for job in jobs:
        name = job.payload["values"]["subject"]
        if job.state == "failed":
            problems.append(problem(f"{name}: {job.error}"))
        elif job.state in ("queued", "running"):
            problems.append(f'<div class="an-note">{escaped(name)} is {job.state}; it goes on without the page.</div>')
        for image in (job.result or {}).get("images", ()):
            found.append(picture_cards.card(studio, job, image, name))
    if not found and not problems:
        if words.strip():
            return empty("Nothing found", "No picture here has all these words in its subject, logic or settings.")
        return empty("Nothing made yet", "What you make in Create stays here, whatever happens to the page.")
    return "".join(problems[:6]) + picture_cards.grid(found)


def build(studio: Studio, desk: Desk) -> None:
    most, chosen = gr.State(PAGE), gr.State(None)
    with gr.Row():
        words = gr.Textbox(
            label="Search", placeholder="bicycle ring", info="Subjects, logic and settings; all words have to be there."
        )
        again = gr.Button("Search", variant="primary", scale=0, min_width=120)
    large = gr.HTML(visible=False, elem_id="history-large")
    use = gr.Button("Open in Create", visible=False)
    found = gr.HTML("", js_on_load=PICKING, elem_id="history-cards")
    more = gr.Button("Show more")

    def look(text: str, count: int) -> str:
        return shown(studio, text or "", min(count, 10 * PAGE))

    def pick(event: gr.EventData) -> tuple[int, Any, Any]:
        number = int(event.number)
        return number, gr.update(value=picture_cards.large(studio, number), visible=True), gr.update(visible=True)

    def open_there(number: int) -> Any:
        picked = picture_cards.find(studio, number)
        if picked is None:
            return gr.skip()
        values = picked[0].payload["values"]
        names = [name.removeprefix("references/") for name in values.get("reference", ())]
        return desk.parcel(names, {**values, "seed": picked[1]["seed"]})

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    for event in (again.click, words.submit):
        event(look, [words, most], found, **private)
    more.click(lambda count: count + PAGE, most, most, **private).then(look, [words, most], found, **private)
    found.pick(pick, None, [chosen, large, use], **private)
    use.click(open_there, chosen, desk.inbox, **private)
    desk.history_tab.select(look, [words, most], found, **private)

    def history(words: str = "", limit: int = 24) -> list[dict[str, Any]]:
        """What was made in this studio, newest first: run, job, state, subject, images with their scores.

        words: all have to stand in the job; limit: of jobs, at most 240.
        """
        return [
            {
                "run": job.group,
                "job": job.id,
                "state": job.state,
                "subject": job.payload["values"]["subject"],
                "images": picture_cards.listed(studio, job),
                "error": job.error,
            }
            for job in studio.history(words[:200], max(1, min(limit, 240)))
        ]

    api(history, api_name="history")
