"""HTML of generated pictures as cards: those of a run with its progress, and single ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analogen import Job
from analogen.demos.components import data_url, error_box, escaped
from analogen.demos.job_values import references_of, subject_of
from analogen.demos.messages import page_sentence
from analogen.demos.score_words import short
from analogen.demos.studio import Status, Studio

CARDS_PER_JOB = 1000  # the number of a card is job id * CARDS_PER_JOB + rank
_STAGE_LABELS = {
    "load": "Loading the model",
    "wait": "Waiting for a batch's pictures",
    "compose": "Composing",
    "paint": "Painting",
    "draw": "Drawing",
}


def card(studio: Studio, job: Job, image: dict[str, Any], label: str, chosen: int | None = None) -> str:
    """The card of one picture; an empty string if it was deleted. label: below the picture; chosen: a card's number."""
    number = number_of(job, image)
    path = studio.files.pictures / image["path"]
    if image.get("deleted") or not path.is_file():
        return ""
    alt = f"{subject_of(job)}, number {image['rank'] + 1} of its candidates"
    star = '<span class="an-star" role="img" aria-label="starred">★</span>' if image.get("starred") else ""
    return (
        f'<li><button type="button" class="an-card" data-pick="{number}" '
        f'aria-pressed="{str(number == chosen).lower()}">'
        f'<img src="{escaped(studio.files.url(studio.files.thumbnail(path)))}" alt="{escaped(alt)}" loading="lazy">'
        f'{star}<span class="an-name">{escaped(label)}</span></button></li>'
    )


def grid(cards: Sequence[str]) -> str:
    return f'<ul class="st-grid">{"".join(cards)}</ul>'


def strip(studio: Studio, status: Status, chosen: int | None = None) -> str:
    """The finished pictures of a run as cards, best first, below its state and what failed."""
    parts = [f'<div class="st-run" role="status" aria-live="polite">{escaped(_status_line(status))}</div>']
    shown = 0
    for job in status.jobs:
        images = visible_images(status, job)
        if not images:
            continue
        if len(status.jobs) > 1:
            parts.append(f'<h3 class="st-group">{escaped(subject_of(job))}</h3>')
        cards = [card(studio, job, image, f"{shown + place + 1} · {short(image)}", chosen)
                 for place, image in enumerate(images)]  # fmt: skip
        shown += len(images)
        parts.append(grid(cards))
        notes = (job.result or {}).get("notes", ())
        parts += [f'<p class="st-note">{escaped(page_sentence(note))}</p>' for note in notes]
    return "".join(parts) + (failures(status) if shown else "")


def failures(status: Status) -> str:
    """Why jobs of a run failed."""
    return "".join(error_box(f"{subject_of(job)}: {job.error}") for job in status.jobs if job.state == "failed")


def without_pictures(status: Status) -> str:
    """What the canvas shows of a run without pictures: its progress with sketches, or how it ended."""
    line = f"<p>{escaped(_status_line(status))}</p>"
    if status.ended:
        return f'<div class="cv-making">{line}{failures(status)}</div>'
    share = 100 * status.done / status.total if status.total else 0
    sketches = "".join(
        f'<img alt="A picture that is being composed" src="{data_url(data, "webp")}">'
        for _, data in sorted(status.previews.items())
    )
    return (
        f'<div class="cv-making">{line}<div class="an-progress"><span style="width:{share:.0f}%"></span></div>'
        f'<div class="st-sketches">{sketches}</div></div>'
    )


def visible_images(status: Status, job: Job) -> list[dict[str, Any]]:
    """The pictures of a job of a run so far, without deleted ones."""
    images = job.result["images"] if job.result else status.saved.get(job.id, ())
    return [image for image in images if not image.get("deleted")]


def best_of(status: Status) -> int | None:
    """The number of the best picture of a run's first job that has one."""
    for job in status.jobs:
        for image in visible_images(status, job):
            return number_of(job, image)
    return None


def holds(status: Status, number: int | None) -> bool:
    """Whether a card is one of a run's pictures."""
    return number is not None and any(job.id == number // CARDS_PER_JOB for job in status.jobs)


def _status_line(status: Status) -> str:
    if status.state == "queued":
        if not status.ahead:
            return "Starting…"
        return f"In the queue: {status.ahead} before yours{_about(status.wait_seconds)}."
    if status.state == "running":
        doing = _STAGE_LABELS.get(status.stage, "Working")
        return f"{doing}, {status.done} of {status.total}…" if status.total > 1 else f"{doing}…"
    if status.state == "cancelled":
        return "Stopped. Finished pictures are kept."
    return "Done, the best first." if status.state == "done" else "This run failed."


def _about(seconds: float | None) -> str:
    """The time until it begins, in words; empty where it is not known."""
    if seconds is None:
        return ""
    return f", about {max(5, 5 * round(seconds / 5))} s" if seconds < 90 else f", about {round(seconds / 60)} min"


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
        if not image.get("deleted")
    ]


def number_of(job: Job, image: dict[str, Any]) -> int:
    return job.id * CARDS_PER_JOB + int(image["rank"])


def find(studio: Studio, number: int | None) -> tuple[Job, dict[str, Any]] | None:
    """The job and the picture of a card; None if there is no such card, or it was deleted."""
    if number is None:
        return None
    job = studio.store.get(number // CARDS_PER_JOB)
    images = job.result["images"] if job and job.result else ()
    found = (one for one in images if one["rank"] == number % CARDS_PER_JOB and not one.get("deleted"))
    return next(((job, one) for one in found if job), None)


def form_values(studio: Studio, number: int | None) -> tuple[list[str], dict[str, Any]] | None:
    """The references and the settings of a card's picture, for `PageContext.form`; None if there is no such card."""
    found = find(studio, number)
    if found is None:
        return None
    job, image = found
    references = [name.removeprefix("references/") for name in references_of(job)]
    settings = {**job.payload["values"], "seed": image["seed"], "ground": job.payload.get("ground")}
    return references, {"subject": "", **settings}
