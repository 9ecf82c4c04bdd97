"""What the worker does with a run of Create: all subjects in one pass, each picture saved as soon as it exists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analogen import Candidate, Job, RunError, request_from, save_candidate
from analogen.demos.jobs.worker import Work

if TYPE_CHECKING:
    from PIL.Image import Image

    from analogen.demos.studio import Studio


def make(studio: Studio, jobs: Sequence[Job], work: Work) -> None:
    """Take the jobs of a run through all stages, see analogen.generator.

    Those that were done before an interruption are composed again beside the others, for their numbers depend on the
    shape of the pass, and are not drawn again.
    """
    if not studio.is_loaded:
        work.report("load", 0, 1)
    stages = studio.stages()
    wanted = {job.id for job in work.jobs}
    images: dict[Path, Image] = {}
    prepared, owners = [], []
    for job in jobs:
        if job.state not in ("running", "done"):
            continue
        work.check()
        try:
            request = request_from(job.payload["values"], studio.output, studio.device)
            prepared.append(stages.prepare(request, images))
            owners.append(job)
        except RunError:
            raise
        except Exception as error:
            if job.id in wanted:
                work.fail(job, error)
    if not work.left:
        return
    composed = stages.compose(
        prepared, work.report, preview=lambda row, candidate, picture: work.preview(owners[row], candidate, picture)
    )
    for one, job in zip(composed, owners, strict=True):
        if job.id not in wanted:
            continue
        work.report("draw", 0, one.request.num_images)
        told = stages.result(one, (), {})
        kept: list[dict[str, Any]] = []
        for candidate in stages.finish(one, work.report):
            if candidate.rank >= one.request.num_images:
                break
            path = studio.pictures / f"{job.group:05d}-{job.id:05d}-{_slug(told.subject)}-{candidate.rank}.png"
            save_candidate(one.request, told, candidate, path, bool(job.payload.get("metadata", True)))
            studio.thumb(path)
            kept.append(_image(path, candidate))
            work.show(job, kept[-1])
        work.finish(
            job,
            {
                "subject": told.subject,
                "relation": {"caption": told.relation.caption, "confidence": round(told.relation.confidence, 4)},
                "images": kept,
                "notes": list(told.notes),
            },
        )


def _image(path: Path, candidate: Candidate) -> dict[str, Any]:
    return {
        "path": path.name,
        "seed": candidate.seed,
        "rank": candidate.rank,
        "svg": candidate.svg is not None,
        "scores": candidate.scores.rounded(),
    }


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "picture"
