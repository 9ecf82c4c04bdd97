"""The studio's looks: tokens for type and colours in light and dark, Gradio's theme, and what the page loads.

Nothing comes from other servers: fonts are those of the system.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gradio as gr

    from analogen.demos.studio import Studio

PAGE = Path(__file__).resolve().parent / "page"
_SANS = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Noto Sans", "DejaVu Sans", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "DejaVu Sans Mono", "monospace"]
TYPE = {"--an-small": "13px", "--an-text": "14px", "--an-lead": "16px", "--an-title": "20px"}
# Neutral, so that the page does not change how the colours of the pictures look: desk is the page, paper what lies on
# it, well what pictures lie in; quiet is text of second rank; good, fair and poor are states.
LIGHT = {
    "--an-desk": "#f3f3f1", "--an-paper": "#ffffff", "--an-well": "#e8e8e5", "--an-line": "#d9d9d4",
    "--an-ink": "#1d1d1b", "--an-quiet": "#575752", "--an-good": "#2f8f5b", "--an-fair": "#c98a12",
    "--an-poor": "#c8432f",
}  # fmt: skip
DARK = {
    "--an-desk": "#171716", "--an-paper": "#222220", "--an-well": "#30302d", "--an-line": "#3f3f3b",
    "--an-ink": "#f1f0ec", "--an-quiet": "#b9b8b1", "--an-good": "#58c08a", "--an-fair": "#e3ac3d",
    "--an-poor": "#f07a66",
}  # fmt: skip
KEYS = (
    ("Ctrl+Enter", "generate"), ("1 to 9", "show that candidate"), ("← →", "the candidate before or after"),
    ("Space", "compare with the reference, and back"), ("C", "compare with another candidate"),
    ("S", "star"), ("N", "more like this"), ("E", "edit"),
    ("Delete", "delete; Undo takes it back"), ("?", "this list"),
)  # fmt: skip


def css() -> str:
    """The style sheets of the page."""
    return "\n".join((PAGE / f"{name}.css").read_text(encoding="utf-8") for name in ("studio", "bench", "collect"))


def head() -> str:
    """For the page's head: the tokens and what lies around Gradio's container, and the script."""
    light = "; ".join(f"{name}: {value}" for name, value in (*TYPE.items(), *LIGHT.items()))
    dark = "; ".join(f"{name}: {value}" for name, value in DARK.items())
    sheet, script = ((PAGE / name).read_text(encoding="utf-8") for name in ("global.css", "page.js"))
    tokens = f":root {{{light}}} .dark {{{dark}}}"
    return (
        f'<meta name="color-scheme" content="light dark"><style>{tokens}\n{sheet}</style>'
        f'<script type="module">{script}</script>'
    )


def theme() -> gr.themes.Base:
    """The tokens as Gradio's variables, and one accent colour."""
    import gradio as gr

    accent = gr.themes.Color(
        "#f1f3fe", "#e2e7fd", "#c5cffb", "#9db0f7", "#7a90f3", "#4f6bed", "#3d56d0", "#3146ab", "#2b3c8b", "#263571",
        "#182147",
    )  # fmt: skip
    # None below 12 px.
    sizes = gr.themes.Size("12px", "12px", "13px", "14px", "16px", "20px", "26px", name="analogen")
    both = {
        "body_background_fill": "var(--an-desk)", "background_fill_primary": "var(--an-paper)",
        "background_fill_secondary": "var(--an-well)", "block_background_fill": "var(--an-paper)",
        "border_color_primary": "var(--an-line)", "block_border_color": "var(--an-line)",
        "body_text_color": "var(--an-ink)", "block_label_text_color": "var(--an-ink)",
        "block_title_text_color": "var(--an-ink)", "block_info_text_color": "var(--an-quiet)",
        "body_text_color_subdued": "var(--an-quiet)", "input_background_fill": "var(--an-paper)",
        "input_border_color": "var(--an-line)",
    }  # fmt: skip
    return gr.themes.Base(
        primary_hue=accent, neutral_hue="neutral", radius_size="md", text_size=sizes, spacing_size="sm", font=_SANS,
        font_mono=_MONO,
    ).set(
        **both, **{f"{name}_dark": value for name, value in both.items()},
        input_border_width="1px", input_border_width_dark="1px",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="white",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
    )  # fmt: skip


def header(studio: Studio) -> str:
    """The title of the page with its one sentence, the name of the model, and the list of keys."""
    rows = "".join(f"<dt>{html.escape(keys)}</dt><dd>{html.escape(what)}</dd>" for keys, what in KEYS)
    return (
        '<div class="an-top"><h1>analogen studio</h1><p>Keep the idea of a picture, change what it shows.</p>'
        f"<p>model {html.escape(studio.model)}</p>"
        '<button type="button" id="show-keys" aria-label="Keys" title="Keys (?)">?</button></div>'
        f'<dialog id="keys" class="an-keys" aria-label="Keys"><h2>Keys in Create</h2><dl>{rows}</dl>'
        '<form method="dialog"><button class="se-button">Close</button></form></dialog>'
    )
