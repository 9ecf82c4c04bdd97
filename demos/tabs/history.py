"""The History tab: everything that was made in the output folder, filtered; stars to download, sets to print."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import api

from analogen import Job
from analogen.demos.collection import Collection
from analogen.demos.components import PICK_SCRIPT, client_endpoint, empty_state, error_box, escaped, offered_files
from analogen.demos.job_values import subject_of
from analogen.demos.poster import poster
from analogen.demos.score_words import short
from analogen.demos.star_archive import star_archive
from analogen.demos.studio import Studio
from analogen.demos.tab_interface import PageContext
from analogen.demos.tabs import picture_cards
from analogen.demos.tabs.canvas import canvas

PAGE_SIZE = 24
MOST_JOBS = 10 * PAGE_SIZE
LOOKED_AT = 2000  # jobs, for a filter that the store does not know
DAYS = {"Any time": None, "Last day": 1, "Last week": 7, "Last month": 30}
ALL, STARRED = "All", "Starred"


@dataclass(frozen=True)
class Filter:
    """What History shows. words: all have to occur; subject: "" for any; days: None for any age; starred: only
    these."""

    words: str = ""
    subject: str = ""
    days: int | None = None
    starred: bool = False

    @property
    def is_set(self) -> bool:
        return self != Filter()

    def jobs(self, studio: Studio, limit: int) -> list[Job]:
        """The newest jobs that pass."""
        words = f"{self.words[:200]} {'starred' if self.starred else ''}"
        narrow = self.subject or self.days or self.starred
        oldest = time.time() - 86400 * (self.days or 0)
        found = [
            job
            for job in studio.history(words, LOOKED_AT if narrow else limit)
            if (not self.subject or subject_of(job) == self.subject)
            and (self.days is None or job.created >= oldest)
            and (not self.starred or any(self.images(job)))
        ]
        return found[:limit]

    def images(self, job: Job) -> list[dict[str, Any]]:
        """The pictures of a job that pass."""
        images = (job.result or {}).get("images", ())
        return [one for one in images if not one.get("deleted") and (one.get("starred") or not self.starred)]


def history_cards(studio: Studio, chosen: Filter, limit: int = PAGE_SIZE) -> str:
    """The cards of the newest jobs that pass the filter, below notes on failed and unfinished jobs."""
    cards, notes = [], []
    for job in chosen.jobs(studio, limit):
        name = subject_of(job)
        if job.state == "failed":
            notes.append(error_box(f"{name}: {job.error}"))
        elif job.state in ("queued", "running"):
            notes.append(f'<div class="an-note">{escaped(name)} is {job.state}; it continues without the page.</div>')
        cards += [
            picture_cards.card(studio, job, image, f"{name} · {image.get('note') or short(image)}")
            for image in chosen.images(job)
        ]
    if not cards and not notes:
        if chosen.is_set:
            return empty_state("Nothing found", "No picture here passes these filters: take one away.")
        return empty_state(
            "Nothing made yet", "Pictures that you make in Create stay here, also after the page is closed."
        )
    return "".join(notes[:6]) + picture_cards.grid(cards)


def build(studio: Studio, context: PageContext) -> None:
    """Build the tab and its endpoints."""
    collection = Collection(studio.store, studio.files)
    limit, chosen = gr.State(PAGE_SIZE), gr.State(None)
    with gr.Row(elem_id="history-filters"):
        words = gr.Textbox(label="Search", placeholder="bicycle ring", scale=3)
        subject = gr.Dropdown([("Any", "")], value="", label="Subject", scale=2)
        days = gr.Dropdown(list(DAYS), value="Any time", label="Made", scale=2)
        which = gr.Radio([ALL, STARRED], value=ALL, label="Show", scale=2, elem_id="history-which")
        search = gr.Button("Search", variant="primary", scale=0, min_width=100)
        stars = gr.Button("Stars as ZIP", scale=0, min_width=160, elem_id="history-zip")
    problem = gr.HTML("", elem_id="history-problem")
    downloads = gr.File(label="To download", visible=False, file_count="multiple", elem_id="history-downloads")
    large = gr.HTML(visible=False, elem_id="history-large")
    with gr.Row(visible=False, elem_id="history-actions") as actions:
        open_button = gr.Button("Open in Create", size="sm")
        star = gr.Button("☆ Star or unstar", size="sm", elem_id="history-star")
        make_set = gr.Button("Make a poster of its set", size="sm", elem_id="history-set")
    found = gr.HTML("", js_on_load=PICK_SCRIPT, elem_id="history-cards")
    more = gr.Button("Show more")
    fields = [words, subject, days, which]

    def filter_of(text: str | None, name: str | None, age: str, shown: str) -> Filter:
        return Filter(text or "", name or "", DAYS.get(age), shown == STARRED)

    def find_cards(*given: Any) -> str:
        return history_cards(studio, filter_of(*given[:4]), min(given[4], MOST_JOBS))

    def open_tab(*given: Any) -> tuple[Any, str]:
        names = sorted({subject_of(job) for job in studio.history(limit=MOST_JOBS)})
        return gr.update(choices=[("Any", ""), *((name, name) for name in names)]), find_cards(*given)

    def pick_card(event: gr.EventData) -> tuple[int, Any, Any]:
        number = int(event.number)
        return number, gr.update(value=canvas(studio, number), visible=True), gr.update(visible=True)

    def form_of(number: int) -> Any:
        values = picture_cards.form_values(studio, number)
        return gr.skip() if values is None else context.form(*values, picture=number)

    def turn_star(number: int | None, *given: Any) -> tuple[Any, str]:
        if number is not None:
            collection.star(*divmod(int(number), picture_cards.CARDS_PER_JOB))
        return "", find_cards(*given)

    def zip_stars() -> tuple[Any, str]:
        return offered_files(lambda: [star_archive(studio)])

    def print_set(number: int | None) -> tuple[Any, str]:
        def files() -> list[str]:
            job = None if number is None else studio.store.get(int(number) // picture_cards.CARDS_PER_JOB)
            return [] if job is None else list(poster(studio, job.group))

        return offered_files(files)

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    for event in (search.click, words.submit, subject.input, days.input, which.input):
        event(find_cards, [*fields, limit], found, **private)
    more.click(lambda count: count + PAGE_SIZE, limit, limit, **private).then(
        find_cards, [*fields, limit], found, **private
    )
    found.pick(pick_card, None, [chosen, large, actions], **private)
    open_button.click(form_of, chosen, context.form_state, **private)
    star.click(turn_star, [chosen, *fields, limit], [problem, found], **private)
    stars.click(zip_stars, None, [downloads, problem], **private)
    make_set.click(print_set, chosen, [downloads, problem], **private)
    context.history_tab.select(open_tab, [*fields, limit], [subject, found], **private)
    _add_endpoints(studio, collection)


def _add_endpoints(studio: Studio, collection: Collection) -> None:
    """Add history, star, write_note, delete_picture, restore_picture, download_stars and poster."""

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
            for job in studio.history(words[:200], max(1, min(limit, MOST_JOBS)))
        ]

    def star(job: int, rank: int = 0, starred: bool = True) -> bool:
        """Star a picture, or take its star away; job and rank are those of /history. Returns whether it is starred."""
        return collection.star(int(job), int(rank), bool(starred))

    def write_note(job: int, rank: int = 0, text: str = "") -> str:
        """Set the note of a picture. Returns it."""
        return collection.write_note(int(job), int(rank), text)

    def delete_picture(job: int, rank: int = 0) -> bool:
        """Delete a picture; /restore_picture takes that back."""
        collection.delete(int(job), int(rank))
        return True

    def restore_picture(job: int, rank: int = 0) -> bool:
        """Take the deletion of a picture back."""
        collection.restore(int(job), int(rank))
        return True

    def download_stars() -> str:
        """The starred pictures as a ZIP: PNG, SVG, and pictures.json with what made them."""
        return star_archive(studio)

    def make_poster(run: int, title: str = "", pdf: bool = False) -> str:
        """The pictures of a run and its reference on a sheet with margins, as PNG or PDF; starred ones, or the best."""
        return poster(studio, int(run), title)[int(pdf)]

    api(history, api_name="history")
    for function in (star, write_note, delete_picture, restore_picture):
        api(client_endpoint(function), api_name=function.__name__, concurrency_limit=None)
    file = gr.File(visible=False)
    button = gr.Button(visible=False)
    button.click(client_endpoint(download_stars), None, file, api_name="download_stars")
    inputs = [gr.Number(visible=False, precision=0), gr.Textbox("", visible=False), gr.Checkbox(False, visible=False)]
    gr.Button(visible=False).click(client_endpoint(make_poster), inputs, file, api_name="poster")
