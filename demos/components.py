"""HTML elements that the tabs share: inline pictures, score bars, notes, errors, and the CSS of all of them."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr
from PIL import Image

from analogen.demos.messages import error_message, sentence

# JavaScript: a click on an element with data-pick, by mouse or keyboard, becomes the event `pick` with its number.
PICK_SCRIPT = """
element.addEventListener('click', (event) => {
  const found = event.target.closest('[data-pick]');
  if (found) trigger('pick', {number: Number(found.dataset.pick)});
});
"""
CSS = """
.gradio-container .html-container {padding: 0}
.info-text, .or, .wrap .or {color: var(--body-text-color) !important}
.an-empty, .an-problem, .an-note {border: 1px solid var(--border-color-primary); border-radius: var(--block-radius);
  padding: .8rem 1rem; font-size: 15px; line-height: 1.5; color: var(--body-text-color); overflow-wrap: anywhere}
.an-empty {border-style: dashed; text-align: center; padding: 2.5rem 1.25rem}
.an-empty h3, .an-problem h3 {font-size: 17px; font-weight: 600; margin: 0 0 .35rem; color: var(--body-text-color)}
.an-note .an-table {margin-top: .5rem}
.an-empty p {margin: 0 auto; max-width: 34rem}
.an-problem {border-left: 4px solid #d4351c}
.an-problem ol, .an-problem ul {margin: .5rem 0 0; padding-left: 1.25rem}
.an-problem li {margin: .15rem 0}
.an-grid {list-style: none; padding: 0; margin: 0; display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fill, minmax(148px, 1fr))}
.an-card {display: block; width: 100%; text-align: left; padding: 8px; cursor: pointer; font-size: 13px;
  color: var(--body-text-color); background: var(--background-fill-primary);
  border: 1px solid var(--border-color-primary); border-radius: var(--block-radius)}
.an-card:hover {border-color: var(--color-accent)}
.an-card:focus-visible, .an-point:focus-visible {outline: 3px solid var(--color-accent); outline-offset: 2px}
.an-card img {display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 6px;
  background: var(--background-fill-secondary); margin-bottom: 6px}
.an-name {display: block; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; margin-bottom: 4px}
.an-bar {display: grid; grid-template-columns: 1fr auto; gap: 1px 6px; font-size: 12px; font-weight: 400;
  line-height: 1.5; color: var(--body-text-color)}
.an-bar b {font-weight: 500; text-align: right; font-variant-numeric: tabular-nums}
.an-bar i {grid-column: 1 / -1; display: block; height: 5px; border-radius: 3px; overflow: hidden;
  background: var(--border-color-primary); margin-bottom: 3px}
.an-bar i::before {content: ""; display: block; height: 100%; width: var(--share); border-radius: 3px;
  background: var(--tone)}
.an-legend {font-size: 14px; line-height: 1.5; margin-top: 14px; color: var(--body-text-color)}
.an-legend summary {cursor: pointer; padding: 6px 0}
.an-legend dt {font-weight: 600; margin-top: 6px}
.an-legend dd {margin: 0}
.an-frame {padding: 34px 34px 64px 62px}
.an-plot {position: relative; height: clamp(320px, 52vw, 520px);
  border-left: 1px solid var(--body-text-color); border-bottom: 1px solid var(--body-text-color);
  background: linear-gradient(var(--border-color-primary), var(--border-color-primary)) 0 50% / 100% 1px no-repeat,
    linear-gradient(var(--border-color-primary), var(--border-color-primary)) 50% 0 / 1px 100% no-repeat}
.an-point {position: absolute; transform: translate(-50%, 50%); width: var(--side); height: var(--side); padding: 0;
  border: 1px solid var(--body-text-color); border-radius: 6px; overflow: hidden; cursor: pointer;
  background: var(--background-fill-secondary)}
.an-point:hover, .an-point:focus-visible {z-index: 9}
.an-point img {width: 100%; height: 100%; object-fit: cover; display: block}
.an-point.an-chosen, .an-card.an-chosen {border: 3px solid var(--color-accent)}
.an-tick, .an-axis {position: absolute; font-size: 12px; color: var(--body-text-color); white-space: nowrap}
.an-axis {font-size: 13px}
.an-big img {width: 100%; max-height: 60vh; object-fit: contain; border-radius: var(--block-radius);
  background: var(--background-fill-secondary)}
.an-big figcaption {padding-top: 8px; font-size: 14px; overflow-wrap: anywhere; color: var(--body-text-color)}
.an-progress {height: 10px; border-radius: 5px; background: var(--border-color-primary); overflow: hidden;
  margin: .6rem 0}
.an-progress > span {display: block; height: 100%; background: var(--color-accent); border-radius: 5px}
.an-scroll {overflow-x: auto}
.an-table {border-collapse: collapse; width: 100%; font-size: 14px; color: var(--body-text-color)}
.an-table, .an-table tr, .an-table tbody, .an-table thead {border-width: 0 !important}
.an-table th, .an-table td {padding: 8px; text-align: left; vertical-align: middle; border-style: solid !important;
  border-width: 0 0 1px !important; border-color: var(--border-color-primary) !important;
  color: var(--body-text-color)}
.an-table th {font-weight: 600; font-size: 13px}
.an-table img {width: 72px; height: 72px; object-fit: contain; border-radius: 6px; display: block;
  background: var(--background-fill-secondary)}
.an-table .an-bar {min-width: 9rem}
.an-lead {display: grid; grid-template-columns: 148px 1fr; gap: 14px; align-items: center; margin: 0 0 12px}
figure.an-big {margin: 0}
figure.an-lead {margin: 0 0 14px}
.an-side img {max-height: 300px}
.an-lead img {max-height: 148px}
.an-pair {display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 16px}
.an-pair figure {margin: 0}
.an-info {margin: 2px 2px 8px; font-size: 13px; line-height: 1.45; color: var(--body-text-color)}
@media (max-width: 640px) {
  .an-grid {grid-template-columns: repeat(2, 1fr)}
  .an-frame {padding-left: 50px; padding-right: 24px}
  .an-stack thead {position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)}
  .an-stack tr {display: grid; grid-template-columns: 84px 1fr; padding: 8px 0;
    border-bottom: 1px solid var(--border-color-primary) !important}
  .an-stack td {border-width: 0 !important; padding: 2px 8px}
  .an-stack td:first-child {grid-row: span 4}
}
"""
# For the page's head. Gradio's upload buttons have an accessible name that is not their visible text, as speech control
# needs it, or that is the key of a translation.
HEAD = """<script>
new MutationObserver(() => document.querySelectorAll('button[aria-label]').forEach((button) => {
  const key = button.getAttribute('aria-label').match(/^common\\.(\\w)(\\w*)$/);
  if (key) button.title = button.ariaLabel = key[1].toUpperCase() + key[2];
  // A button inside a button: only the inner one takes files, by keyboard too.
  if (button.querySelector('button')) { button.role = 'group'; button.tabIndex = -1; }
  const shown = button.innerText.replace(/\\s+/g, ' ').trim();
  if (shown && !button.dataset.pick && !button.getAttribute('aria-label').includes(shown))
    button.setAttribute('aria-label', shown);
})).observe(document.documentElement, {childList: true, subtree: true});
</script>"""
BAR_COLORS = {"logic": "#4f6bed", "looks": "#d9822b", "subject": "#2e8b57", "structure": "#8a5cc2"}
# The label and the meaning of each bar, for somebody who has never seen one.
BAR_LABELS = {
    "logic": ("keeps the idea", "how much of the reference's logic is there, whatever it is made of"),
    "structure": ("keeps the structure", "how similar its counts, directions and rows are to the reference's"),
    "subject": (
        "shows the subject",
        "how sure the model is that it sees the subject; only a weak hint: often low for clear drawings",
    ),
    "looks": (
        "copies the look",
        "how much it looks like the reference, in colours and in what it shows; less is better",
    ),
}


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


def data_url(data: bytes) -> str:
    """A JPEG as a data URL."""
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def bar(name: str, value: float | None, label: str | None = None) -> str:
    """A score in [-1, 1] as a bar from 0 to 1 with its number; an empty string for None.

    label: shown in place of the name.
    """
    if value is None:
        return ""
    share = f"{100 * min(max(value, 0), 1):.0f}%"
    color = BAR_COLORS.get(name, "var(--color-accent)")
    title = f' title="{escaped(BAR_LABELS[name][1].capitalize())}"' if name in BAR_LABELS else ""
    shown = escaped(label or name)
    return f'<span class="an-bar"{title}>{shown}<b>{value:.2f}</b><i style="--share:{share};--tone:{color}"></i></span>'


def score_bar(name: str, value: float | None) -> str:
    """The bar of a generated picture's score, with its label from `BAR_LABELS`."""
    return bar(name, value, BAR_LABELS[name][0])


def legend() -> str:
    """The meaning of the bars, for users who cannot hover over them."""
    rows = "".join(f"<dt>{label}</dt><dd>{meaning.capitalize()}.</dd>" for label, meaning in BAR_LABELS.values())
    first = "The number after the name combines all of them: what is kept and shown, less what is copied."
    return (
        '<details class="an-legend"><summary>What do the bars say?</summary>'
        f"<p>{first} Each goes from 0 to 1.</p><dl>{rows}</dl></details>"
    )


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
