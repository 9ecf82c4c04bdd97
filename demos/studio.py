"""The studio without its page: the output folder, the model, the queue of jobs and its limits.

A tab is a file in tabs/ with `build(studio, context)`, called inside its gr.Tab.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analogen import (
    FoundRelation,
    Job,
    JobStore,
    OneAtATime,
    Request,
    SceneReading,
    Stages,
    UserError,
    checked_reading,
    draw_reading,
    find_model,
    load_reader,
    own_art_names,
    pick_device,
    random_seed,
    read_logic,
    read_reference,
    read_scene,
    request_from,
)
from analogen.demos.jobs.create import create_pictures
from analogen.demos.jobs.worker import Handler, Worker
from analogen.demos.messages import hide_folder
from analogen.demos.studio_files import StudioFiles
from analogen.demos.tab_interface import CREATE

if TYPE_CHECKING:
    from analogen.relsim.mini.encoder import MiniEncoder

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """The largest values that a page or a client may ask for.

    upload_mb: size of one file; references, subjects: of one run; per_user, queue: unfinished runs of one user, of all.
    """

    upload_mb: int = 32
    references: int = 8
    subjects: int = 12
    candidates: int = 16
    least_side_px: int = find_model("mini").sides_px[0]
    side_px: int = find_model("mini").sides_px[1]
    steps: int = 100
    per_user: int = 4
    queue: int = 100


@dataclass(frozen=True)
class Status:
    """The state of a run.

    state: queued, running, done, failed or cancelled; ahead: number of runs that come first; wait_seconds: until it
    begins, about, None if that is not known; stage, done, total: the
    progress of the stage that runs now. jobs: one per subject; a finished job holds its images in its result, and
    `saved` holds those of unfinished jobs. previews: WebP bytes by (job, candidate).
    """

    run: int
    state: str
    ahead: int
    stage: str
    done: int
    total: int
    jobs: tuple[Job, ...]
    previews: Mapping[tuple[int, int], bytes] = field(default_factory=dict)
    saved: Mapping[int, Sequence[dict[str, Any]]] = field(default_factory=dict)
    wait_seconds: float | None = None

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


class Studio:
    """One output folder with its queue of jobs, and a model that is loaded once.

    The job store is output/studio.sqlite. gallery: the folder that Explore searches. handlers: functions by kind of
    job; add to them before `start`.
    Raises UserError or RunError for a folder that cannot be used or a model that is not known.
    """

    def __init__(
        self,
        output: str | Path,
        model: str = "mini",
        gallery: str | Path | None = None,
        device: str = "auto",
        limits: Limits | None = None,
        art: str | Path | None = None,
    ) -> None:
        find_model(model)
        # Checked here, so that a wrong folder ends the start and not every run.
        self.art = None if art is None else Path(art).resolve()
        self.art_names = () if self.art is None else own_art_names(self.art)
        self.output = Path(output).resolve()
        self.model, self.device, self.gallery = model, device, None if gallery is None else Path(gallery)
        self.limits = limits or Limits()
        for folder in (self.output, self.gallery, self.art):
            if folder is not None:
                hide_folder(folder)
        if self.output.exists() and not self.output.is_dir():
            raise UserError(f"--output {output}: is a file, expected a folder: give another name")
        self.files = StudioFiles(self.output, self.limits.upload_mb)
        self.store = JobStore(self.output / "studio.sqlite")
        self.handlers: dict[str, Handler] = {CREATE: partial(create_pictures, self)}
        self.worker = Worker(self.store, self.handlers)
        self.closeables: list[Any] = []
        self._stages: Stages | None = None
        self._loading = threading.Lock()
        self._reader: MiniEncoder | None = None
        self._loading_reader = threading.Lock()
        self.load_error: str | None = None

    def start(self) -> None:
        """Start the worker, which continues the unfinished jobs of an earlier server, and load the model meanwhile."""
        self.worker.start()
        threading.Thread(target=self._load_model, name="load-model", daemon=True).start()

    def close(self) -> None:
        for closeable in self.closeables:
            closeable.close()
        self.worker.stop()
        self.store.close()

    # The model.

    def stages(self) -> Stages:
        """The model, loaded at the first call. Raises UserError if it cannot be loaded."""
        from analogen import load_generator

        with self._loading:
            if self._stages is None:
                anything = Request(relation="anything", subject="anything", model=self.model, device=self.device)
                self._stages = OneAtATime.where_needed(load_generator(anything), self.model)
            return self._stages

    @property
    def is_loaded(self) -> bool:
        return self._stages is not None

    def _load_model(self) -> None:
        try:
            self.stages()
            self.reader()
        except Exception as error:
            _LOG.exception("the model could not be loaded")
            self.load_error = str(error)

    def reader(self) -> MiniEncoder:
        """The encoder that reads scenes, loaded at the first call."""
        with self._loading_reader:
            if self._reader is None:
                self._reader = load_reader("mini", pick_device(self.device))
            return self._reader

    def read_reference_scene(self, name: str) -> SceneReading:
        """What a saved reference shows as a scene."""
        return read_scene(self.files.reference_path(name), self.reader())

    def understand_scene(self, text: str) -> FoundRelation:
        """The anonymous caption of an edited reading in JSON, with the model's confidence."""
        return self.stages().understand([draw_reading(checked_reading(text))]).found

    def guesses(self, references: Sequence[str], count: int = 2) -> list[str]:
        """The likeliest logics of a single saved reference as anonymous captions, the likeliest first."""
        (found,) = read_logic([read_reference(self.files.reference_path(references[0])).image], self.reader(), count)
        return [match.caption for match in found.captions]

    def understand(self, references: Sequence[str], words: str | None = None) -> FoundRelation:
        """The anonymous caption of saved references, of words, or of both, with the model's confidence."""
        images = [read_reference(self.files.reference_path(name)).image for name in references]
        return self.stages().understand(images, words or None).found

    # Runs.

    def submit(
        self, settings: Mapping[str, Any], references: Sequence[str], subjects: Sequence[str], owner: str = "",
        metadata: bool = True, scene: str | None = None, ground: str | None = None,
    ) -> int:  # fmt: skip
        """Queue one job per subject, the picture of one first. Returns the number of the run.

        settings: fields of a request by name (analogen.request_from), with paths in the output folder; references:
        names from `StudioFiles.save_reference`; owner: the user, or the page of a user without a name; scene: a reading
        in JSON that takes the place of the references, which are then only shown beside the pictures; ground: what the
        things lie on in place of the palette's ground, NO_GROUND or a picture's path in the output folder.
        Raises UserError for settings that a request does not accept, and for too many unfinished runs.
        """
        limits = self.limits
        subjects = [" ".join(subject.split()) for subject in subjects if subject.strip()]
        if not references and scene is None and not settings.get("relation"):
            raise UserError(
                "There is nothing to keep the logic of yet: add a reference picture, or describe the logic in words."
            )
        if not subjects and not settings.get("subject_image"):
            raise UserError("Name at least one subject: what should the new picture show?")
        for what, count, most in (
            ("references", len(references), limits.references), ("subjects", len(subjects), limits.subjects),
            ("candidates", int(settings.get("candidates") or 1), limits.candidates),
            ("steps", int(settings.get("steps") or 1), limits.steps),
            ("pixels of width", int(settings.get("width") or 1), limits.side_px),
            ("pixels of height", int(settings.get("height") or 1), limits.side_px),
        ):  # fmt: skip
            if count > most:
                raise UserError(f"{count} {what} are too many: at most {most}.")
        for name in ("width", "height"):
            side = settings.get(name)
            if side is not None and int(side) < limits.least_side_px:
                raise UserError(f"{int(side)} pixels of {name} are too few: at least {limits.least_side_px}.")
        shared = {"seed": random_seed(), **{k: v for k, v in settings.items() if v is not None}, "model": self.model}
        if self.art is not None and self.model == "mini":
            shared.setdefault("art", str(self.art))
        for name in references:
            self.files.reference_path(name)
        shown = [f"references/{name}" for name in references]
        if scene is None:
            shared["reference"] = shown
        else:
            checked_reading(scene)
            shared["scene"] = f"{self.files.scenes.name}/{self.files.save_scene(scene)}"
        payloads = []
        picture = shared.pop("subject_image", None)
        own = [] if picture is None else [{"subject_image": picture}]
        for one in (*own, *({"subject": subject} for subject in subjects)):
            values = {**shared, **one}
            request_from(values, self.output, self.device)
            payloads.append(
                {"values": values, "owner": owner, "metadata": metadata, "references": shown, "ground": ground}
            )
        return self.queue(CREATE, payloads, owner)

    def queue(self, kind: str, payloads: Sequence[dict[str, Any]], owner: str = "") -> int:
        """Queue jobs of any kind as one run. Returns its number.

        Raises UserError if the owner has too many unfinished runs, or if the queue is full.
        """
        with self.store.transaction():
            waiting = self.store.unfinished()
            runs = {job.group for job in waiting}
            own = {job.group for job in waiting if job.payload.get("owner") == owner}
            if len(own) >= self.limits.per_user:
                raise UserError(f"{len(own)} of your runs are still under way: wait for one, or stop it.")
            if len(runs) >= self.limits.queue:
                raise UserError("The queue is full: try again in a minute.")
            run = self.store.next_group()
            self.store.add((kind, run, payload) for payload in payloads)
        self.worker.wake()
        return run

    def status(self, run: int) -> Status:
        """The state of a run. Raises UserError if no run has that number."""
        # Read before the store: a run that ends in between is then seen as ended, never as lost.
        progress = self.worker.progress(run)
        jobs = tuple(self.store.of_group(run))
        if not jobs:
            raise UserError(f"there is no run {run} in this folder")
        states = {job.state for job in jobs}
        for state in ("running", "queued", "cancelled", "done"):
            if state in states:
                break
        else:
            state = "failed"
        if state == "queued" and "done" in states:
            state = "running"
        ahead = self.store.groups_ahead(run, jobs[0].kind) if state == "queued" else 0
        if progress is None:
            seconds = self.store.seconds_ahead(run, jobs[0].kind) if ahead else None
            return Status(run, state, ahead, "", 0, 0, jobs, wait_seconds=seconds)
        return Status(
            run, state, ahead, progress.stage, progress.done, progress.total, jobs, dict(progress.previews),
            {job: tuple(images) for job, images in list(progress.images.items())},
        )  # fmt: skip

    def cancel(self, run: int) -> bool:
        """Stop a run within one step; finished pictures are kept. Returns False if the run had already ended."""
        stopped = [self.store.cancel(job.id) for job in self.store.of_group(run)]
        return True in stopped

    def history(self, text: str = "", limit: int = 24, before: int = 2**62) -> list[Job]:
        """Jobs of Create that have pictures or failed, newest first.

        text: words that all have to occur in the job; before: only jobs with a smaller id.
        """
        return self.store.history(limit=limit, before=before, kind=CREATE, text=text)
