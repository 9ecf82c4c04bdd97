"""What clients of the studio call to check, start, follow and fetch batches; the docstrings are the endpoints' own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from analogen import UserError
from analogen.demos.components import for_clients, sentence
from analogen.demos.jobs.batches import Batches, Refused
from analogen.demos.uploads import checked_files


def settings_of(
    num_images: float, candidates: float, size: float, seed: float | None, steps: float | None
) -> dict[str, Any]:
    return {
        "num_images": int(num_images), "candidates": max(int(candidates), int(num_images)), "width": int(size),
        "height": int(size), "seed": None if seed is None else int(seed), "steps": int(steps) if steps else None,
    }  # fmt: skip


class BatchCalls:
    """Each method is an endpoint of its name."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    @for_clients
    def batch_check(
        self, files: list[str], subjects: str = "", num_images: int = 1, candidates: int = 4, size: int = 1024,
        seed: int = 0, steps: int | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Check a batch and start nothing.

        Args:
            files: Reference pictures, and a manifest (CSV or JSONL) if there is one.
            subjects: One per line, for a batch without a manifest.
            num_images: Pictures to keep per row.
            candidates: Pictures to make per row, the best of which are kept.
            size: Width and height in pixels.
            seed: Mixed with each row's id.
            steps: Of sampling; nothing means the model's own.

        Returns:
            ok, rows and pictures; or the problems, one line each with its place.
        """
        settings = settings_of(num_images, candidates, size, seed, steps)
        try:
            found = self.batches.check(checked_files(files), subjects or "", settings)
        except Refused as error:
            return {"ok": False, "message": sentence(str(error)), "problems": list(error.problems)}
        except UserError as error:
            return {"ok": False, "message": sentence(str(error)), "problems": []}
        return {"ok": True, "rows": found.rows, "pictures": found.pictures, "candidates": found.candidates}

    @for_clients
    def batch_start(
        self, files: list[str], subjects: str = "", title: str = "", num_images: int = 1, candidates: int = 4,
        size: int = 1024, seed: int = 0, steps: int | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Start a batch, which goes on whoever watches.

        Args:
            files: Reference pictures, and a manifest (CSV or JSONL) if there is one.
            subjects: One per line, for a batch without a manifest.
            title: Its name on the page.
            num_images: Pictures to keep per row.
            candidates: Pictures to make per row, the best of which are kept.
            size: Width and height in pixels.
            seed: Mixed with each row's id.
            steps: Of sampling; nothing means the model's own.

        Returns:
            batch: the name that the other calls take.
        """
        settings = settings_of(num_images, candidates, size, seed, steps)
        try:
            return {"batch": self.batches.add(checked_files(files), subjects or "", settings, title or "")}
        except Refused as error:
            raise UserError(f"{error}: {'; '.join(error.problems[:20])}") from error

    def batch_list(self) -> list[dict[str, str]]:
        """All batches of this studio, the newest first.

        Returns:
            Name and title of each.
        """
        return [{"batch": name, "title": self.batches.title(name)} for name in self.batches.names()]

    @for_clients
    def batch_status(self, batch: str) -> dict[str, Any]:
        """How far a batch is.

        Args:
            batch: Its name.

        Returns:
            state (waiting, running, pausing, paused, cancelled, done, stopped), rows, done, failed, and seconds_left.
        """
        return {"batch": batch, **asdict(self.batches.run(batch).status())}

    @for_clients
    def batch_results(self, batch: str) -> dict[str, Any]:
        """The rows of a batch that have ended, the latest first, at most 1000.

        Args:
            batch: Its name.

        Returns:
            For each row its id, line, subject, pictures with seed and scores, or the error.
        """
        rows = [asdict(row) for row in self.batches.run(batch).rows(1000)]
        for row in rows:
            # A client would try to load whatever is called a path.
            row["images"] = [
                {"file": image["path"], "seed": image["seed"], "scores": image["scores"]} for image in row["images"]
            ]
        return {"batch": batch, "rows": rows}

    @for_clients
    def batch_pause(self, batch: str) -> dict[str, Any]:
        """Pause a batch; it stays paused over a restart.

        Args:
            batch: Its name.

        Returns:
            Its status.
        """
        self.batches.pause(batch)
        return {"batch": batch, **asdict(self.batches.run(batch).status())}

    @for_clients
    def batch_resume(self, batch: str) -> dict[str, Any]:
        """Go on with a paused batch.

        Args:
            batch: Its name.

        Returns:
            Its status.
        """
        self.batches.resume(batch)
        return {"batch": batch, **asdict(self.batches.run(batch).status())}

    @for_clients
    def batch_cancel(self, batch: str) -> dict[str, Any]:
        """End a batch for good; what is made stays.

        Args:
            batch: Its name.

        Returns:
            Its status.
        """
        self.batches.cancel(batch)
        return {"batch": batch, **asdict(self.batches.run(batch).status())}

    @for_clients
    def batch_download(self, batch: str) -> str:
        """The pictures so far and results.jsonl as a ZIP file.

        Args:
            batch: Its name.

        Returns:
            The file.
        """
        return str(self.batches.archive(batch))
