"""HTML of generated pictures: cards with scores, previews of a running job, and the large view of one picture."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from analogen import Job
from analogen.demos.components import empty_state, error_box, escaped, legend, score_bar
from analogen.demos.job_values import references_of, subject_of
from analogen.demos.messages import page_sentence
from analogen.demos.studio import Status, Studio

CARDS_PER_JOB = 1000  # the number of a card is job id * CARDS_PER_JOB + rank
BARS = (("logic", "relation"), ("structure", "structure"), ("subject", "subject"), ("looks", "copy"))
_STAGE_LABELS = {
    "load": "Loading the model",
    "wait": "Waiting for a batch's pictures",
    "compose": "Composing",
    "paint": "Painting",
    "draw": "Drawing",
}


def card(studio: Studio, job: Job, image: dict[str, Any], name: str, chosen: int | None = None) -> str:
    """The card of one picture; an empty string if its file is gone. name: of the subject; chosen: a card's number."""
    number = job.id * CARDS_PER_JOB + int(image["rank"])
    path = studio.files.pictures / image["path"]
    if not path.is_file():
        return ""
    scores = image["scores"]
    mark = " an-chosen" if number == chosen else ""
    alt = f"{name}, number {image['rank'] + 1} of its candidates"
    # Pictures of earlier versions, and pictures without a single reference, have no score for the structure.
    # Pictures that were edited by hand have none at all.
    shown = [(label, name) for label, name in BARS if name in scores and (name != "structure" or scores[name])]
    bars = "".join(score_bar(label, scores[name]) for label, name in shown)
    total = "edited" if image.get("edited") else f"{scores['total']:.2f}"
    return (
        f'<li><button type="button" class="an-card{mark}" data-pick="{number}">'
        f'<img src="{escaped(studio.files.url(studio.files.thumbnail(path)))}" alt="{escaped(alt)}" loading="lazy">'
        f'<span class="an-name">{escaped(name)} · {total}</span>{bars}</button></li>'
    )


def grid(cards: Sequence[str]) -> str:
    return f'<ul class="st-grid">{"".join(cards)}</ul>'


def run_view(studio: Studio, status: Status, chosen: int | None = None) -> str:
    """A run: its state, previews of unfinished pictures, and the cards of the saved ones, best first."""
    parts = [f'<div class="st-run" role="status" aria-live="polite">{escaped(_status_line(status))}</div>']
    if not status.ended:
        share = 100 * status.done / status.total if status.total else 0
        parts.append(f'<div class="an-progress"><span style="width:{share:.0f}%"></span></div>')
    for job in status.jobs:
        subject = subject_of(job)
        if job.state == "failed":
            parts.append(error_box(f"{subject}: {job.error}"))
            continue
        images = job.result["images"] if job.result else status.saved.get(job.id, ())
        previews = [data for (owner, _), data in sorted(status.previews.items()) if owner == job.id]
        if not images and not previews:
            continue
        parts.append(f'<h3 class="st-group">{escaped(subject)}</h3>')
        if images:
            parts.append(grid([card(studio, job, image, subject, chosen) for image in images]))
        else:
            pictures = "".join(
                f'<img alt="{escaped(subject)}, still being composed" '
                f'src="data:image/webp;base64,{base64.b64encode(data).decode()}">'
                for data in previews
            )
            parts.append(f'<div class="st-sketches">{pictures}</div>')
        for note in (job.result or {}).get("notes", ()):
            parts.append(f'<p class="st-run">{escaped(page_sentence(note))}</p>')
    if status.ended and any(job.result for job in status.jobs):
        parts.append(legend())
    return "".join(parts)


def _status_line(status: Status) -> str:
    if status.state == "queued":
        return f"In the queue: {status.ahead} before yours." if status.ahead else "Starting…"
    if status.state == "running":
        doing = _STAGE_LABELS.get(status.stage, "Working")
        return f"{doing}, {status.done} of {status.total}…" if status.total > 1 else f"{doing}…"
    if status.state == "cancelled":
        return "Stopped. Finished pictures are kept."
    return "Done, the best first." if status.state == "done" else "This run failed."


def images_for_clients(studio: Studio, job: Job) -> list[dict[str, Any]]:
    """A job's pictures for clients of the API.

    The file name is not called `path`: clients of Gradio would take such a dictionary for a file to download.
    """
    return [
        {
            "file": image["path"],
            "url": studio.files.url(studio.files.pictures / image["path"]),
            **{name: value for name, value in image.items() if name != "path"},
        }
        for image in (job.result or {}).get("images", ())
    ]


def find(studio: Studio, number: int | None) -> tuple[Job, dict[str, Any]] | None:
    """The job and the picture of a card; None if there is no such card."""
    if number is None:
        return None
    job = studio.store.get(number // CARDS_PER_JOB)
    images = job.result["images"] if job and job.result else ()
    return next(((job, one) for one in images if job and one["rank"] == number % CARDS_PER_JOB), None)


def form_values(studio: Studio, number: int | None) -> tuple[list[str], dict[str, Any]] | None:
    """The references and the settings of a card's picture, for `PageContext.form`; None if there is no such card."""
    found = find(studio, number)
    if found is None:
        return None
    values = found[0].payload["values"]
    references = [name.removeprefix("references/") for name in references_of(found[0])]
    return references, {**values, "seed": found[1]["seed"]}


def large(studio: Studio, number: int | None) -> str:
    """The large view of a card: the picture over its reference with a slider, the reason for its rank, its files."""
    found = find(studio, number)
    if found is None:
        return empty_state("No picture chosen", "Choose a card to see it large.")
    job, image = found
    path, name = studio.files.pictures / image["path"], subject_of(job)
    parts = ['<div class="st-compare">']
    references = [studio.output / one for one in references_of(job)]
    if references and references[0].is_file():
        parts.append(f'<img src="{escaped(studio.files.url(references[0]))}" alt="The reference">')
    else:
        parts.append('<img alt="" src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=">')
    parts.append(f'<img src="{escaped(studio.files.url(path))}" alt="{escaped(name)}, large"></div>')
    if references:
        parts.append(
            '<input class="st-slide" type="range" min="0" max="100" value="100" aria-label="From the reference to the '
            "picture\" oninput=\"this.previousElementSibling.style.setProperty('--x', this.value + '%')\">"
            '<div class="st-ends" aria-hidden="true"><span>the picture</span><span>the reference</span></div>'
        )
    files = f'<a href="{escaped(studio.files.url(path))}" download="{escaped(path.name)}">Download PNG</a>'
    drawing = path.with_suffix(".svg")
    if image.get("svg") and drawing.is_file():
        files += f'<a href="{escaped(studio.files.url(drawing))}" download="{escaped(drawing.name)}">Download SVG</a>'
    parts.append(f'<div class="st-facts">{escaped(rank_reason(job, image))}<br>Seed {image["seed"]}.<br>{files}</div>')
    return "".join(parts)


def rank_reason(job: Job, image: dict[str, Any]) -> str:
    """One sentence on the rank of a picture: its best score among the pictures of the same job."""
    if image.get("edited"):
        return "It was edited by hand, so it has no scores."
    kept = [one for one in (job.result["images"] if job.result else [image]) if not one.get("edited")]
    best = [
        words
        for name, sign, words in (
            ("relation", 1, "keeps the logic most closely"),
            ("structure", 1, "is built most like the reference"),
            ("subject", 1, "shows the subject most clearly"),
            ("copy", -1, "borrows least from the reference's looks"),
        )
        if len(kept) > 1
        and image["scores"].get(name)
        and all(sign * image["scores"][name] >= sign * one["scores"].get(name, 0.0) for one in kept)
    ]
    place = "It is ranked first" if image["rank"] == 0 else f"It is number {image['rank'] + 1} of {len(kept)}"
    reason = f"it {' and '.join(best)}" if best else "its parts fit together well and its scores are near the others'"
    # Pictures are ranked by how well-formed the scene is first, and by the score second.
    if any(one["rank"] < image["rank"] and one["scores"]["total"] < image["scores"]["total"] for one in kept):
        reason += "; it stands behind lower scores because its parts sit together less cleanly"
    return f"{place}, with {image['scores']['relation']:.0%} of the logic kept: {reason}."
