"""The pictures of Create's form: kept in the output folder when a run starts, and shown in their fields again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analogen import UserError
from analogen.demos.studio import Studio
from analogen.demos.tabs.create_form import OWN_GROUND
from analogen.demos.uploads import as_upload

# The fields whose pictures are kept with a form: the setting that names the file in the output folder.
PICTURE_FIELDS = ("subject_image", "style_image", "becomes")


def saved_references(studio: Studio, shown: Sequence[tuple[str, Any]] | None) -> list[str]:
    """Keep the pictures of the gallery. Returns their names; raises UserError."""
    if shown and len(shown) > studio.limits.references:
        raise UserError(f"{len(shown)} references are too many: at most {studio.limits.references}.")
    return [studio.files.save_reference(path) for path, _ in shown or ()]


def kept_pictures(studio: Studio, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the fields for the pictures and the art of a form, None where it has none or they are gone."""
    found: dict[str, Any] = {}
    if "relation_scale" not in settings:  # an example, say, which leaves them as they are
        return found
    for name in PICTURE_FIELDS:
        path = studio.files.kept(settings[name]) if settings.get(name) else None
        found[name] = None if path is None else as_upload(path)
    folder = studio.files.kept(settings["art"]) if settings.get("art") else None
    if folder is not None:
        paths = sorted(path for path in folder.iterdir() if path.suffix != ".txt")
        found["art"] = [as_upload(path) for path in paths]
    ground = settings.get("ground") or ""
    laid_on = studio.files.kept(ground) if "/" in ground else None
    found["ground"] = OWN_GROUND if laid_on is not None else ground if "/" not in ground else ""
    if laid_on is not None:
        found["ground_image"] = as_upload(laid_on)
    return found
