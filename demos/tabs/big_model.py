"""What Create says of a diffusion model: what it needs, and the prompt that it would be given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from analogen import UserError, find_model, preview_prompts, request_from
from analogen.demos.components import error_box, escaped, note
from analogen.demos.messages import error_message, page_sentence
from analogen.demos.studio import Studio

RUNNING_GB = 3  # what a running model needs beside its weights


def needs(model: str) -> str:
    """The memory and the steps of a diffusion model in one sentence; "" for mini."""
    found = find_model(model)
    if found.is_mini:
        return ""
    licence = f" Licence: {found.licence}."
    if not found.parts:
        return f"{found.name}: its size is known once it is downloaded.{licence}"
    whole, largest = (found.weight_gb(2, together=together) + RUNNING_GB for together in (True, False))
    return (
        f"{found.name} needs about {whole:.0f} GB of GPU memory in 16 bit, or {largest:.0f} GB if its parts take turns."
        f"{licence}"
    )


def prompt_of(studio: Studio, settings: Mapping[str, Any], references: list[str], subject: str) -> str:
    """The prompt of the first candidate, and what the model is shown. Raises UserError."""
    if not subject.strip():
        raise UserError("Name at least one subject: what should the new picture show?")
    shown = [f"references/{name}" for name in references]
    values = {**settings, "model": studio.model, "subject": " ".join(subject.split()), "candidates": 1, "num_images": 1}
    prompts, seen = preview_prompts(request_from({**values, "reference": shown}, studio.output, studio.device))
    return f"Prompt: {prompts[0]} Shown of the reference: {seen}."


def build(studio: Studio, prompt: Callable[..., str], inputs: Any) -> None:
    """The line on what the model needs, and the button that shows its prompt; nothing for mini.

    prompt: gives the prompt for the values of `inputs`, as Gradio passes a set of components.
    """
    line = needs(studio.model)
    if not line:
        return
    gr.HTML(f'<p class="an-info">{escaped(line)}</p>')
    button = gr.Button("Show the prompt", size="sm", elem_id="show-prompt")
    shown = gr.HTML("", elem_id="prompt")

    def show(data: Mapping[Any, Any]) -> str:
        try:
            return note(prompt(data))
        except Exception as error:
            return error_box(page_sentence(error_message(error)))

    button.click(show, inputs, shown, api_visibility="private")
