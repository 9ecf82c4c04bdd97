"""What pages and clients are told of a job: its subject, its references."""

from __future__ import annotations

from pathlib import Path

from analogen import Job


def subject_of(job: Job) -> str:
    """What a job's pictures show: the words for it, or the file name of its picture."""
    values = job.payload["values"]
    return str(values.get("subject") or Path(values.get("subject_image") or "picture").stem)


def references_of(job: Job) -> list[str]:
    """The references of a job as paths in the output folder, also those that an edited scene took the place of."""
    return list(job.payload.get("references") or job.payload["values"].get("reference", ()))
