"""The studio's theme: colours, fonts and CSS, in light and dark, without fonts or files from other servers."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gradio as gr

    from analogen.demos.studio import Studio

_SANS = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Noto Sans", "DejaVu Sans", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "DejaVu Sans Mono", "monospace"]
HEAD = '<meta name="color-scheme" content="light dark">'
CSS = """
.gradio-container {max-width: 1440px !important}
#top {padding: 4px 2px 0}
#top h1 {font-size: 19px; font-weight: 650; letter-spacing: -.01em; margin: 0; display: inline;
  color: var(--body-text-color)}
#top span {font-size: 14px; margin-left: 10px; color: var(--body-text-color)}
.st-run {font-size: 14px; line-height: 1.5; color: var(--body-text-color)}
.st-grid {display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); list-style: none;
  padding: 0; margin: 8px 0 0}
.st-sketches {display: grid; gap: 8px; grid-template-columns: repeat(auto-fill, minmax(112px, 1fr)); margin-top: 8px}
.st-sketches img {width: 100%; border-radius: 6px; display: block}
.st-group {font-size: 15px; font-weight: 600; margin: 18px 0 0; color: var(--body-text-color)}
.st-compare, .st-slide, .st-ends, .st-facts {max-width: max(300px, min(720px, 64vh)) !important}
.st-ends {display: flex; justify-content: space-between; margin: 0 auto; font-size: 13px; color: var(--body-text-color)}
.st-compare {position: relative; --x: 100%; margin: 0 auto; aspect-ratio: 1;
  background: var(--background-fill-secondary); border-radius: var(--block-radius); overflow: hidden}
.st-compare img {position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain}
.st-compare img + img {clip-path: inset(0 calc(100% - var(--x)) 0 0); background: var(--background-fill-secondary)}
.st-slide {width: 100%; display: block; margin: 10px auto 0; accent-color: var(--color-accent);
  min-height: 28px}
.st-facts {font-size: 14px; line-height: 1.55; margin: 10px auto; color: var(--body-text-color);
  overflow-wrap: anywhere}
.st-facts a {display: inline-block; padding: 8px 12px; margin: 8px 8px 0 0; border-radius: 6px; font-weight: 600;
  border: 1px solid var(--border-color-primary); color: var(--body-text-color); text-decoration: none}
.gradio-container button:focus-visible, .gradio-container a:focus-visible, .st-slide:focus-visible {
  outline: 3px solid var(--color-accent); outline-offset: 2px}
#confidence:not(:has(.an-note)), #problem:not(:has(.an-problem)) {display: none}
#confidence .an-note {padding: .4rem .8rem; font-size: 14px}
#references .grid-container, #batch-results .grid-container {padding-top: 30px;
  grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)) !important}
#references .grid-container {grid-template-columns: repeat(auto-fit, minmax(120px, 164px)) !important;
  justify-content: center}
.file-preview a {color: var(--body-text-color) !important}
#batch-results .grid-wrap {height: auto; min-height: 0; max-height: 640px}
#batch-results .thumbnail-item {aspect-ratio: auto; height: auto; display: block}
#batch-results .thumbnail-item img {aspect-ratio: 1; height: auto; width: 100%}
#batch-results .caption-label {position: static; max-width: none; border: 0; border-radius: 0; padding: 4px 8px;
  font-size: 13px; text-align: left}
@media (max-width: 640px) {
  .st-grid {grid-template-columns: repeat(2, 1fr); gap: 10px}
  #tabs .tab-container button {padding: 0 6px; font-size: 14px}
}
"""


def theme() -> gr.themes.Base:
    """Neutral greys, so that the page does not change how the colours of the pictures look, and one accent colour."""
    import gradio as gr

    accent = gr.themes.Color(
        "#f1f3fe", "#e2e7fd", "#c5cffb", "#9db0f7", "#7a90f3", "#4f6bed", "#3d56d0", "#3146ab", "#2b3c8b", "#263571",
        "#182147",
    )  # fmt: skip
    return gr.themes.Base(
        primary_hue=accent, neutral_hue="neutral", radius_size="md", text_size="md", font=_SANS, font_mono=_MONO
    ).set(
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="white",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        block_label_text_color="*body_text_color",
        block_info_text_color="*body_text_color",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
    )


def header(studio: Studio) -> str:
    """The title of the page, with the name of the model."""
    return f"<h1>analogen studio</h1><span>model {html.escape(studio.model)}</span>"
