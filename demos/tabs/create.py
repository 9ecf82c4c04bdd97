"""The Create tab: references and subjects become runs of the queue, which continue without the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from analogen import FoundRelation, UserError, random_seed
from analogen.demos.components import PICK_SCRIPT, client_endpoint, empty_state, error_box, note
from analogen.demos.messages import error_message, page_sentence
from analogen.demos.numbers import MAX_SEED, whole_number
from analogen.demos.scene_editor.component import edited_scene, scene_editor
from analogen.demos.scene_editor.endpoints import add_endpoints
from analogen.demos.scene_editor.service import SceneService, certainty_words
from analogen.demos.studio import Studio
from analogen.demos.tab_interface import PageContext
from analogen.demos.tabs import picture_cards
from analogen.demos.tabs.scene_edits import (
    NO_EDITOR,
    can_edit,
    close_picture,
    form_scene,
    open_picture,
    reading_value,
    save_picture,
)

EXAMPLES = Path(__file__).parents[1] / "examples"
SHOWN_NAMES = 40  # of the user's own art
NO_RUN = empty_state(
    "Nothing made in this page yet", "Add a reference, name a subject and press Generate, or try an example."
)

# On a phone the results are below the form, and the large view of a card is above the cards.
SCROLL_TO_RESULTS = "() => {if (innerWidth < 768) document.querySelector('#results').scrollIntoView()}"
SCROLL_TO_LARGE = "() => document.querySelector('#large').scrollIntoView()"
SCROLL_TO_EDITOR = "() => document.querySelector('#picture-editor').scrollIntoView()"


def owner_of(request: gr.Request | None) -> str:
    """The user of a request: the name they logged in with, or the session of their page."""
    if request is None:
        return ""
    return str(request.username or request.session_hash or "")


def own_art_line(names: Sequence[str]) -> str:
    """The names of the user's own art, in one line."""
    more = len(names) - SHOWN_NAMES
    return f"Your own art: {', '.join(names[:SHOWN_NAMES])}{f' and {more} more' if more > 0 else ''}."


def build(studio: Studio, context: PageContext) -> None:
    """Build the tab and its endpoints."""
    service = SceneService(studio)
    run = gr.BrowserState(None, storage_key="analogen-run", secret="analogen-run-key")
    saved_form = gr.BrowserState(None, storage_key="analogen-form", secret="analogen-form-key")
    names, read_caption, chosen, pending = gr.State([]), gr.State(""), gr.State(None), gr.State(None)
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            pictures = gr.Gallery(
                label="References", type="filepath", sources=["upload", "clipboard"], columns=3, height=220,
                object_fit="contain", file_types=["image", ".heic", ".heif", ".hif"], buttons=[], interactive=True,
                elem_id="references",
            )  # fmt: skip
            reading = scene_editor(service, "reading", "What was read in the reference")
            caption = gr.Textbox(
                label="Understood as", lines=2, elem_id="caption", max_length=1000,
                info="The logic that the new pictures keep. You can edit it; your words then count too.",
            )  # fmt: skip
            confidence = gr.HTML("", elem_id="confidence")
            subjects = gr.Textbox(
                label="Subjects, one per line", lines=3, placeholder="bicycle\nlighthouse", elem_id="subjects"
            )
            if studio.art_names:
                gr.HTML(note(own_art_line(studio.art_names)), elem_id="own-art")
            with gr.Row():
                strength = gr.Slider(0, 2, 1.0, step=0.05, label="Strength of the logic", elem_id="strength")
                candidates = gr.Slider(
                    1, studio.limits.candidates, 6, step=1, label="Candidates per subject", elem_id="candidates"
                )
            with gr.Row():
                seed = gr.Number(random_seed(), precision=0, label="Seed", minimum=0, elem_id="seed")
                new_seed = gr.Button("🎲 Roll", scale=0, min_width=130)
            with gr.Accordion("More settings", open=False):
                keep = gr.Slider(1, studio.limits.candidates, 4, step=1, label="Keep the best")
                side = gr.Slider(
                    studio.limits.least_side_px,
                    studio.limits.side_px,
                    1024,
                    step=64,
                    label="Side in pixels",
                    elem_id="side",
                )
                steps = gr.Slider(1, studio.limits.steps, 24, step=1, label="Steps", elem_id="steps")
                other = gr.Textbox(label="Second thing", placeholder="chosen for you", max_length=200)
                svg = gr.Checkbox(studio.model == "mini", label="Layered SVG beside each PNG")
                metadata = gr.Checkbox(True, label="Write the settings into the PNG (metadata)", elem_id="metadata")
            with gr.Row():
                generate = gr.Button("Generate", variant="primary", elem_id="generate")
                stop = gr.Button("Stop", interactive=False, elem_id="stop")
            examples = sorted(EXAMPLES.glob("*.webp"))
            if examples:
                gr.Markdown("**Try one**")
                with gr.Row():
                    example_buttons = [
                        (gr.Button(path.stem.replace("_", " "), size="sm", min_width=120), path) for path in examples
                    ]
        with gr.Column(scale=3, min_width=340):
            problem = gr.HTML("", elem_id="problem")
            large = gr.HTML("", visible=False, elem_id="large")
            picture_editor = scene_editor(service, "picture-editor", "Edit the picture")
            with gr.Row(visible=False) as actions:
                edit = gr.Button("Edit", size="sm", elem_id="edit")
                as_reference = gr.Button("Use as reference", size="sm")
                more = gr.Button("More like this", size="sm")
                recall = gr.Button("Recall its settings", size="sm")
            results = gr.HTML(NO_RUN, js_on_load=PICK_SCRIPT, elem_id="results")
    timer = gr.Timer(0.5, active=False)
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}

    def understand(shown: Sequence[tuple[str, Any]] | None, pending: dict[str, Any] | None) -> tuple[Any, ...]:
        """Save the shown pictures and read their logic; outputs: those of `understood`.

        pending: references, words and edited scene of a form from another tab or an earlier visit; its words replace
        the caption of its references, its scene what is read in them.
        """
        own = pending if pending and pending["references"] else {}
        try:
            if shown and len(shown) > studio.limits.references:
                raise UserError(f"{len(shown)} references are too many: at most {studio.limits.references}.")
            saved = [studio.files.save_reference(path) for path, _ in shown or ()]
            if own.get("references") != saved:
                own = {}
            if not saved:
                return [], "", "", "", "", NO_EDITOR
            found = studio.understand_scene(own["scene"]) if own.get("scene") else studio.understand(saved)
        except Exception as error:
            return [], "", "", "", error_box(page_sentence(error_message(error))), NO_EDITOR
        caption = own.get("relation") or found.caption
        return saved, caption, found.caption, _certainty(found), "", reading_value(service, saved, own.get("scene"))

    def understand_edited(words: str | None, read: str, saved: list[str], event: gr.EventData) -> tuple[Any, ...]:
        """Read the logic of an edited scene; outputs: caption, read_caption, confidence. Own words stay."""
        try:
            found = studio.understand_scene(str(event.scene)) if event.edited else studio.understand(saved)
        except Exception:
            # A scene without things: the editor says so itself.
            return (gr.skip(),) * 3
        return found.caption if (words or "") in ("", read) else gr.skip(), found.caption, _certainty(found)

    def show_run(number: int | None, chosen: int | None) -> tuple[Any, ...]:
        """Show a run; outputs: results, timer, stop."""
        try:
            status = None if number is None else studio.status(int(number))
        except (UserError, ValueError, TypeError):
            status = None
        if status is None:
            return NO_RUN, gr.Timer(active=False), gr.Button(interactive=False)
        ended = status.ended
        return (
            picture_cards.run_view(studio, status, chosen),
            gr.Timer(active=not ended),
            gr.Button(interactive=not ended),
        )

    def start_run(
        saved: list[str], words: str | None, read: str, subject_lines: str | None, scale: float, count: float,
        first_seed: float, best: float, px: float, num_steps: float, second: str | None, drawing: bool, record: bool,
        edited: str | None, request: gr.Request,
    ) -> tuple[Any, ...]:  # fmt: skip
        """Queue a run; outputs: run, saved_form, problem, and those of show_run."""
        words, subject_lines = words or "", subject_lines or ""
        scene = edited_scene(edited, saved)
        settings = {
            "relation": words.strip() if words.strip() and (words != read or not (saved or scene)) else None,
            "relation_scale": float(scale), "candidates": int(count), "num_images": min(int(best), int(count)),
            "seed": int(first_seed or 0), "width": int(px), "height": int(px), "steps": int(num_steps),
            "other": (second or "").strip() or None, "svg": bool(drawing),
        }  # fmt: skip
        try:
            number = studio.submit(settings, saved, subject_lines.splitlines(), owner_of(request), bool(record), scene)
            kept_scene = None if scene is None else studio.files.save_scene(scene)
        except Exception as error:
            return gr.skip(), gr.skip(), error_box(page_sentence(error_message(error))), gr.skip(), gr.skip(), gr.skip()
        filled = {
            "references": list(saved),
            "settings": {**settings, "subject": subject_lines, "metadata": bool(record), "scene": kept_scene},
        }
        return number, filled, "", *show_run(number, None)

    def stop_run(number: int | None, chosen: int | None) -> tuple[Any, ...]:
        if number is not None:
            studio.cancel(int(number))
        return show_run(number, chosen)

    def pick_card(event: gr.EventData) -> tuple[Any, ...]:
        number = int(event.number)
        exists = picture_cards.find(studio, number) is not None
        large = gr.update(value=picture_cards.large(studio, number), visible=exists)
        return number, large, gr.update(visible=exists), gr.update(visible=can_edit(service, number)), NO_EDITOR

    def form_of(number: int | None, new_seed: bool) -> Any:
        """The form with the settings of a picture."""
        values = picture_cards.form_values(studio, number)
        if values is None:
            return gr.skip()
        references, settings = values
        return context.form(references, {**settings, "seed": random_seed()} if new_seed else settings)

    def form_with(number: int | None) -> Any:
        """The form with a picture as its only reference."""
        found = picture_cards.find(studio, number)
        if found is None:
            return gr.skip()
        return context.form([studio.files.save_reference(studio.files.pictures / found[1]["path"])])

    def fill_form(form: dict[str, Any] | None) -> tuple[Any, ...]:
        """Fill in the form with the value of `form_state`; outputs: `fields`."""
        if not form:
            return (gr.skip(),) * 14
        settings = form["settings"]

        def value(name: str) -> Any:
            return settings[name] if settings.get(name) is not None else gr.skip()

        names, words, scene = form["references"], settings.get("relation"), form_scene(service, settings)
        pending = {"references": names, "relation": words, "scene": scene} if (words or scene) and names else None
        return (
            [str(studio.files.reference_path(name)) for name in names], words or gr.skip(), pending, value("subject"),
            value("relation_scale"), value("candidates"), value("seed"), value("num_images"), value("width"),
            value("steps"), value("other"), value("svg"), value("metadata"), gr.Tabs(selected="create"),
        )  # fmt: skip

    def restore_form(saved: Any) -> Any:
        """The form as it was at the last Generate in this browser; a value that cannot be used is ignored."""
        try:
            return context.form(
                [studio.files.reference_path(name).name for name in saved["references"]], saved["settings"]
            )
        except Exception:
            return gr.skip()

    def save(event: gr.EventData) -> tuple[Any, ...]:
        return save_picture(service, event)

    run_outputs = [results, timer, stop]
    inputs = [
        names,
        caption,
        read_caption,
        subjects,
        strength,
        candidates,
        seed,
        keep,
        side,
        steps,
        other,
        svg,
        metadata,
        reading,
    ]
    understood = [names, caption, read_caption, confidence, problem, reading]
    pictures.change(understand, [pictures, pending], understood, **{**private, "show_progress": "minimal"})
    reading.edited(understand_edited, [caption, read_caption, names], [caption, read_caption, confidence], **private)
    new_seed.click(random_seed, None, seed, **private)
    generate.click(start_run, inputs, [run, saved_form, problem, *run_outputs], **private).then(
        None, js=SCROLL_TO_RESULTS, **private
    )
    timer.tick(show_run, [run, chosen], run_outputs, **private)
    stop.click(stop_run, [run, chosen], run_outputs, **private)
    results.pick(pick_card, None, [chosen, large, actions, edit, picture_editor], **private).then(
        None, js=SCROLL_TO_LARGE, **private
    )
    edit.click(partial(open_picture, service), chosen, [picture_editor, large, actions, problem], **private).then(
        None, js=SCROLL_TO_EDITOR, **private
    )
    picture_editor.closed(close_picture, None, [picture_editor, large, actions], **private)
    picture_editor.saved(
        save, None, [chosen, picture_editor, large, actions, problem], **private
    ).then(show_run, [run, chosen], run_outputs, **private)  # fmt: skip
    as_reference.click(form_with, chosen, context.form_state, **private)
    more.click(lambda number: form_of(number, True), chosen, context.form_state, **private)
    recall.click(lambda number: form_of(number, False), chosen, context.form_state, **private)
    fields = [
        pictures, caption, pending, subjects, strength, candidates, seed, keep, side, steps, other, svg, metadata,
        context.tabs,
    ]  # fmt: skip
    # Gradio raises no change event when the server sets the pictures, so that `understand` is called here.
    filled = context.form_state.change(fill_form, context.form_state, fields, **private)
    filled.then(
        lambda *given: understand(*given) if given[0] else (gr.skip(),) * len(understood),
        [pictures, pending],
        understood,
        **private,
    )
    for button, path in example_buttons:
        button.click(
            lambda path=path: context.form([studio.files.save_reference(path)], {"subject": "bicycle"}),
            None, context.form_state, **private,
        )  # fmt: skip
    context.page.load(show_run, [run, chosen], run_outputs, **private)
    context.page.load(restore_form, saved_form, context.form_state, **private)
    _add_endpoints(studio)
    add_endpoints(service)


def _certainty(found: FoundRelation) -> str:
    """The confidence in a caption as a note, with advice if it is low."""
    words = certainty_words(found.confidence)
    advice = " Describe the logic in your own words above." if words == "unsure" else ""
    return note(f"{words.capitalize()}, {found.confidence:.0%}.{advice}")


def _add_endpoints(studio: Studio) -> None:
    """Add the endpoints create, status and cancel: a client starts a run, and asks for its state by its number."""
    files = gr.File(file_count="multiple", visible=False)
    texts = [gr.Textbox(visible=False, label=name) for name in ("relation", "subjects")]
    numbers = [gr.Number(value, visible=False, precision=0) for value in (4, 1, 0, 512, 24)]
    answer, button = gr.JSON(visible=False), gr.Button(visible=False)

    def create(
        references: list[str] | None, relation: str = "", subjects: str = "", candidates: int = 4, num_images: int = 1,
        seed: int = 0, side_px: int = 512, steps: int = 24, scene: dict[str, Any] | None = None,
        request: gr.Request | None = None,
    ) -> dict[str, int]:  # fmt: skip
        """Queue pictures of each subject (one per line) with the logic of references, of words, or of both.

        scene: a scene of /read_scene, edited or not, in place of what is read in the references.
        Returns {"run": number}; /status takes that number.
        """
        limits = studio.limits
        side = whole_number("side_px", side_px, studio.limits.least_side_px, limits.side_px)
        settings = {
            "relation": (relation or "").strip() or None,
            "candidates": whole_number("candidates", candidates, 1, limits.candidates),
            "num_images": whole_number("num_images", num_images, 1, limits.candidates),
            "seed": whole_number("seed", seed, 0, MAX_SEED), "width": side, "height": side,
            "steps": whole_number("steps", steps, 1, limits.steps),
        }  # fmt: skip
        names = [studio.files.save_reference(path) for path in references or ()]
        given = json.dumps(scene) if scene else None
        return {"run": studio.submit(settings, names, (subjects or "").splitlines(), owner_of(request), scene=given)}

    def status(run: int) -> dict[str, Any]:
        """The state of a run, the runs ahead, and for each subject its state, error, notes and images.

        images: url, seed and scores of each; notes: what the page says too, such as a drawing that stands in, or a low
        confidence.
        """
        found = studio.status(int(run))
        jobs = [
            {
                "subject": job.payload["values"]["subject"],
                "state": job.state,
                "error": job.error,
                "relation": (job.result or {}).get("relation"),
                "notes": (job.result or {}).get("notes", []),
                "images": picture_cards.images_for_clients(studio, job),
            }
            for job in found.jobs
        ]
        return {"run": found.run, "state": found.state, "ahead": found.ahead, "jobs": jobs}

    def cancel(run: int) -> bool:
        """Stop a run within one step; finished pictures are kept. False if it had already ended."""
        studio.status(int(run))
        return studio.cancel(int(run))

    inputs = [files, *texts, *numbers, gr.JSON(visible=False, label="scene")]
    button.click(client_endpoint(create), inputs, answer, api_name="create", concurrency_limit=None)
    api(client_endpoint(status), api_name="status", concurrency_limit=None)
    api(client_endpoint(cancel), api_name="cancel", concurrency_limit=None)
