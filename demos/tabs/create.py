"""The Create tab: a bench with the form on the left, the canvas in the middle, and the candidates on the right.

The form is built by create_form.py, and what can be done with the picture on the canvas by canvas_actions.py. Runs are
jobs of the queue, which continue without the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from analogen import FoundRelation, UserError
from analogen.demos.components import PICK_SCRIPT, error_box, escaped, offered_files
from analogen.demos.messages import error_message, page_sentence
from analogen.demos.own_art_uploads import save_art
from analogen.demos.poster import poster
from analogen.demos.scene_editor.component import edited_scene, scene_editor
from analogen.demos.scene_editor.endpoints import add_endpoints as add_scene_endpoints
from analogen.demos.scene_editor.service import SceneService, certainty_words
from analogen.demos.score_words import plain_caption
from analogen.demos.studio import Studio
from analogen.demos.tab_interface import PageContext
from analogen.demos.tabs import big_model, create_form, picture_cards, subject_sights
from analogen.demos.tabs.canvas import canvas
from analogen.demos.tabs.canvas_actions import CanvasActions
from analogen.demos.tabs.create_endpoints import add_endpoints, kept_ground, owner_of, picture_settings
from analogen.demos.tabs.create_settings import field_values, settings_of
from analogen.demos.tabs.first_page import examples, first_page, reference_of
from analogen.demos.tabs.form_pictures import PICTURE_FIELDS, kept_pictures, saved_references
from analogen.demos.tabs.scene_edits import NO_EDITOR, form_scene, reading_value

LEVELS = {"sure": "good", "fairly sure": "fair", "unsure": "poor"}
# On a phone the canvas is above the form.
SCROLL_TO_CANVAS = "() => {if (innerWidth <= 760) document.querySelector('#desk').scrollIntoView()}"


def build(studio: Studio, context: PageContext) -> None:
    """Build the tab and its endpoints."""
    service = SceneService(studio)
    run = gr.BrowserState(None, storage_key="analogen-run", secret="analogen-run-key")
    saved_form = gr.BrowserState(None, storage_key="analogen-form", secret="analogen-form-key")
    names, read_caption, chosen, pending = gr.State([]), gr.State(""), gr.State(None), gr.State(None)
    with gr.Row(elem_id="bench"):
        with gr.Column(elem_id="form"):
            fields, confidence, guesses = create_form.idea_fields(service)
            subject_fields, sights, own_art = create_form.subject_fields(studio)
            fields |= subject_fields
            fields |= create_form.look_fields(studio)
            with gr.Accordion("More settings", open=False):
                fields |= create_form.rare_fields(studio)
            style_sheet = gr.HTML(subject_sights.style_sheet(studio, "", create_form.STYLE_NAMES))
            big_model.build(studio, lambda data: show_prompt(data), {read_caption, *fields.values()})
            with gr.Row(elem_id="go"):
                generate = gr.Button("Generate", variant="primary", elem_id="generate")
                stop = gr.Button("Stop", interactive=False, elem_id="stop")
        with gr.Column(elem_id="desk"):
            problem = gr.HTML("", elem_id="problem")
            first = gr.HTML(first_page(), js_on_load=PICK_SCRIPT, elem_id="first")
            large = gr.HTML("", elem_id="large")
            actions = CanvasActions(studio, service, context, chosen, large, problem)
            actions.build(scene_editor(service, "picture-editor", "Edit the picture"))
        with gr.Column(elem_id="strip"):
            results = gr.HTML("", js_on_load=PICK_SCRIPT, elem_id="results")
            make_set = gr.Button("Poster of this set", size="sm", elem_id="make-set")
            sheets = gr.File(label="The poster", visible=False, file_count="multiple", elem_id="sheets")
    timer = gr.Timer(0.5, active=False)
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}
    references, caption, reading = fields["references"], fields["caption"], fields["reading"]
    run_outputs = [results, timer, stop, *actions.outputs]
    understood = [names, caption, read_caption, confidence, guesses, problem, reading]

    def understand(shown: Sequence[tuple[str, Any]] | None, pending: dict[str, Any] | None) -> dict[Any, Any]:
        """Save the shown pictures and read their logic; outputs: those of `understood`.

        pending: references, words and edited scene of a form from another tab or an earlier visit; its words replace
        the caption of its references, its scene what is read in them.
        """
        own = pending if pending and pending["references"] else {}
        nothing = {
            names: [], caption: "", read_caption: "", confidence: "", problem: "", reading: NO_EDITOR,
            guesses: gr.Radio(visible=False),
        }  # fmt: skip
        try:
            saved = saved_references(studio, shown)
            if own.get("references") != saved:
                own = {}
            if not saved:
                return nothing
            found = studio.understand_scene(own["scene"]) if own.get("scene") else studio.understand(saved)
            likely = studio.guesses(saved) if _is_unsure(found) and len(saved) == 1 else []
        except Exception as error:
            return nothing | {problem: _problem(error)}
        return {
            names: saved, caption: own.get("relation") or found.caption, read_caption: found.caption,
            confidence: _certainty(found), problem: "", reading: reading_value(service, saved, own.get("scene")),
            guesses: gr.Radio(
                [(plain_caption(one), one) for one in likely], value=None, visible=len(likely) > 1
            ),
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

    def show_run(number: int | None, chosen_now: int | None) -> dict[Any, Any]:
        """Show a run; outputs: run_outputs. The best picture comes onto the canvas, unless another one is there."""
        try:
            status = None if number is None else studio.status(int(number))
        except (UserError, ValueError, TypeError):
            status = None
        if status is None:
            return {results: "", timer: gr.Timer(active=False), stop: gr.Button(interactive=False)}
        found: dict[Any, Any] = {}
        if not picture_cards.holds(status, chosen_now):
            best = picture_cards.best_of(status) if status.ended else None
            found = (
                actions.shown(best) if best is not None else actions.shown(None, picture_cards.without_pictures(status))
            )
            chosen_now = best
        return {
            results: picture_cards.strip(studio, status, chosen_now),
            timer: gr.Timer(active=not status.ended),
            stop: gr.Button(interactive=not status.ended),
            **found,
        }

    def read_form(data: Mapping[Any, Any]) -> tuple[dict[str, Any], dict[str, Any], list[str], str | None]:
        """What the page shows: the values of the fields, the settings of a request, the references, an edited scene."""
        values = {name: data[component] for name, component in fields.items()}
        words = (values["caption"] or "").strip()
        # Of the shown pictures themselves: their understanding may still be under way.
        saved = saved_references(studio, values["references"])
        scene = edited_scene(values["reading"], saved)
        is_own = words and (words != data[read_caption] or not (saved or scene))
        settings = settings_of(values, words if is_own else None)
        settings |= picture_settings(studio, *(values[name] for name in (*PICTURE_FIELDS, "art")))
        return values, settings, saved, scene

    def show_prompt(data: Mapping[Any, Any]) -> str:
        values, settings, saved, _ = read_form(data)
        return big_model.prompt_of(studio, settings, saved, (values["subjects"] or "").partition("\n")[0])

    def start_run(data: Mapping[Any, Any], request: gr.Request) -> dict[Any, Any]:
        """Queue a run of what the page shows at the click; outputs: run, saved_form, problem, and those of show_run."""
        try:
            values, settings, saved, scene = read_form(data)
            subject_lines = values["subjects"] or ""
            record, ground = bool(values["metadata"]), values["ground"] or None
            if ground == create_form.OWN_GROUND:
                ground = kept_ground(studio, values["ground_image"])
            number = studio.submit(
                settings, saved, subject_lines.splitlines(), owner_of(request), record, scene, ground
            )
            kept_scene = None if scene is None else studio.files.save_scene(scene)
        except Exception as error:
            return {problem: _problem(error)}
        kept = {**settings, "subject": subject_lines, "metadata": record, "scene": kept_scene, "ground": ground}
        filled = {"references": saved, "settings": kept}
        return {run: number, saved_form: filled, problem: "", **show_run(number, None)}

    def stop_run(number: int | None, chosen_now: int | None) -> dict[Any, Any]:
        if number is not None:
            studio.cancel(int(number))
        return show_run(number, chosen_now)

    def pick_card(number: int | None, beside: int | None, event: gr.EventData) -> dict[Any, Any]:
        picked = int(event.number)
        return {results: _strip_of(studio, number, picked), **actions.shown(picked, canvas(studio, picked, beside))}

    def fill_form(form: dict[str, Any] | None) -> dict[Any, Any]:
        """Fill in the form with the value of `form_state`; outputs: fields, pending, tabs, run, and run_outputs."""
        if not form:
            return {pending: gr.skip()}
        settings, saved = form["settings"], form["references"]
        words, scene = settings.get("relation"), form_scene(service, settings)
        found = field_values(settings) | kept_pictures(studio, settings)
        if settings.get("anew"):
            found["seed"] = ""
        if words:
            found["caption"] = words
        return {
            references: [str(studio.files.reference_path(name)) for name in saved],
            pending: {"references": saved, "relation": words, "scene": scene} if (words or scene) and saved else None,
            context.tabs: gr.Tabs(selected="create"),
            **show_picture(form.get("picture")),
            **{fields[name]: value for name, value in found.items()},
        }

    def show_picture(number: int | None) -> dict[Any, Any]:
        """A picture of any run on the canvas, with its run in the strip."""
        found = picture_cards.find(studio, number)
        if found is None:
            return {}
        group = found[0].group
        return {run: group, results: _strip_of(studio, group, number), **actions.shown(number)}

    def restore_form(saved: Any) -> Any:
        """The form as it was at the last Generate in this browser; a value that cannot be used is ignored."""
        try:
            return context.form(
                [studio.files.reference_path(name).name for name in saved["references"]], saved["settings"]
            )
        except Exception:
            return gr.skip()

    def start_example(event: gr.EventData) -> Any:
        one = examples()[int(event.number)]
        settings = {name: one[name] for name in ("subject", "other", "seed", "candidates")}
        return context.form([studio.files.save_reference(reference_of(one))], settings)

    def check_art(paths: list[str] | None) -> str:
        """Check uploaded art at once, and say what it holds."""
        try:
            return create_form.own_art_view(studio, save_art(paths, studio.files.art) if paths else None)
        except Exception as error:
            return _problem(error)

    def show_sights(text: str | None, style: str | None) -> tuple[str, str]:
        known = style if style in create_form.STYLE_NAMES else ""
        sheet = subject_sights.style_sheet(studio, text or "", create_form.STYLE_NAMES)
        return subject_sights.sights(studio, text or "", known), sheet

    def pick_sight(text: str | None, event: gr.EventData) -> str:
        if hasattr(event, "noun"):
            return subject_sights.with_noun(text or "", str(event.noun))
        return subject_sights.without_line(text or "", int(event.remove))

    references.change(understand, [references, pending], understood, **{**private, "show_progress": "minimal"})
    reading.edited(understand_edited, [caption, read_caption, names], [caption, read_caption, confidence], **private)
    guesses.input(lambda one: one, guesses, caption, **private)
    fields["art"].change(check_art, fields["art"], own_art, **private)
    for changed in (fields["subjects"], fields["style"]):
        changed.change(
            show_sights, [fields["subjects"], fields["style"]], [sights, style_sheet],
            **private, trigger_mode="always_last",
        )  # fmt: skip
    for shown in (sights, own_art):
        shown.pick(pick_sight, fields["subjects"], fields["subjects"], **private)
    generate.click(
        start_run, {read_caption, *fields.values()}, [run, saved_form, problem, *run_outputs], **private
    ).then(None, js=SCROLL_TO_CANVAS, **private)  # fmt: skip
    timer.tick(show_run, [run, chosen], run_outputs, **private)
    stop.click(stop_run, [run, chosen], run_outputs, **private)
    results.pick(pick_card, [run, actions.beside], [results, *actions.outputs], **private)
    make_set.click(
        lambda number: offered_files(lambda: list(poster(studio, int(number or 0)))), run, [sheets, problem], **private
    )
    first.pick(start_example, None, context.form_state, **private)
    actions.wire(lambda number, now: {results: _strip_of(studio, number, now)}, run, results)
    # Gradio raises no change event when the server sets the pictures, so that `understand` is called here.
    filled = context.form_state.change(
        fill_form, context.form_state, [*fields.values(), pending, context.tabs, run, *run_outputs], **private
    )
    filled.then(
        lambda *given: understand(*given) if given[0] else {names: gr.skip()},
        [references, pending], understood, **private,
    )  # fmt: skip
    context.page.load(show_run, [run, chosen], run_outputs, **private)
    context.page.load(restore_form, saved_form, context.form_state, **private)
    add_endpoints(studio)
    add_scene_endpoints(service)


def _strip_of(studio: Studio, number: int | None, chosen: int | None) -> Any:
    """The strip of a run with a card chosen; unchanged without a run."""
    try:
        return picture_cards.strip(studio, studio.status(int(number or 0)), chosen)
    except UserError:
        return gr.skip()


def _problem(error: Exception) -> str:
    return error_box(page_sentence(error_message(error)))


def _is_unsure(found: FoundRelation) -> bool:
    return certainty_words(found.confidence) == "unsure"


def _certainty(found: FoundRelation) -> str:
    """The confidence in a caption in words, with its number on hover."""
    words = certainty_words(found.confidence)
    return (
        f'<span class="an-sure" data-level="{LEVELS[words]}" title="{found.confidence:.0%}" role="status">'
        f"The idea: {escaped(words)}</span>"
    )
