"""Explore: search a gallery by picture, words or both, between the same logic and the same looks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from analogen import FoundPicture, PictureGallery, UserError
from analogen.demos.components import (
    PICKING,
    bar,
    empty,
    escaped,
    for_clients,
    jpeg,
    note,
    picture,
    problem,
    sentence,
    told,
)
from analogen.demos.jobs.batches import FOLDER
from analogen.demos.tab_interface import Host, Inbox
from analogen.demos.uploads import picture_upload, read_upload

READ_PX = 1024
MOST = 60
OWN = "gallery"  # the folder, in the output folder, of the gallery of the app's own pictures


@dataclass(frozen=True)
class Span:
    """The range of an axis, a little wider than what lies on it."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Span:
        room = max(0.08 * (max(values) - min(values)), 0.02)
        # Cosines end at 1.
        return cls(min(values) - room, min(max(values) + room, max(1.0, max(values))))

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)


def grid(found: Sequence[FoundPicture], chosen: int | None = None) -> str:
    """The results as cards to pick, best first."""
    cards = "".join(
        f'<li><button type="button" class="an-card{" an-chosen" if number == chosen else ""}" data-pick="{number}">'
        f"{picture(one.thumbnail, '')}"
        f'<span class="an-name">{escaped(one.path.name)}</span>{bar("logic", one.relation)}'
        f"{bar('looks', one.attribute)}</button></li>"
        for number, one in enumerate(found)
    )
    return f'<ul class="an-grid">{cards}</ul>'


def plot(found: Sequence[FoundPicture], chosen: int | None = None) -> str:
    """The similarity space: looks to the right, logic upwards, thumbnails to pick. Only where looks were compared."""
    placed = [(number, one) for number, one in enumerate(found) if one.attribute is not None]
    if len(placed) < 2:
        return note("The similarity space needs a picture to compare looks with, and two results or more.")
    across = Span.of([one.attribute or 0 for _, one in placed])
    up = Span.of([one.relation for _, one in placed])
    taken: list[tuple[float, float]] = []
    points = []
    # The strongest last, so that they lie on top.
    for number, one in sorted(placed, key=lambda pair: pair[1].relation):
        x, y = across.share(one.attribute or 0), up.share(one.relation)
        crowded = any(abs(x - a) < 0.05 and abs(y - b) < 0.07 for a, b in taken)
        taken.append((x, y))
        points.append(
            f'<button type="button" class="an-point{" an-chosen" if number == chosen else ""}" data-pick="{number}" '
            f'style="left:{100 * x:.1f}%;bottom:{100 * y:.1f}%;--side:{34 if crowded else 52}px" '
            f'aria-label="{escaped(_said(number, one))}" title="{escaped(one.path.name)}">'
            f"{picture(one.thumbnail, '')}</button>"
        )
    ticks = "".join(
        f'<span class="an-tick" style="left:{100 * share:.0f}%;top:calc(100% + 8px);transform:translateX(-50%)">'
        f"{across.low + share * (across.high - across.low):.2f}</span>"
        f'<span class="an-tick" style="right:calc(100% + 8px);bottom:{100 * share:.0f}%;transform:translateY(50%)">'
        f"{up.low + share * (up.high - up.low):.2f}</span>"
        for share in (0.0, 0.5, 1.0)
    )
    axes = (
        '<span class="an-axis" style="left:50%;top:calc(100% + 30px);transform:translateX(-50%)">'
        "alike looks (attribute) →</span>"
        '<span class="an-axis" style="right:calc(100% + 44px);bottom:50%;writing-mode:vertical-rl;'
        'transform:translateY(50%) rotate(180deg)">alike logic (relation) →</span>'
    )
    return (
        '<div class="an-frame"><div class="an-plot" role="group" '
        'aria-label="Similarity space: alike looks to the right, alike logic upwards">'
        f"{''.join(points)}{ticks}{axes}</div></div>"
    )


def _said(number: int, one: FoundPicture) -> str:
    looks = "" if one.attribute is None else f", looks {one.attribute:.2f}"
    return f"Result {number + 1}, {one.path.name}: logic {one.relation:.2f}{looks}"


def build(studio: Host, desk: Inbox) -> None:
    """The tab, over the studio's gallery or over its own pictures."""

    def send(path: Path | None) -> Any:
        if path is None:
            return gr.skip()
        try:
            return desk.parcel([studio.keep_reference(path)])
        except Exception as error:
            raise gr.Error(sentence(told(error)), print_exception=False) from error

    explore = Explore(studio.output, [studio.pictures, studio.output / FOLDER], studio.gallery, studio.device)
    explore.build(lambda button, chosen: button.click(send, chosen, desk.inbox, api_visibility="private"))


class Explore:
    """The page over a gallery.

    own: the folders of the app's own pictures, whose gallery lies in `output`, made when it is asked for.
    gallery: folder or address of another one, which is shown instead.
    """

    def __init__(
        self, output: Path, own: Sequence[Path], gallery: str | Path | None = None, device: str = "auto"
    ) -> None:
        self._output, self._own, self._device = output, own, device
        self._uri = None if gallery is None else str(gallery)
        self._opened: PictureGallery | None = None
        self._lock = threading.Lock()

    @property
    def is_own(self) -> bool:
        return self._uri is None

    def opened(self) -> PictureGallery | None:
        """The gallery, None if the app's own has not been made. Raises UserError if the given one cannot be had."""
        with self._lock:
            if self._opened is None:
                uri = self._uri or str(self._output / OWN)
                if self._uri is None and not Path(uri).is_dir():
                    return None
                self._opened = PictureGallery.open(uri, self._device)
            return self._opened

    def make(self) -> str:
        """Index the app's own pictures, or what came since. Returns what happened as one line."""
        if not self.is_own:
            raise UserError("this studio shows a gallery of its own: analogen gallery add fills that one")
        with self._lock:
            gallery, told = PictureGallery.make(
                self._output / OWN, [folder for folder in self._own if folder.is_dir()], self._device
            )
            self._opened = self._opened or gallery
        if told.pictures == 0:
            raise UserError("this studio has made no pictures yet: make some in Create, then index them")
        more = f", {len(told.refused)} could not be read" if told.refused else ""
        return f"{told.added} new pictures, {told.pictures} in all{more}."

    def find(
        self, reference: str | None, words: str | None, looks: float, weight: float, count: int
    ) -> list[FoundPicture]:
        """Raises UserError for what cannot be searched for, or where there is no gallery."""
        said = " ".join((words or "").split())
        images = [read_upload(reference, READ_PX)] if reference else []
        if not images and not said:
            raise UserError("nothing says what to look for: give a picture, words or both")
        gallery = self.opened()
        if gallery is None:
            raise UserError("there is no gallery yet: index this studio's pictures first")
        return gallery.search(images, [said] if said else [], int(count), weight, looks if images else 0.0)

    def status(self) -> str:
        """What is searched, in one line."""
        try:
            gallery = self.opened()
        except UserError as error:
            return problem(str(error))
        if gallery is None:
            return note("No gallery yet. Index the pictures of this studio to search them.")
        kind = "pictures of this studio" if self.is_own else "pictures in the gallery"
        return note(f"{len(gallery):,} {kind}")

    def build(self, send: Callable[[gr.Button, gr.State], Any] | None = None) -> None:
        """Lay the tab out inside the open Blocks.

        send: is given a button and the state that holds the path of the chosen picture, and brings it to Create.
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
                    info="The logic without naming the thing; {subject} stands for it.",
                    max_length=1000,
                )
                looks = gr.Slider(
                    0, 1, value=0, step=0.05, label="Same logic (0) or same looks (1)",
                    info="Looks are those of the picture.", elem_id="explore-looks",
                )  # fmt: skip
                with gr.Accordion("More", open=False):
                    weight = gr.Slider(
                        0, 1, value=0.5, step=0.05, label="Words (0) or picture (1)", info="Where both are given."
                    )
                    count = gr.Slider(4, MOST, value=24, step=1, label="Results")
                button = gr.Button("Search", variant="primary", elem_id="explore-go")
            with gr.Column(scale=4, min_width=300):
                detail = gr.HTML(visible=False, elem_id="explore-detail")
                with gr.Row(visible=False) as actions:
                    to_create = gr.Button("Use in Create", variant="primary", visible=send is not None)
                    alike = gr.Button("Search from this one")
                with gr.Tabs():
                    with gr.Tab("Results"):
                        cards = gr.HTML(NOTHING, js_on_load=PICKING, elem_id="explore-results")
                    with gr.Tab("Similarity space"):
                        space = gr.HTML(NOTHING, js_on_load=PICKING, elem_id="explore-space")
        shown = [found, chosen, cards, space, detail, actions]
        asked = [reference, words, looks, weight, count]
        private: dict[str, Any] = {"api_visibility": "private"}
        for trigger in (button.click, words.submit, looks.release):
            trigger(self._show, asked, shown, **private)
        for html in (cards, space):
            html.pick(self._pick, [found], [chosen, cards, space, detail, actions], show_progress="hidden", **private)
        gr.on(None, self.status, None, status, show_progress="hidden", **private)
        index.click(self._index, None, status, **private)
        # As a picture, not as a path: the page may not name files of the gallery.
        alike.click(lambda path: (read_upload(path, READ_PX), ""), chosen, [reference, words], **private).then(
            self._again, [chosen, looks, weight, count], shown, **private
        )
        if send is not None:
            send(to_create, chosen)
        answer, go = gr.JSON(visible=False), gr.Button(visible=False)
        go.click(self.search, asked, answer, api_name="search")
        api(self.index_pictures, api_name="index_pictures")

    def _show(self, *asked: Any) -> tuple[Any, ...]:
        try:
            return self._shown(self.find(*asked))
        except Exception as error:
            return [], None, problem(told(error)), NOTHING, gr.HTML(visible=False), gr.Row(visible=False)

    def _shown(self, results: list[FoundPicture]) -> tuple[Any, ...]:
        hidden = (gr.HTML(visible=False), gr.Row(visible=False))
        if not results:
            return (
                [],
                None,
                empty("Nothing found", "The gallery is empty: make pictures in Create, then index them."),
                NOTHING,
                *hidden,
            )
        return results, None, grid(results), plot(results), *hidden

    def _again(self, path: Path, looks: float, weight: float, count: int) -> tuple[Any, ...]:
        """Search from a picture of the gallery itself, which need not be an upload."""
        return self._show(str(path), "", looks, weight, count)

    def _pick(self, results: list[FoundPicture], event: gr.EventData) -> tuple[Any, ...]:
        number = getattr(event, "number", None)
        if not isinstance(number, int) or not 0 <= number < len(results):
            return (gr.skip(),) * 5
        one = results[number]
        try:
            big = picture(jpeg(read_upload(one.path), 900), _said(number, one))
        except UserError as error:
            return number, gr.skip(), gr.skip(), gr.HTML(problem(str(error)), visible=True), gr.Row(visible=False)
        bars = bar("logic", one.relation) + bar("looks", one.attribute)
        caption = f"<figcaption><strong>{escaped(one.path.name)}</strong>{bars}</figcaption>"
        figure = f'<figure class="an-big an-side">{big}{caption}</figure>'
        return (
            one.path, grid(results, number), plot(results, number), gr.HTML(figure, visible=True), gr.Row(visible=True),
        )  # fmt: skip

    def _index(self) -> str:
        try:
            return note(sentence(self.make()))
        except Exception as error:
            return problem(told(error))

    @for_clients
    def search(
        self, reference: str | None, words: str = "", looks: float = 0.0, weight: float = 0.5, count: int = 24
    ) -> dict[str, Any]:
        """Find the pictures of the studio's gallery that come nearest to a picture, to words, or to both.

        Args:
            reference: A picture of the logic, or nothing.
            words: The logic in anonymous words, such as "many {subject} in a ring", or nothing.
            looks: 0 asks for the same logic whatever the looks, 1 for the same looks whatever the logic.
            weight: Of the picture, from 0 to 1, where there are words too.
            count: How many results at most.

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

    @for_clients
    def index_pictures(self) -> str:
        """Index the pictures that this studio has made, or those that came since, so that they can be searched.

        Returns:
            How many pictures are new, and how many there are.
        """
        return self.make()


NOTHING = empty(
    "Find pictures that share an idea",
    "Give a picture, or say its logic in words, and search. The slider goes from the same logic in any looks to the "
    "same looks in any logic.",
)
