"""The fields of the Create tab, built in parts that the tab lays out; their values by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from analogen import capabilities_of, find_model, palettes
from analogen.demos.components import note
from analogen.demos.jobs.grounds import NO_GROUND
from analogen.demos.own_art_uploads import ArtSet
from analogen.demos.roles import BECOMES, STYLE, SUBJECT, Role
from analogen.demos.scene_editor.component import scene_editor
from analogen.demos.scene_editor.service import SceneService
from analogen.demos.studio import Studio
from analogen.demos.tabs import subject_sights
from analogen.demos.tabs.create_settings import SHAPES
from analogen.demos.uploads import picture_upload

SHOWN_NAMES = 40  # of the user's own art
MINI_STEPS = 24
STYLES = (
    ("By chance", ""), ("Flat", "fluent-flat"), ("Noto", "noto"), ("Colour", "fluent-color"), ("3D", "3d"),
)  # fmt: skip
OWN_GROUND = "own"
GROUNDS = (("Of the palette", ""), ("None: cut-out", NO_GROUND), ("Own picture", OWN_GROUND))
STYLE_NAMES = tuple(name for _, name in STYLES)
Fields = dict[str, Any]


def palette_sheet() -> str:
    """The swatches as backgrounds of the labels of #palette, whose first is no palette."""
    rules = []
    for place, colors in enumerate(palettes().values(), start=2):
        share = 100 / len(colors)
        stops = ", ".join(f"{color} {n * share:.0f}% {(n + 1) * share:.0f}%" for n, color in enumerate(colors))
        rules.append(f"#palette label:nth-of-type({place}) {{--swatch: linear-gradient(90deg, {stops})}}")
    return " ".join(rules)


def idea_fields(service: SceneService) -> tuple[Fields, gr.HTML, gr.Radio]:
    """The references, the editor of what was read in them, and their logic in words.

    Also returns where its certainty is told, and the choice of the two likeliest if it is low.
    """
    references = gr.Gallery(
        label="References", type="filepath", sources=["upload", "clipboard"], columns=3, height=128,
        object_fit="contain", file_types=["image", ".heic", ".heif", ".hif"], buttons=[], interactive=True,
        elem_id="references",
    )  # fmt: skip
    reading = scene_editor(service, "reading", "What was read in the reference")
    confidence = gr.HTML("", elem_id="confidence")
    guesses = gr.Radio([], label="Unsure: which is it? Or say it in your own words.", visible=False, elem_id="guesses")
    caption = gr.Textbox(
        label="The idea in words", lines=2, elem_id="caption", max_length=1000,
        placeholder="many {subject} in a ring", info="What the new pictures keep. Your own words count too.",
    )  # fmt: skip
    return {"references": references, "reading": reading, "caption": caption}, confidence, guesses


def subject_fields(studio: Studio) -> tuple[Fields, gr.HTML, gr.HTML]:
    """What the new pictures show: names, a picture, and the user's own art.

    Also returns the drawings to choose from, and those of the user's own art.
    """
    subjects = gr.Textbox(
        label="What should it show? One thing per line", lines=2, placeholder="bicycle, 🚲, or a word in your language",
        elem_id="subjects",
    )  # fmt: skip
    sights = gr.HTML(subject_sights.sights(studio, "", ""), js_on_load=subject_sights.SIGHT_SCRIPT, elem_id="sights")
    with gr.Accordion("Your own picture or art", open=False, elem_id="own"):
        subject_image = _role_field(studio, SUBJECT)
        art = gr.File(
            label="Your own art (files or a ZIP)",
            file_count="multiple", file_types=[".png", ".webp", ".svg", ".zip", ".csv"], height=120, elem_id="art",
            interactive=not SUBJECT.refusal(studio.model),
        )  # fmt: skip
        gr.HTML('<p class="an-info">Cut-outs (PNG, WebP, SVG), named by their files.</p>')
    own_art = gr.HTML(own_art_view(studio), js_on_load=subject_sights.SIGHT_SCRIPT, elem_id="own-art")
    return {"subjects": subjects, "subject_image": subject_image, "art": art}, sights, own_art


def look_fields(studio: Studio) -> Fields:
    """The style, the shape, and the roles of further pictures."""
    is_mini = find_model(studio.model).is_mini
    style = (
        gr.Radio(list(STYLES), value="", label="Style", elem_id="style")
        if is_mini
        else gr.Textbox(label="Style, in words", placeholder="woodcut", max_length=100, elem_id="style")
    )
    palette = gr.Radio(
        [("Any", ""), *((name.capitalize(), name) for name in palettes())], value="", label="Palette",
        elem_id="palette", visible=is_mini,
    )  # fmt: skip
    shape = gr.Radio(list(SHAPES), value="Square", label="Shape", elem_id="shape")
    ground = gr.Radio(
        list(GROUNDS), value="", label="Ground", elem_id="ground", visible=is_mini,
    )  # fmt: skip
    ground_image = picture_upload(
        label="Your own ground", height=130, visible=False, elem_id="ground-image", buttons=[]
    )
    ground.change(
        lambda kind: gr.update(visible=kind == OWN_GROUND), ground, ground_image, api_visibility="private",
        show_progress="hidden",
    )  # fmt: skip
    gr.HTML(f"<style>{palette_sheet()}</style>")
    with gr.Accordion("More pictures: looks, change", open=False, elem_id="roles"):
        style_image = _role_field(studio, STYLE)
        becomes = _role_field(studio, BECOMES)
    return {
        "style": style, "palette": palette, "shape": shape, "ground": ground, "ground_image": ground_image,
        "style_image": style_image, "becomes": becomes,
    }  # fmt: skip


def rare_fields(studio: Studio) -> Fields:
    """The settings that have good defaults."""
    limits, model = studio.limits, find_model(studio.model)
    is_mini, usual_steps = model.is_mini, capabilities_of(model).get("steps", MINI_STEPS)
    with gr.Row():
        strength = gr.Slider(0, 2, 1.0, step=0.05, label="Strength of the logic", elem_id="strength")
        candidates = gr.Slider(1, limits.candidates, 6, step=1, label="Candidates per subject", elem_id="candidates")
    auto_structure = gr.Checkbox(
        True, label="Keep the arrangement the closer, the less certain the relation is", elem_id="auto-structure",
        interactive=is_mini,
    )  # fmt: skip
    structure = gr.Slider(
        0, 1, 0.5, step=0.05, label="Keep the arrangement", elem_id="structure", interactive=is_mini,
        info="How closely the arrangement of a single reference is kept: 0 keeps only its logic, 1 its very "
        "arrangement with the new subject in it." if is_mini else "For scenes that mini composes.",
    )  # fmt: skip
    with gr.Row():
        # No gr.Number, which shows 0 where nothing was given.
        seed = gr.Textbox("", label="Seed", placeholder="new pictures each time", max_lines=1, elem_id="seed")
        keep = gr.Slider(1, limits.candidates, 4, step=1, label="Keep the best")
    side = gr.Slider(
        limits.least_side_px, limits.side_px, model.side_px, step=64, label="Longer side in pixels", elem_id="side"
    )
    steps = gr.Slider(1, limits.steps, usual_steps, step=1, label="Steps", elem_id="steps")
    other = gr.Textbox(label="Second thing", placeholder="chosen for you", max_length=200)
    svg = gr.Checkbox(is_mini, label="Layered SVG beside each PNG", interactive=is_mini)
    metadata = gr.Checkbox(True, label="Write the settings into the PNG (metadata)", elem_id="metadata")
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}
    # Whoever moves the slider wants its value.
    structure.input(lambda: False, None, auto_structure, **private)
    return {
        "strength": strength, "candidates": candidates, "auto_structure": auto_structure, "structure": structure,
        "seed": seed, "keep": keep, "side": side, "steps": steps, "other": other, "svg": svg, "metadata": metadata,
    }  # fmt: skip


def _role_field(studio: Studio, role: Role) -> gr.Image:
    """The upload of a role's picture; off, with the reason, for a model that cannot take it."""
    refusal = role.refusal(studio.model)
    field = picture_upload(
        label=role.label, height=150, interactive=not refusal, elem_id=role.name.replace("_", "-"), buttons=[]
    )
    gr.HTML(f'<p class="an-info">{refusal or role.info}</p>')
    return field


def own_art_view(studio: Studio, uploaded: ArtSet | None = None) -> str:
    """The user's own art to choose from: what was uploaded, else that of `--art`; "" without any."""
    if uploaded is not None:
        line = own_art_line(uploaded.names, uploaded.refused)
        return note(line) + subject_sights.art_row(studio.files.art / uploaded.name)
    return "" if studio.art is None else note(own_art_line(studio.art_names)) + subject_sights.art_row(studio.art)


def own_art_line(names: Sequence[str], refused: Sequence[str] = ()) -> str:
    """The names of the user's own art, and the files that cannot be used, in one line."""
    more = len(names) - SHOWN_NAMES
    line = f"Your own art: {', '.join(names[:SHOWN_NAMES])}{f' and {more} more' if more > 0 else ''}."
    return line + (f" Left out: {'; '.join(refused[:3])}{' …' if len(refused) > 3 else ''}." if refused else "")
