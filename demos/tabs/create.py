"""The Create tab: references and subjects become runs of the queue, which continue without the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from analogen import FoundRelation, UserError
from analogen.demos.components import PICK_SCRIPT, empty_state, error_box, note
from analogen.demos.messages import error_message, page_sentence
from analogen.demos.own_art_uploads import save_art
from analogen.demos.scene_editor.component import edited_scene, scene_editor
from analogen.demos.scene_editor.endpoints import add_endpoints as add_scene_endpoints
from analogen.demos.scene_editor.service import SceneService, certainty_words
from analogen.demos.studio import Studio
from analogen.demos.tab_interface import PageContext
from analogen.demos.tabs import create_form, picture_cards
from analogen.demos.tabs.create_endpoints import add_endpoints, owner_of, picture_settings
from analogen.demos.tabs.create_settings import field_values, settings_of
from analogen.demos.tabs.scene_edits import (
    NO_EDITOR,
    can_edit,
    close_picture,
    form_scene,
    open_picture,
    reading_value,
    save_picture,
)
from analogen.demos.uploads import as_upload

EXAMPLES = Path(__file__).parents[1] / "examples"
NO_RUN = empty_state(
    "Nothing made in this page yet", "Add a reference, name a subject and press Generate, or try an example."
)

# On a phone the results are below the form, and the large view of a card is above the cards.
SCROLL_TO_RESULTS = "() => {if (innerWidth < 768) document.querySelector('#results').scrollIntoView()}"
SCROLL_TO_LARGE = "() => document.querySelector('#large').scrollIntoView()"
SCROLL_TO_EDITOR = "() => document.querySelector('#picture-editor').scrollIntoView()"
# The fields whose pictures are kept with a form: the setting that names the file in the output folder.
PICTURE_FIELDS = ("subject_image", "style_image", "becomes")


def build(studio: Studio, context: PageContext) -> None:
    """Build the tab and its endpoints."""
    service = SceneService(studio)
    run = gr.BrowserState(None, storage_key="analogen-run", secret="analogen-run-key")
    saved_form = gr.BrowserState(None, storage_key="analogen-form", secret="analogen-form-key")
    names, read_caption, chosen, pending = gr.State([]), gr.State(""), gr.State(None), gr.State(None)
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            fields = create_form.idea_fields(service)
            confidence = gr.HTML("", elem_id="confidence")
            fields |= create_form.subject_fields(studio)
            art_note = gr.HTML("", elem_id="art-note")
            fields |= create_form.look_fields(studio)
            with gr.Accordion("More settings", open=False):
                fields |= create_form.rare_fields(studio)
            with gr.Row():
                generate = gr.Button("Generate", variant="primary", elem_id="generate")
                stop = gr.Button("Stop", interactive=False, elem_id="stop")
            examples = sorted(EXAMPLES.glob("*.webp"))
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
    references, caption, reading = fields["references"], fields["caption"], fields["reading"]
    run_outputs = [results, timer, stop]
    understood = [names, caption, read_caption, confidence, problem, reading]

    def understand(shown: Sequence[tuple[str, Any]] | None, pending: dict[str, Any] | None) -> dict[Any, Any]:
        """Save the shown pictures and read their logic; outputs: those of `understood`.

        pending: references, words and edited scene of a form from another tab or an earlier visit; its words replace
        the caption of its references, its scene what is read in them.
        """
        own = pending if pending and pending["references"] else {}
        nothing = {names: [], caption: "", read_caption: "", confidence: "", problem: "", reading: NO_EDITOR}
        try:
            saved = _saved_references(studio, shown)
            if own.get("references") != saved:
                own = {}
            if not saved:
                return nothing
            found = studio.understand_scene(own["scene"]) if own.get("scene") else studio.understand(saved)
        except Exception as error:
            return nothing | {problem: _problem(error)}
        return {
            names: saved, caption: own.get("relation") or found.caption, read_caption: found.caption,
            confidence: _certainty(found), problem: "", reading: reading_value(service, saved, own.get("scene")),
        }  # fmt: skip

    def understand_edited(words: str | None, read: str, saved: list[str], event: gr.EventData) -> dict[Any, Any]:
        """Read the logic of an edited scene; outputs: caption, read_caption, confidence. Own words stay."""
        try:
            found = studio.understand_scene(str(event.scene)) if event.edited else studio.understand(saved)
        except Exception:
            # A scene without things: the editor says so itself.
            return {read_caption: gr.skip()}
        own = {} if (words or "") not in ("", read) else {caption: found.caption}
        return {read_caption: found.caption, confidence: _certainty(found), **own}

    def show_run(number: int | None, chosen: int | None) -> dict[Any, Any]:
        """Show a run; outputs: run_outputs."""
        try:
            status = None if number is None else studio.status(int(number))
        except (UserError, ValueError, TypeError):
            status = None
        if status is None:
            return {results: NO_RUN, timer: gr.Timer(active=False), stop: gr.Button(interactive=False)}
        return {
            results: picture_cards.run_view(studio, status, chosen),
            timer: gr.Timer(active=not status.ended),
            stop: gr.Button(interactive=not status.ended),
        }

    def start_run(data: Mapping[Any, Any], request: gr.Request) -> dict[Any, Any]:
        """Queue a run of what the page shows at the click; outputs: run, saved_form, problem, and those of show_run."""
        values = {name: data[component] for name, component in fields.items()}
        words, subject_lines = (values["caption"] or "").strip(), values["subjects"] or ""
        try:
            # Of the shown pictures themselves: their understanding may still be under way.
            saved = _saved_references(studio, values["references"])
            scene = edited_scene(values["reading"], saved)
            is_own = words and (words != data[read_caption] or not (saved or scene))
            settings = settings_of(values, words if is_own else None)
            settings |= picture_settings(studio, *(values[name] for name in (*PICTURE_FIELDS, "art")))
            record = bool(values["metadata"])
            number = studio.submit(settings, saved, subject_lines.splitlines(), owner_of(request), record, scene)
            kept_scene = None if scene is None else studio.files.save_scene(scene)
        except Exception as error:
            return {problem: _problem(error)}
        kept = {**settings, "subject": subject_lines, "metadata": record, "scene": kept_scene}
        filled = {"references": saved, "settings": kept}
        return {run: number, saved_form: filled, problem: "", **show_run(number, None)}

    def stop_run(number: int | None, chosen: int | None) -> dict[Any, Any]:
        if number is not None:
            studio.cancel(int(number))
        return show_run(number, chosen)

    def pick_card(event: gr.EventData) -> tuple[Any, ...]:
        number = int(event.number)
        exists = picture_cards.find(studio, number) is not None
        view = gr.update(value=picture_cards.large(studio, number), visible=exists)
        return number, view, gr.update(visible=exists), gr.update(visible=can_edit(service, number)), NO_EDITOR

    def form_of(number: int | None, anew: bool) -> Any:
        """The form with the settings of a picture; anew: without its seed, for further ones."""
        values = picture_cards.form_values(studio, number)
        if values is None:
            return gr.skip()
        saved, settings = values
        return context.form(saved, {**settings, "seed": None, "anew": True} if anew else settings)

    def form_with(number: int | None) -> Any:
        """The form with a picture as its only reference."""
        found = picture_cards.find(studio, number)
        if found is None:
            return gr.skip()
        return context.form([studio.files.save_reference(studio.files.pictures / found[1]["path"])])

    def fill_form(form: dict[str, Any] | None) -> dict[Any, Any]:
        """Fill in the form with the value of `form_state`; outputs: fields, pending, tabs."""
        if not form:
            return {pending: gr.skip()}
        settings, saved = form["settings"], form["references"]
        words, scene = settings.get("relation"), form_scene(service, settings)
        found = field_values(settings) | _kept_pictures(studio, settings)
        if settings.get("anew"):
            found["seed"] = None
        if words:
            found["caption"] = words
        return {
            references: [str(studio.files.reference_path(name)) for name in saved],
            pending: {"references": saved, "relation": words, "scene": scene} if (words or scene) and saved else None,
            context.tabs: gr.Tabs(selected="create"),
            **{fields[name]: value for name, value in found.items()},
        }

    def restore_form(saved: Any) -> Any:
        """The form as it was at the last Generate in this browser; a value that cannot be used is ignored."""
        try:
            return context.form(
                [studio.files.reference_path(name).name for name in saved["references"]], saved["settings"]
            )
        except Exception:
            return gr.skip()

    def check_art(paths: list[str] | None) -> str:
        """Check uploaded art at once, and say what it holds."""
        try:
            found = save_art(paths, studio.files.art) if paths else None
        except Exception as error:
            return _problem(error)
        return "" if found is None else note(create_form.own_art_line(found.names, found.refused))

    references.change(understand, [references, pending], understood, **{**private, "show_progress": "minimal"})
    reading.edited(understand_edited, [caption, read_caption, names], [caption, read_caption, confidence], **private)
    fields["art"].change(check_art, fields["art"], art_note, **private)
    generate.click(
        start_run, {read_caption, *fields.values()}, [run, saved_form, problem, *run_outputs], **private
    ).then(None, js=SCROLL_TO_RESULTS, **private)  # fmt: skip
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
        lambda event: save_picture(service, event), None, [chosen, picture_editor, large, actions, problem], **private
    ).then(show_run, [run, chosen], run_outputs, **private)  # fmt: skip
    as_reference.click(form_with, chosen, context.form_state, **private)
    more.click(lambda number: form_of(number, True), chosen, context.form_state, **private)
    recall.click(lambda number: form_of(number, False), chosen, context.form_state, **private)
    # Gradio raises no change event when the server sets the pictures, so that `understand` is called here.
    filled = context.form_state.change(
        fill_form, context.form_state, [*fields.values(), pending, context.tabs], **private
    )
    filled.then(
        lambda *given: understand(*given) if given[0] else {names: gr.skip()},
        [references, pending], understood, **private,
    )  # fmt: skip
    for button, path in example_buttons:
        button.click(
            lambda path=path: context.form([studio.files.save_reference(path)], {"subject": "bicycle"}),
            None, context.form_state, **private,
        )  # fmt: skip
    context.page.load(show_run, [run, chosen], run_outputs, **private)
    context.page.load(restore_form, saved_form, context.form_state, **private)
    add_endpoints(studio)
    add_scene_endpoints(service)


def _saved_references(studio: Studio, shown: Sequence[tuple[str, Any]] | None) -> list[str]:
    """Keep the pictures of the gallery. Returns their names; raises UserError."""
    if shown and len(shown) > studio.limits.references:
        raise UserError(f"{len(shown)} references are too many: at most {studio.limits.references}.")
    return [studio.files.save_reference(path) for path, _ in shown or ()]


def _kept_pictures(studio: Studio, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the fields for the pictures and the art of a form, None where it has none or they are gone."""
    found: dict[str, Any] = {}
    for name in PICTURE_FIELDS if "relation_scale" in settings else ():
        path = studio.files.kept(settings[name]) if settings.get(name) else None
        found[name] = None if path is None else as_upload(path)
    folder = studio.files.kept(settings["art"]) if settings.get("art") else None
    if folder is not None:
        paths = sorted(path for path in folder.iterdir() if path.suffix != ".txt")
        found["art"] = [as_upload(path) for path in paths]
    return found


def _problem(error: Exception) -> str:
    return error_box(page_sentence(error_message(error)))


def _certainty(found: FoundRelation) -> str:
    """The confidence in a caption as a note, with advice if it is low."""
    words = certainty_words(found.confidence)
    advice = " Describe the logic in your own words above." if words == "unsure" else ""
    return note(f"{words.capitalize()}, {found.confidence:.0%}.{advice}")
