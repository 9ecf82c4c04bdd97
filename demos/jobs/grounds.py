"""What the pictures of a job lie on in place of their palette's ground: nothing, or a picture of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from analogen import Candidate, Job, UserError, read_image
from analogen import on_ground as draw_on_ground

if TYPE_CHECKING:
    from analogen.demos.studio_files import StudioFiles
    from analogen.stages import Composed

NO_GROUND = "none"  # of a job whose pictures are cut-outs


def ground_of(files: StudioFiles, job: Job) -> Image.Image | str | None:
    """What the pictures of a job lie on, as `EditedPicture.ground`; None for the ground of their palette."""
    name = job.payload.get("ground")
    if not name or name == NO_GROUND:
        return name or None
    path = files.kept(name)
    if path is None:
        raise UserError("the picture of the ground is gone: choose it again")
    return read_image(path).image


def on_ground(files: StudioFiles, job: Job, composed: Composed, candidate: Candidate) -> Candidate:
    """The candidate of mini drawn on the ground of its job."""
    ground = ground_of(files, job)
    selection = getattr(composed, "selection", None)
    return candidate if selection is None else draw_on_ground(composed.request, candidate, selection, ground)


def recorded(files: StudioFiles, job: Job) -> Path | str | None:
    """The ground of a job as `save_candidate` takes it."""
    name = job.payload.get("ground")
    return name or None if not name or name == NO_GROUND else files.kept(name)
