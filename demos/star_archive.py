"""The starred pictures as a ZIP: PNG and SVG of each, and a table of what made them in JSON."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

from analogen import Job, UserError, write_atomic
from analogen.demos.job_values import subject_of
from analogen.demos.studio import Studio

MOST_PICTURES = 1000


def starred(studio: Studio, limit: int = MOST_PICTURES) -> list[tuple[Job, dict[str, Any]]]:
    """The starred pictures, the newest first."""
    found = []
    for job in studio.history("starred", limit=limit):
        images = (job.result or {}).get("images", ())
        found += [(job, image) for image in images if image.get("starred") and not image.get("deleted")]
    return found[:limit]


def star_archive(studio: Studio) -> str:
    """Write the ZIP of the starred pictures. Returns its path in the downloads; raises UserError without any."""
    pictures = starred(studio)
    if not pictures:
        raise UserError("no picture is starred yet: star some with ☆ or the key S")
    rows, digest, buffer = [], hashlib.sha256(), io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for job, image in pictures:
            path = studio.files.pictures / image["path"]
            names = []
            for one in (path, path.with_suffix(".svg")):
                if one.is_file():
                    file.write(one, one.name)
                    digest.update(one.name.encode() + str(one.stat().st_mtime_ns).encode())
                    names.append(one.name)
            rows.append(_row(job, image, names))
        text = json.dumps({"pictures": rows}, indent=1, ensure_ascii=False)
        digest.update(text.encode())
        file.writestr("pictures.json", text)
    path = studio.files.downloads / f"stars-{digest.hexdigest()[:12]}.zip"
    write_atomic(path, buffer.getvalue())
    return str(path)


def _row(job: Job, image: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """What made a picture, without paths of the server."""
    kept = ("relation_scale", "structure_scale", "style", "palette", "other", "width", "height", "steps", "model")
    values = job.payload["values"]
    return {
        "files": names, "subject": subject_of(job), "seed": image["seed"], "scores": image["scores"],
        "relation": (job.result or {}).get("relation"), "note": image.get("note", ""),
        "settings": {name: values[name] for name in kept if values.get(name) is not None},
    }  # fmt: skip
