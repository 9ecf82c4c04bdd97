"""Who does the work: one thread per kind of job, over the job store, whoever looks at the page.

What a job is lies in the store, so that a server that is started again goes on with it; how far it is lies here.
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

if TYPE_CHECKING:
    from PIL.Image import Image

_LOG = logging.getLogger(__name__)
# A job under which the server died so many times is not tried again: it may be the reason.
MAX_ATTEMPTS = 3
Handler = Callable[[Sequence[Job], "Work"], None]


class Stopped(Exception):
    """The job was cancelled, or the server ends: leave everything as it is."""


@dataclass
class Progress:
    """How far a group of jobs is. previews: WebP by (job, candidate); images: what is saved already, by job."""

    stage: str = "waiting"
    done: int = 0
    total: int = 0
    previews: dict[tuple[int, int], bytes] = field(default_factory=dict)
    images: dict[int, list[dict[str, Any]]] = field(default_factory=dict)


class Work:
    """What a handler tells while it works on a group of jobs.

    jobs: those to make; the others of the group were done before. Every method but `fail` raises Stopped once there
    is nothing left to do for it.
    """

    def __init__(self, jobs: Sequence[Job], store: JobStore, progress: Progress, ends: threading.Event) -> None:
        self.jobs = [job for job in jobs if job.state == "running"]
        self._left = {job.id for job in self.jobs}
        self._store, self._progress, self._ends = store, progress, ends

    def check(self) -> None:
        """Raises Stopped if all that was left has been cancelled or taken over, or the server ends."""
        if self._ends.is_set() or not any(self._store.holds(job) for job in self._left):
            raise Stopped

    def report(self, stage: str, done: int, total: int) -> None:
        self.check()
        self._progress.stage, self._progress.done, self._progress.total = stage, done, total

    def preview(self, job: Job, candidate: int, picture: Image) -> None:
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=70, method=0)
        self._progress.previews[job.id, candidate] = buffer.getvalue()

    def show(self, job: Job, image: dict[str, Any]) -> None:
        """One picture of a job is on disk."""
        self._progress.images.setdefault(job.id, []).append(image)
        self.check()

    def finish(self, job: Job, result: dict[str, Any]) -> None:
        self._store.finish(job.id, result)
        self._left.discard(job.id)

    def fail(self, job: Job, error: Exception) -> None:
        self._store.fail(job.id, sentence(error))
        self._left.discard(job.id)

    @property
    def left(self) -> list[Job]:
        return [job for job in self.jobs if job.id in self._left]


def sentence(error: BaseException) -> str:
    """What a page says about an error: its own words if it is meant for users, and no more than its kind if not."""
    if isinstance(error, UserError | RunError | FileNotFoundError):
        return plain_words(str(error))
    if isinstance(error, MemoryError):
        return "There is not enough memory for this: make smaller pictures, or fewer candidates."
    return f"This did not work ({type(error).__name__}): try again; the server's log tells more."


def plain_words(text: str) -> str:
    """A line of the command line's without its flags and without folders of the server."""
    import re

    text = re.sub(r"(?<![\w.])/(?:[^/\s:'\"]+/)+", "", text)
    text = re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda found: found.group(1).replace("-", " "), text)
    text = " ".join(text.split())
    return text[:1].upper() + text[1:400] + ("" if text.endswith(".") else ".")


class Worker:
    """Threads over the store: one per kind, so that a long batch does not hold up a single picture.

    handlers: by kind of job. A handler tells by its Work what becomes of the jobs; whatever it leaves fails with what
    it raised.
    """

    def __init__(self, store: JobStore, handlers: Mapping[str, Handler]) -> None:
        self.store, self.handlers = store, handlers
        self._progress: dict[int, Progress] = {}
        self._ends, self._news = threading.Event(), threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for kind in self.handlers:
            self._threads.append(threading.Thread(target=self._lane, args=(kind,), name=f"lane-{kind}", daemon=True))
        self._threads.append(threading.Thread(target=self._beat, name="heartbeat", daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """End within a step; what is unfinished goes back to the queue."""
        self._ends.set()
        self.wake()
        for thread in self._threads:
            thread.join(seconds)
        self._threads.clear()
        with suppress(RunError):
            self.store.release()

    def wake(self) -> None:
        """Something new is in the queue."""
        with self._news:
            self._news.notify_all()

    def progress(self, group: int) -> Progress | None:
        """How far a group under way in this process is."""
        return self._progress.get(group)

    def _lane(self, kind: str) -> None:
        while not self._ends.is_set():
            try:
                jobs = self.store.claim(kind)
                if jobs:
                    self._do(self.handlers[kind], jobs)
                    continue
            except Exception:
                # A full disk, a locked file: the queue stays as it is, and the lane tries again.
                _LOG.exception("the lane of %s stumbled", kind)
            with self._news:
                if not self._ends.is_set():
                    # Other processes may fill the store too: look now and then.
                    self._news.wait(2.0)

    def _do(self, handler: Handler, jobs: Sequence[Job]) -> None:
        group = jobs[0].group
        progress = self._progress[group] = Progress()
        work = Work(jobs, self.store, progress, self._ends)
        try:
            for job in work.left:
                if job.attempts > MAX_ATTEMPTS:
                    work.fail(job, RunError(f"the server stopped {MAX_ATTEMPTS} times while making this: try less"))
            if work.left:
                handler(jobs, work)
            for job in work.left:
                if self.store.holds(job.id):
                    work.fail(job, RunError("this came to no end: try again"))
        except Stopped:
            if self._ends.is_set():
                self.store.release()
        except Exception as error:
            if not isinstance(error, UserError):
                _LOG.exception("jobs of group %d failed", group)
            for job in work.left:
                work.fail(job, error)
        finally:
            self._progress.pop(group, None)

    def _beat(self) -> None:
        while not self._ends.wait(self.store.lease_seconds / 4):
            try:
                self.store.heartbeat()
            except Exception:
                _LOG.exception("no heartbeat")
