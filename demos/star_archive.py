"""The starred pictures as a ZIP: PNG and SVG of each, and a table of what made them in JSON."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from analogen import Job, RunError, UserError
from analogen.demos.job_values import subject_of
from analogen.demos.studio import Studio

MOST_PICTURES = 1000
KEPT_SECONDS = 3600


def starred(studio: Studio, limit: int = MOST_PICTURES) -> list[tuple[Job, dict[str, Any]]]:
    """The starred pictures, the newest first."""
    found = []
    for job in studio.history("starred", limit=limit):
        images = (job.result or {}).get("images", ())
        found += [(job, image) for image in images if image.get("starred") and not image.get("deleted")]
    return found[:limit]


def star_archive(studio: Studio) -> str:
    """Write the ZIP of the starred pictures. Returns its path in the downloads; raises UserError without any.

    It is written to the disk picture by picture, and takes the place of earlier ones that are an hour old.
    """
    pictures = starred(studio)
    if not pictures:
        raise UserError("no picture is starred yet: star some with ☆ or the key S")
    rows, files, digest = [], [], hashlib.sha256()
    for job, image in pictures:
        path = studio.files.pictures / image["path"]
        found = [one for one in (path, path.with_suffix(".svg")) if one.is_file()]
        for one in found:
            digest.update(one.name.encode() + str(one.stat().st_mtime_ns).encode())
        files += found
        rows.append(_row(job, image, [one.name for one in found]))
    text = json.dumps({"pictures": rows}, indent=1, ensure_ascii=False)
    digest.update(text.encode())
    path = studio.files.downloads / f"stars-{digest.hexdigest()[:12]}.zip"
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as file:  # PNG is compressed already
            for one in files:
                file.write(one, one.name)
            file.writestr("pictures.json", text)
        os.replace(temporary, path)
    except OSError as error:
        raise RunError(f"{path.name}: cannot be written ({(error.strerror or str(error)).lower()})") from error
    finally:
        temporary.unlink(missing_ok=True)
    _remove_old(path)
    return str(path)


def _remove_old(newest: Path) -> None:
    """Delete the earlier archives, unless somebody may be loading one."""
    for path in newest.parent.glob("stars-*.zip"):
        with suppress(OSError):
            if path != newest and time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink()


def _row(job: Job, image: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """What made a picture, without paths of the server."""
    kept = ("relation_scale", "structure_scale", "style", "palette", "other", "width", "height", "steps", "model")
    values = job.payload["values"]
    return {
        "files": names, "subject": subject_of(job), "seed": image["seed"], "scores": image["scores"],
        "relation": (job.result or {}).get("relation"), "note": image.get("note", ""),
        "settings": {name: values[name] for name in kept if values.get(name) is not None},
    }  # fmt: skip
