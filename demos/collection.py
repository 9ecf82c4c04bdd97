"""What users do with finished pictures: star them, write notes, delete them and take that back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

from analogen import Job, JobStore, UserError
from analogen.demos.studio_files import StudioFiles

MAX_NOTE = 1000  # characters


class Collection:
    """The marks of pictures, kept in the results of their jobs. job, rank: as in /history."""

    def __init__(self, store: JobStore, files: StudioFiles) -> None:
        self._store, self._files = store, files

    def find(self, job: int, rank: int) -> tuple[Job, dict[str, Any]]:
        """A picture of a finished job, deleted or not. Raises UserError if there is none."""
        found = self._store.get(job)
        for image in (found.result or {}).get("images", ()) if found else ():
            if image["rank"] == rank and found is not None:
                return found, image
        raise UserError(f"there is no picture {rank} of job {job} here")

    def star(self, job: int, rank: int, starred: bool | None = None) -> bool:
        """Star a picture or not; None turns it over. Returns whether it is starred now."""
        return bool(self._change(job, rank, lambda image: image.update(
            starred=not image.get("starred") if starred is None else starred))["starred"])  # fmt: skip

    def write_note(self, job: int, rank: int, text: str) -> str:
        """Set the note of a picture. Returns it as kept."""
        text = text.strip()
        if len(text) > MAX_NOTE:
            raise UserError(f"the note has {len(text)} characters, at most {MAX_NOTE} are kept: shorten it")
        self._change(job, rank, lambda image: image.update(note=text))
        return text

    def delete(self, job: int, rank: int) -> None:
        """Hide a picture; its files wait in `deleted`, where no page can load them."""
        self._change(job, rank, lambda image: image.update(deleted=True))
        self._move(job, rank, back=False)

    def restore(self, job: int, rank: int) -> None:
        """Take the deletion of a picture back."""
        self._move(job, rank, back=True)
        self._change(job, rank, lambda image: image.pop("deleted", None))

    def _change(self, job: int, rank: int, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        with self._store.transaction():
            found, image = self.find(job, rank)
            change(image)
            if not self._store.replace_result(job, found.result or {}):
                raise UserError("this run was taken up again: wait until it is done, then try once more")
        return image

    def _move(self, job: int, rank: int, back: bool) -> None:
        _, image = self.find(job, rank)
        start, end = self._files.pictures, self._files.deleted
        if back:
            start, end = end, start
        end.mkdir(exist_ok=True)
        for suffix in (".png", ".svg"):
            path = (start / image["path"]).with_suffix(suffix)
            if path.is_file():
                shutil.move(path, end / path.name)
