"""What every tab of the studio shares: the folder, the model, the queue. Nothing here knows of a page.

A tab is a file with `build(studio, desk)`, called inside its gr.Tab. Tabs talk through the `Desk`: whoever has pictures
for Create returns `desk.parcel(...)` to the output `desk.inbox`.
"""

from __future__ import annotations

import hashlib
import io
import logging
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from analogen import (
    FoundRelation,
    Job,
    JobStore,
    OneAtATime,
    Picture,
    Request,
    Stages,
    UserError,
    find_model,
    random_seed,
    read_image,
    request_from,
    write_atomic,
)
from analogen.demos.jobs.create import make
from analogen.demos.jobs.worker import Handler, Worker
from analogen.demos.tab_interface import CREATE

if TYPE_CHECKING:
    import gradio as gr

_LOG = logging.getLogger(__name__)
REFERENCE_PX, THUMB_PX = 1024, 512


@dataclass(frozen=True)
class Limits:
    """What one page or client may ask for. upload_mb of one file; per_user and queue: unfinished runs."""

    upload_mb: int = 32
    references: int = 8
    subjects: int = 12
    candidates: int = 16
    side_px: int = 2048
    steps: int = 100
    per_user: int = 4
    queue: int = 100


@dataclass(frozen=True)
class Status:
    """How a run stands. state: queued, running, done, failed or cancelled; ahead: runs that come first.

    jobs: one per subject; images of those that are done lie in their results, of those under way in `saved`.
    previews: WebP bytes by (job, candidate).
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

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Desk:
    """What lies between the tabs of one page.

    inbox: a gr.State; what a tab puts there by `parcel`, Create takes up and comes to the front.
    """

    inbox: gr.State
    tabs: gr.Tabs
    page: gr.Blocks
    history_tab: gr.Tab

    @staticmethod
    def parcel(references: Sequence[str] = (), settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """For `inbox`. references: names from `Studio.keep_reference`; settings: as in the payload of a job, such as
        {"subjects": "bicycle\\nkite", "relation": "..."}; what is not named stays as it is on the page."""
        # The mark makes two equal parcels differ, or the page would not see the second one.
        return {"mark": secrets.token_hex(4), "references": list(references), "settings": dict(settings or {})}


class Studio:
    """One output folder with its queue, and a model, loaded once.

    output/pictures, thumbs, references: what pages may load; output/studio.sqlite: the job store. gallery: the folder
    that Explore searches. handlers: by kind of job, to be added before `start`.
    Raises UserError or RunError for a folder that cannot be used or a model that is not known.
    """

    def __init__(
        self,
        output: str | Path,
        model: str = "mini",
        gallery: str | Path | None = None,
        device: str = "auto",
        limits: Limits | None = None,
    ) -> None:
        find_model(model)
        self.output = Path(output).resolve()
        self.model, self.device, self.gallery = model, device, None if gallery is None else Path(gallery)
        self.limits = limits or Limits()
        if self.output.exists() and not self.output.is_dir():
            raise UserError(f"--output {output}: is a file, expected a folder: give another name")
        try:
            for folder in self.allowed_paths:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--output {output}: cannot be written ({error.strerror}): choose another") from error
        self.store = JobStore(self.output / "studio.sqlite")
        self.handlers: dict[str, Handler] = {CREATE: partial(make, self)}
        self.worker = Worker(self.store, self.handlers)
        self.parts: list[Any] = []
        self._stages: Stages | None = None
        self._loading = threading.Lock()
        self.load_error: str | None = None

    @property
    def pictures(self) -> Path:
        return self.output / "pictures"

    @property
    def thumbs(self) -> Path:
        return self.output / "thumbs"

    @property
    def references(self) -> Path:
        return self.output / "references"

    @property
    def downloads(self) -> Path:
        return self.output / "downloads"

    @property
    def allowed_paths(self) -> tuple[Path, ...]:
        """All that the server hands out beside uploads of the page itself."""
        return (self.pictures, self.thumbs, self.references, self.downloads)

    def start(self) -> None:
        """Start the worker, which goes on with what an earlier server left, and load the model in the background."""
        self.worker.start()
        threading.Thread(target=self._warm, name="warm", daemon=True).start()

    def close(self) -> None:
        for part in self.parts:
            part.close()
        self.worker.stop()
        self.store.close()

    # The model.

    def stages(self) -> Stages:
        """The model, loaded when it is first asked for. Raises UserError for what cannot be had."""
        from analogen import load_generator

        with self._loading:
            if self._stages is None:
                anything = Request(relation="anything", subject="anything", model=self.model, device=self.device)
                self._stages = OneAtATime.where_needed(load_generator(anything), self.model)
            return self._stages

    @property
    def is_loaded(self) -> bool:
        return self._stages is not None

    def _warm(self) -> None:
        try:
            self.stages()
        except Exception as error:
            _LOG.exception("the model could not be loaded")
            self.load_error = str(error)

    def understand(self, references: Sequence[str], words: str | None = None) -> FoundRelation:
        """The anonymous caption of kept references, of words, or of both, and how sure the model is."""
        images = [read_image(self.reference_path(name)).image for name in references]
        return self.stages().understand(images, words or None).found

    # References.

    def keep_reference(self, path: str | Path) -> str:
        """Copy a picture that a user gave into the folder, read by the checked reader. Returns its name there.

        The name is of the content, so that the same picture is kept once. Raises UserError with one line for whatever
        cannot be read.
        """
        return self.keep_picture(self.read(path))

    def read(self, path: str | Path) -> Picture:
        """An upload by the checked reader. Raises UserError for whatever cannot be read."""
        path = Path(path)
        try:
            if path.stat().st_size > self.limits.upload_mb * 2**20:
                raise UserError(f"{path.name}: is over {self.limits.upload_mb} MB: shrink it")
            return read_image(path)
        except UserError:
            raise
        except (ValueError, OSError) as error:
            raise UserError(str(error)) from error

    def keep_picture(self, picture: Picture) -> str:
        image = picture.image.copy()
        image.thumbnail((REFERENCE_PX, REFERENCE_PX))
        buffer = io.BytesIO()
        image.save(buffer, "PNG", compress_level=4)
        name = hashlib.sha256(image.tobytes() + repr(image.size).encode()).hexdigest()[:20] + ".png"
        if not (self.references / name).exists():
            write_atomic(self.references / name, buffer.getvalue())
        return name

    def reference_path(self, name: str) -> Path:
        """Raises UserError for a name that is none of this folder's: pages send names, never paths."""
        path = self.references / name
        if path.parent != self.references or not path.is_file():
            raise UserError(f"no reference {name[:60]!r} is kept here: give the picture again")
        return path

    def thumb(self, path: Path) -> Path:
        """A small WebP of a picture in the output folder, made once."""
        mark = hashlib.sha256(str(path.relative_to(self.output)).encode()).hexdigest()[:20]
        small = self.thumbs / f"{mark}.webp"
        if not small.exists() or small.stat().st_mtime < path.stat().st_mtime:
            image = read_image(path).image
            image.thumbnail((THUMB_PX, THUMB_PX))
            buffer = io.BytesIO()
            image.save(buffer, "WEBP", quality=82, method=2)
            write_atomic(small, buffer.getvalue())
        return small

    @staticmethod
    def url(path: Path) -> str:
        """Where a page finds a file below `allowed_paths`."""
        return "gradio_api/file=" + quote(str(path))

    # Runs.

    def submit(
        self, settings: Mapping[str, Any], references: Sequence[str], subjects: Sequence[str], owner: str = "",
        metadata: bool = True,
    ) -> int:  # fmt: skip
        """Queue one job per subject. Returns the number of the run.

        settings: fields of a request by name (analogen.request_from); references: names from `keep_reference`.
        Raises UserError for whatever no request takes, and for too many unfinished runs.
        """
        limits = self.limits
        subjects = [" ".join(subject.split()) for subject in subjects if subject.strip()]
        if not references and not settings.get("relation"):
            raise UserError("There is nothing to keep the logic of yet: add a reference picture, or say it in words.")
        if not subjects:
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
        shared = {"seed": random_seed(), **{k: v for k, v in settings.items() if v is not None}, "model": self.model}
        for name in references:
            self.reference_path(name)
        payloads = []
        for subject in subjects:
            values = {**shared, "subject": subject, "reference": [f"references/{name}" for name in references]}
            request_from(values, self.output, self.device)
            payloads.append({"values": values, "owner": owner, "metadata": metadata})
        return self.queue(CREATE, payloads, owner)

    def queue(self, kind: str, payloads: Sequence[dict[str, Any]], owner: str = "") -> int:
        """Queue jobs of any kind as one run. Raises UserError if the user, or all together, have too many."""
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
        """How a run stands. Raises UserError if there is none of that number."""
        # Asked first: a run that ends in between is then seen as ended, never as lost.
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
            return Status(run, state, ahead, "", 0, 0, jobs)
        return Status(
            run, state, ahead, progress.stage, progress.done, progress.total, jobs, dict(progress.previews),
            {job: tuple(images) for job, images in list(progress.images.items())},
        )  # fmt: skip

    def cancel(self, run: int) -> bool:
        """Stop a run within a step; what is finished stays. False if it had ended."""
        stopped = [self.store.cancel(job.id) for job in self.store.of_group(run)]
        return True in stopped

    def history(self, text: str = "", limit: int = 24, before: int = 2**62) -> list[Job]:
        """Jobs of Create that have pictures or failed, newest first."""
        return self.store.history(limit=limit, before=before, kind=CREATE, text=text)
