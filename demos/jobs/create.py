"""Handler of Create jobs: makes all pictures of a run in one pass and saves each as it is finished."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analogen import (
    Candidate,
    Job,
    RunError,
    find_model,
    request_from,
    save_candidate,
    scene_read_back,
    scene_to_json,
    write_atomic,
)
from analogen.demos.jobs.grounds import on_ground, recorded
from analogen.demos.jobs.worker import JobContext

if TYPE_CHECKING:
    from PIL.Image import Image

    from analogen.demos.studio import Studio
    from analogen.stages import Composed


def create_pictures(studio: Studio, jobs: Sequence[Job], context: JobContext) -> None:
    """Run the jobs of one run through all stages, see analogen.generator.

    Jobs that were finished before an interruption are composed again with the others, because the random numbers
    depend on the shape of the batch, but they are not drawn again.
    """
    if not studio.is_loaded:
        context.report("load", 0, 1)
    stages = studio.stages()
    wanted = {job.id for job in context.jobs}
    images: dict[Path, Image] = {}
    prepared, prepared_jobs = [], []
    for job in jobs:
        if job.state not in ("running", "done"):
            continue
        context.check()
        try:
            request = request_from(job.payload["values"], studio.output, studio.device)
            prepared.append(stages.prepare(request, images))
            prepared_jobs.append(job)
        except RunError:
            raise
        except Exception as error:
            if job.id in wanted:
                context.fail(job, error)
    if not context.unfinished:
        return
    composed = stages.compose(
        prepared,
        context.report,
        preview=lambda row, candidate, picture: context.preview(prepared_jobs[row], candidate, picture),
    )
    for composed_row, job in zip(composed, prepared_jobs, strict=True):
        if job.id not in wanted:
            continue
        context.report("draw", 0, composed_row.request.num_images)
        result = stages.result(composed_row, (), {})
        saved: list[dict[str, Any]] = []
        for candidate in stages.finish(composed_row, context.report):
            if candidate.rank >= composed_row.request.num_images:
                break
            path = studio.files.pictures / f"{job.group:05d}-{job.id:05d}-{_slug(result.subject)}-{candidate.rank}.png"
            candidate = on_ground(studio.files, job, composed_row, candidate)
            save_candidate(
                composed_row.request,
                result,
                candidate,
                path,
                bool(job.payload.get("metadata", True)),
                ground=recorded(studio.files, job),
            )
            # The scene of a diffusion model's layout does not show what it painted.
            if candidate.scene is not None and find_model(studio.model).is_mini:
                write_atomic(studio.files.drawn_scene(path), scene_to_json(candidate.scene).encode())
            studio.files.thumbnail(path)
            saved.append(_image_record(path, candidate, unconfirmed(composed_row, candidate)))
            context.add_image(job, saved[-1])
        context.finish(
            job,
            {
                "subject": result.subject,
                "relation": {"caption": result.relation.caption, "confidence": round(result.relation.confidence, 4)},
                "images": saved,
                "notes": list(result.notes),
            },
        )


def unconfirmed(composed: Composed, candidate: Candidate) -> str:
    """What the reader does not confirm in a candidate, such as "7 of 9, no ring"; "" if nothing."""
    found = candidate.read
    if found is None and candidate.scene is not None:
        found = scene_read_back(candidate.scene, composed.conditioning.reading)
    return "" if found is None or found.agreement == 1 else found.words


def _image_record(path: Path, candidate: Candidate, read: str) -> dict[str, Any]:
    return {
        "path": path.name,
        "seed": candidate.seed,
        "rank": candidate.rank,
        "svg": candidate.svg is not None,
        "scores": candidate.scores.rounded(),
        "reason": candidate.reason,
        **({"read": read} if read else {}),
    }


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "picture"
