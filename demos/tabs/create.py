"""Create: references and subjects in, pictures out, by runs of the queue that outlive the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from analogen import UserError, random_seed
from analogen.demos.components import PICKING, empty, for_clients, note, problem, told
from analogen.demos.jobs.worker import plain_words
from analogen.demos.studio import Desk, Studio
from analogen.demos.tabs import picture_cards

EXAMPLES = Path(__file__).parents[1] / "examples"
EMPTY = empty("Nothing made in this page yet", "Add a reference, name a subject and press Generate, or try an example.")

# On a phone the results lie below the form, and a card's large view lies above the cards.
TO_RESULTS = "() => {if (innerWidth < 768) document.querySelector('#results').scrollIntoView()}"
TO_LARGE = "() => document.querySelector('#large').scrollIntoView()"


def owner_of(request: gr.Request | None) -> str:
    """Who asks: the name that they logged in by, else their page."""
    if request is None:
        return ""
    return str(request.username or request.session_hash or "")


def build(studio: Studio, desk: Desk) -> None:
    run = gr.BrowserState(None, storage_key="analogen-run", secret="analogen-run-key")
    form = gr.BrowserState(None, storage_key="analogen-form", secret="analogen-form-key")
    names, said, chosen, pending = gr.State([]), gr.State(""), gr.State(None), gr.State(None)
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            pictures = gr.Gallery(
                label="References", type="filepath", sources=["upload", "clipboard"], columns=3, height=220,
                object_fit="contain", file_types=["image"], buttons=[], interactive=True, elem_id="references",
            )  # fmt: skip
            caption = gr.Textbox(
                label="Understood as", lines=2, elem_id="caption", max_length=1000,
                info="The logic that is kept. Edit it, and your words count beside the pictures.",
            )  # fmt: skip
            sure = gr.HTML("", elem_id="sure")
            subjects = gr.Textbox(
                label="Subjects, one per line", lines=3, placeholder="bicycle\nlighthouse", elem_id="subjects"
            )
            with gr.Row():
                strength = gr.Slider(0, 2, 1.0, step=0.05, label="Strength of the logic", elem_id="strength")
                candidates = gr.Slider(
                    1, studio.limits.candidates, 6, step=1, label="Candidates per subject", elem_id="candidates"
                )
            with gr.Row():
                seed = gr.Number(random_seed(), precision=0, label="Seed", minimum=0, elem_id="seed")
                dice = gr.Button("🎲 Roll", scale=0, min_width=130)
            with gr.Accordion("More settings", open=False):
                keep = gr.Slider(1, studio.limits.candidates, 4, step=1, label="Keep the best")
                side = gr.Slider(256, studio.limits.side_px, 1024, step=64, label="Side in pixels", elem_id="side")
                steps = gr.Slider(2, studio.limits.steps, 24, step=1, label="Steps", elem_id="steps")
                other = gr.Textbox(label="Second thing", placeholder="chosen for you", max_length=200)
                svg = gr.Checkbox(studio.model == "mini", label="Layered SVG beside each PNG")
                metadata = gr.Checkbox(True, label="Write settings into the PNG (metadata)", elem_id="metadata")
            with gr.Row():
                go = gr.Button("Generate", variant="primary", elem_id="generate")
                stop = gr.Button("Stop", interactive=False, elem_id="stop")
            shipped = sorted(EXAMPLES.glob("*.webp"))
            if shipped:
                gr.Markdown("**Try one**")
                with gr.Row():
                    tries = [
                        (gr.Button(path.stem.replace("_", " "), size="sm", min_width=120), path) for path in shipped
                    ]
        with gr.Column(scale=3, min_width=340):
            trouble = gr.HTML("", elem_id="trouble")
            large = gr.HTML("", visible=False, elem_id="large")
            with gr.Row(visible=False) as actions:
                as_reference = gr.Button("Use as reference", size="sm")
                more = gr.Button("More like this", size="sm")
                recall = gr.Button("Recall its settings", size="sm")
            results = gr.HTML(EMPTY, js_on_load=PICKING, elem_id="results")
    clock = gr.Timer(0.5, active=False)
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}

    def look(shown: Sequence[tuple[str, Any]] | None, words: dict[str, Any] | None) -> tuple[Any, ...]:
        """Keep the pictures and say what they are understood as; words: those that a parcel brought with them."""
        if not shown:
            return [], "", "", "", ""
        try:
            if len(shown) > studio.limits.references:
                raise UserError(f"{len(shown)} references are too many: at most {studio.limits.references}.")
            kept = [studio.keep_reference(path) for path, _ in shown]
            found = studio.understand(kept)
        except Exception as error:
            return [], "", "", "", problem(plain_words(told(error)))
        level = "sure" if found.confidence > 0.7 else "fairly sure" if found.confidence > 0.35 else "unsure"
        advice = "" if found.confidence > 0.35 else " Say the logic in your own words above."
        caption = words["relation"] if words and words["references"] == kept else found.caption
        return kept, caption, found.caption, note(f"{level.capitalize()}, {found.confidence:.0%}.{advice}"), ""

    def state_of(number: int | None, picked: int | None) -> tuple[Any, ...]:
        """What the page shows of a run; outputs: results, clock, stop."""
        try:
            status = None if number is None else studio.status(int(number))
        except (UserError, ValueError, TypeError):
            status = None
        if status is None:
            return EMPTY, gr.Timer(active=False), gr.Button(interactive=False)
        ended = status.ended
        return picture_cards.run(studio, status, picked), gr.Timer(active=not ended), gr.Button(interactive=not ended)

    def begin(
        kept: list[str], words: str | None, read: str, things: str | None, scale: float, count: float, first: float,
        best: float,
        px: float, num_steps: float, second: str | None, drawing: bool, record: bool, request: gr.Request,
    ) -> tuple[Any, ...]:  # fmt: skip
        """Queue a run; outputs: run, form, trouble, and those of state_of."""
        words, things = words or "", things or ""
        settings = {
            "relation": words.strip() if words.strip() and (words != read or not kept) else None,
            "relation_scale": float(scale), "candidates": int(count), "num_images": min(int(best), int(count)),
            "seed": int(first or 0), "width": int(px), "height": int(px), "steps": int(num_steps),
            "other": (second or "").strip() or None, "svg": bool(drawing),
        }  # fmt: skip
        try:
            number = studio.submit(settings, kept, things.splitlines(), owner_of(request), bool(record))
        except Exception as error:
            return gr.skip(), gr.skip(), problem(plain_words(told(error))), gr.skip(), gr.skip(), gr.skip()
        filled = {"references": list(kept), "settings": {**settings, "subject": things, "metadata": bool(record)}}
        return number, filled, "", *state_of(number, None)

    def halt(number: int | None, picked: int | None) -> tuple[Any, ...]:
        if number is not None:
            studio.cancel(int(number))
        return state_of(number, picked)

    def pick(event: gr.EventData) -> tuple[Any, ...]:
        number = int(event.number)
        there = picture_cards.find(studio, number) is not None
        return number, gr.update(value=picture_cards.large(studio, number), visible=there), gr.update(visible=there)

    def recalled(number: int | None, fresh: bool) -> Any:
        found = picture_cards.find(studio, number)
        if found is None:
            return gr.skip()
        values = found[0].payload["values"]
        kept = [name.removeprefix("references/") for name in values.get("reference", ())]
        return desk.parcel(kept, {**values, "seed": random_seed() if fresh else found[1]["seed"]})

    def as_new(number: int | None) -> Any:
        found = picture_cards.find(studio, number)
        return desk.parcel([studio.keep_reference(studio.pictures / found[1]["path"])]) if found else gr.skip()

    def unpack(parcel: dict[str, Any] | None) -> tuple[Any, ...]:
        """A parcel onto the page; outputs: those of `unpacked`."""
        if not parcel:
            return (gr.skip(),) * 14
        found = parcel["settings"]

        def value(name: str) -> Any:
            return found[name] if found.get(name) is not None else gr.skip()

        names, words = parcel["references"], found.get("relation")
        pending = {"references": names, "relation": words} if words and names else None
        return (
            [str(studio.reference_path(name)) for name in names], words or gr.skip(), pending, value("subject"),
            value("relation_scale"), value("candidates"), value("seed"), value("num_images"), value("width"),
            value("steps"), value("other"), value("svg"), value("metadata"), gr.Tabs(selected="create"),
        )  # fmt: skip

    def filled_again(kept: Any) -> Any:
        """The form as it was when this browser last pressed Generate; what a browser holds may be anything."""
        try:
            return desk.parcel([studio.reference_path(name).name for name in kept["references"]], kept["settings"])
        except Exception:
            return gr.skip()

    shows = [results, clock, stop]
    settings = [names, caption, said, subjects, strength, candidates, seed, keep, side, steps, other, svg, metadata]
    understood = [names, caption, said, sure, trouble]
    pictures.change(look, [pictures, pending], understood, **{**private, "show_progress": "minimal"})
    dice.click(random_seed, None, seed, **private)
    go.click(begin, settings, [run, form, trouble, *shows], **private).then(None, js=TO_RESULTS, **private)
    clock.tick(state_of, [run, chosen], shows, **private)
    stop.click(halt, [run, chosen], shows, **private)
    results.pick(pick, None, [chosen, large, actions], **private).then(None, js=TO_LARGE, **private)
    as_reference.click(as_new, chosen, desk.inbox, **private)
    more.click(lambda number: recalled(number, True), chosen, desk.inbox, **private)
    recall.click(lambda number: recalled(number, False), chosen, desk.inbox, **private)
    unpacked = [
        pictures, caption, pending, subjects, strength, candidates, seed, keep, side, steps, other, svg, metadata,
        desk.tabs,
    ]  # fmt: skip
    # Gradio tells of no change where the page itself puts pictures in.
    arrived = desk.inbox.change(unpack, desk.inbox, unpacked, **private)
    arrived.then(
        lambda *given: look(*given) if given[0] else (gr.skip(),) * 5, [pictures, pending], understood, **private
    )
    for button, path in tries:
        button.click(
            lambda path=path: desk.parcel([studio.keep_reference(path)], {"subject": "bicycle"}), None, desk.inbox,
            **private,
        )  # fmt: skip
    desk.page.load(state_of, [run, chosen], shows, **private)
    desk.page.load(filled_again, form, desk.inbox, **private)
    _endpoints(studio)


def _endpoints(studio: Studio) -> None:
    """What gradio_client calls: the run is made by the queue, and asked for by its number."""
    files = gr.File(file_count="multiple", visible=False)
    texts = [gr.Textbox(visible=False, label=name) for name in ("relation", "subjects")]
    numbers = [gr.Number(value, visible=False, precision=0) for value in (4, 1, 0, 512, 24)]
    answer, button = gr.JSON(visible=False), gr.Button(visible=False)

    def create(
        references: list[str] | None, relation: str = "", subjects: str = "", candidates: int = 4, num_images: int = 1,
        seed: int = 0, side_px: int = 512, steps: int = 24, request: gr.Request | None = None,
    ) -> dict[str, int]:  # fmt: skip
        """Queue pictures of each subject (one per line) with the logic of the references, words or both.

        Returns {"run": number}; ask /status for it.
        """
        kept = [studio.keep_reference(path) for path in references or ()]
        settings = {
            "relation": (relation or "").strip() or None, "candidates": int(candidates), "num_images": int(num_images),
            "seed": int(seed), "width": int(side_px), "height": int(side_px), "steps": int(steps),
        }  # fmt: skip
        return {"run": studio.submit(settings, kept, (subjects or "").splitlines(), owner_of(request))}

    def status(run: int) -> dict[str, Any]:
        """How a run stands: state, runs ahead, and per subject its state, error and images (url, seed, scores)."""
        found = studio.status(int(run))
        jobs = [
            {
                "subject": job.payload["values"]["subject"],
                "state": job.state,
                "error": job.error,
                "relation": (job.result or {}).get("relation"),
                "images": picture_cards.listed(studio, job),
            }
            for job in found.jobs
        ]
        return {"run": found.run, "state": found.state, "ahead": found.ahead, "jobs": jobs}

    def cancel(run: int) -> bool:
        """Stop a run within a step; what is finished stays. False if it had ended."""
        studio.status(int(run))
        return studio.cancel(int(run))

    button.click(for_clients(create), [files, *texts, *numbers], answer, api_name="create", concurrency_limit=None)
    api(for_clients(status), api_name="status", concurrency_limit=None)
    api(for_clients(cancel), api_name="cancel", concurrency_limit=None)
