"""create"""

from __future__ import annotations

import gradio as gr

from analogen.demos.studio import Desk, Studio


def build(studio: Studio, desk: Desk) -> None:
    gr.Markdown("create")
