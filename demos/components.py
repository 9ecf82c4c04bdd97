"""HTML elements that the tabs share: inline pictures, score bars, notes, errors."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr
from PIL import Image

from analogen.demos.messages import error_message, page_sentence, sentence

# JavaScript: a click on an element with data-pick, by mouse or keyboard, becomes the event `pick` with its number.
PICK_SCRIPT = """
element.addEventListener('click', (event) => {
  const found = event.target.closest('[data-pick]');
  if (found) trigger('pick', {number: Number(found.dataset.pick)});
});
"""
BAR_COLORS = {"logic": "#4f6bed", "looks": "#d9822b"}


def escaped(text: object) -> str:
    return html.escape(str(text))


def jpeg(image: Image.Image, side_px: int, quality: int = 84) -> bytes:
    """The picture as JPEG, no side longer than `side_px`."""
    small = image.convert("RGB")
    small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    with io.BytesIO() as out:
        small.save(out, "JPEG", quality=quality)
        return out.getvalue()


def inline_image(data: bytes, alt: str) -> str:
    """A JPEG as an <img> with its data inside, so that the page contains no path of the server."""
    return f'<img src="{data_url(data)}" alt="{escaped(alt)}">'


def data_url(data: bytes, kind: str = "jpeg") -> str:
    """A picture as a data URL."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def bar(name: str, value: float | None) -> str:
    """A score in [-1, 1] as a bar from 0 to 1 with its number; an empty string for None."""
    if value is None:
        return ""
    share = f"{100 * min(max(value, 0), 1):.0f}%"
    color = BAR_COLORS.get(name, "var(--color-accent)")
    tone = f'<i style="--share:{share};--tone:{color}"></i>'
    return f'<span class="an-bar">{escaped(name)}<b>{value:.2f}</b>{tone}</span>'


def empty_state(title: str, text: str) -> str:
    """What a tab shows before it has results."""
    return f'<div class="an-empty"><h3>{escaped(title)}</h3><p>{escaped(text)}</p></div>'


def note(text: str) -> str:
    """A neutral message."""
    return f'<div class="an-note" role="status">{escaped(text)}</div>'


def error_box(text: str, lines: tuple[str, ...] = ()) -> str:
    """An error as one sentence, with a list of lines if there are several places."""
    items = "".join(f"<li>{escaped(line)}</li>" for line in lines)
    return f'<div class="an-problem" role="alert">{escaped(sentence(text))}{f"<ul>{items}</ul>" if items else ""}</div>'


def offered_files(make: Callable[[], list[str]]) -> tuple[Any, str]:
    """The updates of a gr.File and of a place for errors, for files that are made now."""
    try:
        paths = make()
    except Exception as error:
        return gr.update(visible=False), error_box(page_sentence(error_message(error)))
    return gr.update(value=paths, visible=bool(paths)), ""


def client_endpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap an endpoint of the API so that the client gets an error as one sentence."""

    @wraps(function)
    def call(*values: Any, **named: Any) -> Any:
        try:
            return function(*values, **named)
        except gr.Error:
            raise
        except Exception as error:
            raise gr.Error(sentence(error_message(error)), print_exception=False) from error

    return call
