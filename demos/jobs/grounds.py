"""What the pictures of a job lie on in place of their palette's ground: nothing, or a picture of the user's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image

from analogen import Candidate, EditedPicture, Job, UserError, read_image, scene_art_of

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
    if ground is None or candidate.scene is None or selection is None:
        return candidate
    request = composed.request
    art = scene_art_of(selection, candidate.scene)
    picture = EditedPicture(candidate.scene, request.width, request.height, art=art, ground=ground)
    return replace(candidate, image=picture.draw(), svg=picture.svg() if candidate.svg is not None else None)
