"""The Explore tab: search a gallery by picture, words or both, from the same logic to the same looks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from analogen import FoundPicture, PictureGallery, UserError
from analogen.demos.components import (
    PICK_SCRIPT,
    bar,
    client_endpoint,
    empty_state,
    error_box,
    escaped,
    inline_image,
    jpeg,
    note,
)
from analogen.demos.jobs.batches import BATCHES_FOLDER
from analogen.demos.messages import error_message, sentence
from analogen.demos.tab_interface import PageContext, StudioInterface
from analogen.demos.tabs.search_results import description, grid, plot
from analogen.demos.uploads import picture_upload, read_upload

READ_PX = 1024
MAX_RESULTS = 60
GALLERY_FOLDER = "gallery"  # in the output folder: the gallery of the studio's own pictures


def build(studio: StudioInterface, context: PageContext) -> None:
    """Build the tab over the studio's gallery, or over its own pictures if it has none."""

    def send(path: Path | None) -> Any:
        if path is None:
            return gr.skip()
        try:
            return context.form([studio.files.save_reference(path)])
        except Exception as error:
            raise gr.Error(sentence(error_message(error)), print_exception=False) from error

    explore = ExploreTab(
        studio.output, [studio.files.pictures, studio.output / BATCHES_FOLDER], studio.gallery, studio.device
    )
    explore.build(lambda button, chosen: button.click(send, chosen, context.form_state, api_visibility="private"))


class ExploreTab:
    """The components and callbacks of the tab over one gallery.

    own_folders: the folders of the studio's own pictures, which are indexed on request into a gallery in `output`.
    gallery: folder or address of another gallery, which is searched instead.
    """

    def __init__(
        self, output: Path, own_folders: Sequence[Path], gallery: str | Path | None = None, device: str = "auto"
    ) -> None:
        self._output, self._own_folders, self._device = output, own_folders, device
        self._uri = None if gallery is None else str(gallery)
        self._opened: PictureGallery | None = None
        self._lock = threading.Lock()

    @property
    def is_own(self) -> bool:
        return self._uri is None

    def open_gallery(self) -> PictureGallery | None:
        """The gallery, None before the first indexing of the studio's own. Raises UserError if it cannot be opened."""
        with self._lock:
            if self._opened is None:
                uri = self._uri or str(self._output / GALLERY_FOLDER)
                if self._uri is None and not Path(uri).is_dir():
                    return None
                self._opened = PictureGallery.open(uri, self._device)
            return self._opened

    def index(self) -> str:
        """Add the studio's new pictures to its gallery. Returns their number as one line."""
        if not self.is_own:
            raise UserError("this studio shows a given gallery: add pictures to it by analogen gallery add")
        with self._lock:
            gallery, report = PictureGallery.make(
                self._output / GALLERY_FOLDER, [folder for folder in self._own_folders if folder.is_dir()], self._device
            )
            self._opened = self._opened or gallery
        if report.pictures == 0:
            raise UserError("this studio has made no pictures yet: make some in Create, then index them")
        more = f", {len(report.refused)} could not be read" if report.refused else ""
        return f"{report.added} new pictures, {report.pictures} in all{more}."

    def find(
        self, reference: str | None, words: str | None, looks: float, weight: float, count: int
    ) -> list[FoundPicture]:
        """The results of a search, best first.

        looks: from 0, the same logic, to 1, the same looks; weight: of the picture against the words.
        Raises UserError if there is nothing to search for, or no gallery.
        """
        query = " ".join((words or "").split())
        images = [read_upload(reference, READ_PX)] if reference else []
        if not images and not query:
            raise UserError("there is nothing to search for: give a picture, words or both")
        gallery = self.open_gallery()
        if gallery is None:
            raise UserError("there is no gallery yet: index this studio's pictures first")
        return gallery.search(images, [query] if query else [], int(count), weight, looks if images else 0.0)

    def status(self) -> str:
        """The size of the gallery, in one line."""
        try:
            gallery = self.open_gallery()
        except UserError as error:
            return error_box(error_message(error))
        if gallery is None:
            return note("No gallery yet. Index the pictures of this studio to search them.")
        kind = "pictures of this studio" if self.is_own else "pictures in the gallery"
        return note(f"{len(gallery):,} {kind}")

    def build(self, send: Callable[[gr.Button, gr.State], Any] | None = None) -> None:
        """Add the components to the open Blocks.

        send: connects a button with Create; called with the button and the state that holds the chosen picture's path.
        """
        found, chosen = gr.State([]), gr.State(None)
        with gr.Row():
            with gr.Column(scale=2, min_width=280):
                status = gr.HTML(elem_id="explore-status")
                index = gr.Button(
                    "Index this studio's pictures", size="sm", visible=self.is_own, elem_id="explore-index"
                )
                reference = picture_upload(label="A picture of the logic", height=240)
                words = gr.Textbox(
                    "",
                    label="In words",
                    placeholder="{subject} getting smaller and smaller",
                    info="Describe the logic without naming the subject; write {subject} for it.",
                    max_length=1000,
                )
                looks = gr.Slider(
                    0, 1, value=0, step=0.05, label="Same logic (0) or same looks (1)",
                    info="The looks of the picture above.", elem_id="explore-looks",
                )  # fmt: skip
                with gr.Accordion("More", open=False):
                    weight = gr.Slider(
                        0, 1, value=0.5, step=0.05, label="Words (0) or picture (1)", info="Used when both are given."
                    )
                    count = gr.Slider(4, MAX_RESULTS, value=24, step=1, label="Results")
                button = gr.Button("Search", variant="primary", elem_id="explore-go")
            with gr.Column(scale=4, min_width=300):
                detail = gr.HTML(visible=False, elem_id="explore-detail")
                with gr.Row(visible=False) as actions:
                    to_create = gr.Button("Use in Create", variant="primary", visible=send is not None)
                    alike = gr.Button("Search from this one")
                with gr.Tabs():
                    with gr.Tab("Results"):
                        cards = gr.HTML(NO_SEARCH, js_on_load=PICK_SCRIPT, elem_id="explore-results")
                    with gr.Tab("Similarity space"):
                        space = gr.HTML(NO_SEARCH, js_on_load=PICK_SCRIPT, elem_id="explore-space")
        shown = [found, chosen, cards, space, detail, actions]
        query = [reference, words, looks, weight, count]
        private: dict[str, Any] = {"api_visibility": "private"}
        for event in (button.click, words.submit, looks.release):
            event(self._show, query, shown, **private)
        for html in (cards, space):
            html.pick(self._pick, [found], [chosen, cards, space, detail, actions], show_progress="hidden", **private)
        gr.on(None, self.status, None, status, show_progress="hidden", **private)
        index.click(self._index, None, status, **private)
        # The page gets the picture and not its path: pages may not name files of the gallery.
        alike.click(lambda path: (read_upload(path, READ_PX), ""), chosen, [reference, words], **private).then(
            self._search_from, [chosen, looks, weight, count], shown, **private
        )
        if send is not None:
            send(to_create, chosen)
        answer, trigger = gr.JSON(visible=False), gr.Button(visible=False)
        # Without limits of their own: Gradio's refusal would not name the field.
        numbers = [gr.Number(value, visible=False) for value in (0, 0.5, 24)]
        trigger.click(self.search, [reference, words, *numbers], answer, api_name="search")
        api(self.index_pictures, api_name="index_pictures")

    def _show(self, *query: Any) -> tuple[Any, ...]:
        try:
            return self._shown(self.find(*query))
        except Exception as error:
            return [], None, error_box(error_message(error)), NO_SEARCH, gr.HTML(visible=False), gr.Row(visible=False)

    def _shown(self, results: list[FoundPicture]) -> tuple[Any, ...]:
        hidden = (gr.HTML(visible=False), gr.Row(visible=False))
        if not results:
            return (
                [],
                None,
                empty_state("Nothing found", "The gallery is empty: make pictures in Create, then index them."),
                NO_SEARCH,
                *hidden,
            )
        return results, None, grid(results), plot(results), *hidden

    def _search_from(self, path: Path, looks: float, weight: float, count: int) -> tuple[Any, ...]:
        """Search by a picture of the gallery itself, which is no upload."""
        return self._show(str(path), "", looks, weight, count)

    def _pick(self, results: list[FoundPicture], event: gr.EventData) -> tuple[Any, ...]:
        number = getattr(event, "number", None)
        if not isinstance(number, int) or not 0 <= number < len(results):
            return (gr.skip(),) * 5
        one = results[number]
        try:
            large = inline_image(jpeg(read_upload(one.path), 900), description(number, one))
        except UserError as error:
            return (
                number,
                gr.skip(),
                gr.skip(),
                gr.HTML(error_box(error_message(error)), visible=True),
                gr.Row(visible=False),
            )
        bars = bar("logic", one.relation) + bar("looks", one.attribute)
        caption = f"<figcaption><strong>{escaped(one.path.name)}</strong>{bars}</figcaption>"
        figure = f'<figure class="an-big an-side">{large}{caption}</figure>'
        return (
            one.path, grid(results, number), plot(results, number), gr.HTML(figure, visible=True), gr.Row(visible=True),
        )  # fmt: skip

    def _index(self) -> str:
        try:
            return note(sentence(self.index()))
        except Exception as error:
            return error_box(error_message(error))

    @client_endpoint
    def search(
        self, reference: str | None, words: str = "", looks: float = 0.0, weight: float = 0.5, count: int = 24
    ) -> dict[str, Any]:
        """Find the pictures of the studio's gallery that are most similar to a picture, to words, or to both.

        Args:
            reference: A picture that shows the logic, or nothing.
            words: The logic in anonymous words, such as "many {subject} in a ring", or nothing.
            looks: From 0, the same logic in any looks, to 1, the same looks in any logic.
            weight: The weight of the picture, from 0 to 1, if words are given too.
            count: The largest number of results.

        Returns:
            For each result its name, score, relation and attribute, best first.
        """
        return {
            "results": [
                {
                    "name": one.path.name,
                    "score": round(one.score, 4),
                    "relation": round(one.relation, 4),
                    "attribute": None if one.attribute is None else round(one.attribute, 4),
                }
                for one in self.find(reference, words, looks, weight, count)
            ]
        }

    @client_endpoint
    def index_pictures(self) -> str:
        """Add the new pictures of this studio to its gallery, so that they can be searched.

        Returns:
            The number of new pictures, and of all.
        """
        return self.index()


NO_SEARCH = empty_state(
    "Find pictures that share an idea",
    "Give a picture, or describe its logic in words, and search. The slider goes from the same logic in any looks to "
    "the same looks in any logic.",
)
