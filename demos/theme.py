"""The studio's looks: a quiet bench around the pictures, in light and dark, without fonts or files from elsewhere."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gradio as gr

    from analogen.demos.studio import Studio

_SANS = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Noto Sans", "DejaVu Sans", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "DejaVu Sans Mono", "monospace"]
HEAD = '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
CSS = ""


def theme() -> gr.themes.Base:
    """Greys without a tint, so that the page does not lend the pictures a colour, and one accent."""
    import gradio as gr

    return gr.themes.Base(font=_SANS, font_mono=_MONO)


def header(studio: Studio) -> str:
    return f"<h1>analogen studio</h1><p>{html.escape(studio.model)}</p>"
