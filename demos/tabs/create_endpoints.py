"""The endpoints create, status and cancel: a client starts a run, and asks for its state by its number."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
from gradio.events import api

from analogen.demos.components import client_endpoint
from analogen.demos.job_values import subject_of
from analogen.demos.jobs.grounds import NO_GROUND
from analogen.demos.numbers import MAX_SEED, whole_number
from analogen.demos.own_art_uploads import save_art
from analogen.demos.studio import Studio
from analogen.demos.tabs import picture_cards


def owner_of(request: gr.Request | None) -> str:
    """The user of a request: the name they logged in with, or the session of their page."""
    if request is None:
        return ""
    return str(request.username or request.session_hash or "")


def add_endpoints(studio: Studio) -> None:
    """Add the endpoints to the page's API."""
    files = gr.File(file_count="multiple", visible=False)
    texts = [gr.Textbox(visible=False, label=name) for name in ("relation", "subjects")]
    numbers = [gr.Number(value, visible=False, precision=0) for value in (4, 1, 0, 512, 24)]
    answer, button = gr.JSON(visible=False), gr.Button(visible=False)

    def create(
        references: list[str] | None, relation: str = "", subjects: str = "", candidates: int = 4, num_images: int = 1,
        seed: int = 0, side_px: int = 512, steps: int = 24, scene: dict[str, Any] | None = None,
        structure_scale: float | None = None, subject_image: str | None = None, style_image: str | None = None,
        becomes: str | None = None, art: list[str] | None = None, style: str = "", palette: str = "",
        ground: str | None = None, cutout: bool = False, request: gr.Request | None = None,
    ) -> dict[str, int]:  # fmt: skip
        """Queue pictures of each subject (one per line) with the logic of references, of words, or of both.

        scene: a scene of /read_scene, edited or not, in place of what is read in the references.
        structure_scale: how closely the arrangement is kept, 0 to 1; None: the closer, the less certain the relation
        is.
        subject_image, style_image, becomes: pictures of the subject, for the looks, and of what the reference becomes.
        art: the user's own cut-outs, or a ZIP of them. style: of mini's drawings, or words for a diffusion model.
        palette: of mini's grounds and props. ground: a picture to lay mini's drawings on. cutout: draw no
        ground, with transparency.
        Returns {"run": number}; /status takes that number.
        """
        limits = studio.limits
        side = whole_number("side_px", side_px, studio.limits.least_side_px, limits.side_px)
        settings = {
            "relation": (relation or "").strip() or None,
            "candidates": whole_number("candidates", candidates, 1, limits.candidates),
            "num_images": whole_number("num_images", num_images, 1, limits.candidates),
            "seed": whole_number("seed", seed, 0, MAX_SEED), "width": side, "height": side,
            "steps": whole_number("steps", steps, 1, limits.steps), "structure_scale": structure_scale,
            "style": style or None, "palette": palette or None,
            **picture_settings(studio, subject_image, style_image, becomes, art),
        }  # fmt: skip
        names = [studio.files.save_reference(path) for path in references or ()]
        given = json.dumps(scene) if scene else None
        lines, laid_on = (subjects or "").splitlines(), NO_GROUND if cutout else kept_ground(studio, ground)
        return {"run": studio.submit(settings, names, lines, owner_of(request), scene=given, ground=laid_on)}

    def status(run: int) -> dict[str, Any]:
        """The state of a run, the runs ahead, and for each subject its state, error, notes and images.

        wait_seconds: about how long it takes until the run begins; null when that is not known, or it has begun.
        images: url, seed and scores of each; notes: what the page says too, such as a drawing that stands in, or a low
        confidence.
        """
        found = studio.status(int(run))
        jobs = [
            {
                "subject": subject_of(job),
                "state": job.state,
                "error": job.error,
                "relation": (job.result or {}).get("relation"),
                "notes": (job.result or {}).get("notes", []),
                "images": picture_cards.images_for_clients(studio, job),
            }
            for job in found.jobs
        ]
        wait = None if found.wait_seconds is None else round(found.wait_seconds, 1)
        return {"run": found.run, "state": found.state, "ahead": found.ahead, "wait_seconds": wait, "jobs": jobs}

    def cancel(run: int) -> bool:
        """Stop a run within one step; finished pictures are kept. False if it had already ended."""
        studio.status(int(run))
        return studio.cancel(int(run))

    inputs = [
        files, *texts, *numbers, gr.JSON(visible=False, label="scene"),
        gr.Number(None, visible=False, label="structure_scale"),
        *(gr.File(visible=False, label=name) for name in ("subject_image", "style_image", "becomes")),
        gr.File(file_count="multiple", visible=False, label="art"),
        *(gr.Textbox("", visible=False, label=name) for name in ("style", "palette")),
        gr.File(visible=False, label="ground"),
        gr.Checkbox(False, visible=False, label="cutout"),
    ]  # fmt: skip
    button.click(client_endpoint(create), inputs, answer, api_name="create", concurrency_limit=None)
    api(client_endpoint(status), api_name="status", concurrency_limit=None)
    api(client_endpoint(cancel), api_name="cancel", concurrency_limit=None)


def kept_ground(studio: Studio, ground: str | None) -> str | None:
    """Keep an uploaded picture of a ground. Returns it as `Studio.submit` takes it; raises UserError."""
    return None if not ground else f"{studio.files.references.name}/{studio.files.save_reference(ground)}"


def picture_settings(
    studio: Studio, subject_image: str | None, style_image: str | None, becomes: str | None, art: list[str] | None
) -> dict[str, Any]:
    """The settings of a request for uploaded pictures, which are kept in the output folder. Raises UserError."""
    files = studio.files
    return {
        "subject_image": f"{files.subjects.name}/{files.save_subject(subject_image)}" if subject_image else None,
        "style_image": f"{files.references.name}/{files.save_reference(style_image)}" if style_image else None,
        "becomes": f"{files.references.name}/{files.save_reference(becomes)}" if becomes else None,
        **({"art": f"{files.art.name}/{save_art(art, files.art).name}"} if art else {}),
    }
