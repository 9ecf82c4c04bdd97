"""Runs the studio's jobs: a thread for each kind takes jobs from the job store and calls their handler.

The store holds the jobs themselves, so that a restarted server continues them; this file holds their progress.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analogen import Job, JobStore, RunError, UserError
from analogen.demos.messages import error_message, page_sentence

if TYPE_CHECKING:
    from PIL.Image import Image

_LOG = logging.getLogger(__name__)
# A job during which the server died this many times is not tried again: it may be the cause.
MAX_ATTEMPTS = 3
Handler = Callable[[Sequence[Job], "JobContext"], None]


class JobStopped(Exception):
    """Raised in a handler when its jobs were cancelled or the server stops; everything stays as it is."""


@dataclass
class Progress:
    """The progress of a group of jobs. previews: WebP bytes by (job, candidate); images: saved pictures by job."""

    stage: str = "waiting"
    done: int = 0
    total: int = 0
    previews: dict[tuple[int, int], bytes] = field(default_factory=dict)
    images: dict[int, list[dict[str, Any]]] = field(default_factory=dict)


class JobContext:
    """What a handler uses to report on a group of jobs.

    jobs: the jobs to run; the others of the group were finished before. Methods raise JobStopped once no job of them
    is left to run, except `preview`, `finish` and `fail`.
    """

    def __init__(self, jobs: Sequence[Job], store: JobStore, progress: Progress, stopping: threading.Event) -> None:
        self.jobs = [job for job in jobs if job.state == "running"]
        self._unfinished = {job.id for job in self.jobs}
        self._store, self._progress, self._stopping = store, progress, stopping

    def check(self) -> None:
        """Raise JobStopped if all unfinished jobs were cancelled or taken over, or if the server stops."""
        if self._stopping.is_set() or not any(self._store.holds(job) for job in self._unfinished):
            raise JobStopped

    def report(self, stage: str, done: int, total: int) -> None:
        """Set the progress: `done` of `total` steps of a stage."""
        self.check()
        self._progress.stage, self._progress.done, self._progress.total = stage, done, total

    def preview(self, job: Job, candidate: int, picture: Image) -> None:
        """Set the preview of an unfinished candidate."""
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=70, method=0)
        self._progress.previews[job.id, candidate] = buffer.getvalue()

    def add_image(self, job: Job, image: dict[str, Any]) -> None:
        """Report that a picture of a job was saved."""
        self._progress.images.setdefault(job.id, []).append(image)
        self.check()

    def finish(self, job: Job, result: dict[str, Any]) -> None:
        self._store.finish(job.id, result)
        self._unfinished.discard(job.id)

    def fail(self, job: Job, error: Exception, log: bool = True) -> None:
        self._store.fail(job.id, page_sentence(error_message(error, log)))
        self._unfinished.discard(job.id)

    @property
    def unfinished(self) -> list[Job]:
        return [job for job in self.jobs if job.id in self._unfinished]


class Worker:
    """Threads over the job store: one per kind, so that a long job of one kind does not delay the others.

    handlers: functions by kind of job. A handler reports the result of each job through its JobContext; jobs that it
    leaves unfinished fail with the error that it raised.
    """

    def __init__(self, store: JobStore, handlers: Mapping[str, Handler]) -> None:
        self.store, self.handlers = store, handlers
        self._progress: dict[int, Progress] = {}
        self._stopping, self._new_jobs = threading.Event(), threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for kind in self.handlers:
            self._threads.append(threading.Thread(target=self._run, args=(kind,), name=f"worker-{kind}", daemon=True))
        self._threads.append(threading.Thread(target=self._send_heartbeats, name="heartbeat", daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Stop within one step; unfinished jobs go back to the queue."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join(seconds)
        self._threads.clear()
        with suppress(RunError):
            self.store.release()

    def wake(self) -> None:
        """Look for new jobs at once."""
        with self._new_jobs:
            self._new_jobs.notify_all()

    def progress(self, group: int) -> Progress | None:
        """The progress of a group that runs in this process."""
        return self._progress.get(group)

    def _run(self, kind: str) -> None:
        while not self._stopping.is_set():
            try:
                jobs = self.store.claim(kind)
                if jobs:
                    self._run_group(self.handlers[kind], jobs)
                    continue
            except Exception:
                # A full disk, a locked file: the queue stays as it is, and the thread tries again.
                _LOG.exception("the worker of %s jobs failed", kind)
            with self._new_jobs:
                if not self._stopping.is_set():
                    # Other processes may add jobs to the store too, without a call of `wake`.
                    self._new_jobs.wait(2.0)

    def _run_group(self, handler: Handler, jobs: Sequence[Job]) -> None:
        group = jobs[0].group
        progress = self._progress[group] = Progress()
        context = JobContext(jobs, self.store, progress, self._stopping)
        try:
            for job in context.unfinished:
                if job.attempts > MAX_ATTEMPTS:
                    context.fail(job, RunError(f"the server stopped {MAX_ATTEMPTS} times while making this: try less"))
            if context.unfinished:
                handler(jobs, context)
            for job in context.unfinished:
                if self.store.holds(job.id):
                    context.fail(job, RunError("this job did not finish: try again"))
        except JobStopped:
            if self._stopping.is_set():
                self.store.release()
        except Exception as error:
            if not isinstance(error, UserError):
                _LOG.exception("jobs of group %d failed", group)
            for job in context.unfinished:
                context.fail(job, error, log=False)
        finally:
            self._progress.pop(group, None)

    def _send_heartbeats(self) -> None:
        while not self._stopping.wait(self.store.lease_seconds / 4):
            try:
                self.store.heartbeat()
            except Exception:
                _LOG.exception("the heartbeat failed")
