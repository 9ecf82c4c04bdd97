"""The batch endpoints of the studio's API: check, start, follow, pause and download batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

from analogen import UserError
from analogen.demos.components import client_endpoint
from analogen.demos.jobs.batch_input import BatchRefused
from analogen.demos.jobs.batches import Batches
from analogen.demos.messages import error_message, sentence
from analogen.demos.numbers import MAX_SEED, whole_number
from analogen.demos.uploads import checked_files

Function = TypeVar("Function", bound=Callable[..., Any])
_NAME = {"batch": "Its name."}
_INPUT = {
    "files": "Reference pictures, and a manifest (CSV or JSONL) if there is one.",
    "subjects": "One per line, for a batch without a manifest.",
}
_SETTINGS = {
    "num_images": "Pictures to keep per row.",
    "candidates": "Pictures to make per row, the best of which are kept.",
    "size": "Width and height in pixels.",
    "seed": "Mixed with each row's id.",
    "steps": "Sampling steps; empty for the model's own number.",
}
_STATUS = "state (waiting, running, pausing, paused, cancelled, done, stopped), rows, done, failed, and seconds_left."


def batch_settings(
    num_images: float, candidates: float, size: float, seed: float | None, steps: float | None, batches: Batches
) -> dict[str, Any]:
    """The settings of a batch from the fields of a page or a client. Raises UserError, which names the field."""
    limits = batches.limits
    count = whole_number("num_images", num_images, 1, limits.get("num_images", 256))
    side = whole_number("size", size, *batches.sides_px)
    return {
        "num_images": count,
        "candidates": max(whole_number("candidates", candidates, 1, limits.get("candidates", 256)), count),
        "width": side, "height": side,
        "seed": None if seed is None else whole_number("seed", seed, 0, MAX_SEED),
        "steps": whole_number("steps", steps, 1, limits.get("steps", 1000)) if steps else None,
    }  # fmt: skip


def _documented(summary: str, arguments: dict[str, str], returns: str) -> Callable[[Function], Function]:
    """Set the docstring of an endpoint, which Gradio shows to clients."""

    def document(function: Function) -> Function:
        lines = "\n".join(f"    {name}: {text}" for name, text in arguments.items())
        function.__doc__ = f"{summary}\n\n" + (f"Args:\n{lines}\n\n" if lines else "") + f"Returns:\n    {returns}\n"
        return function

    return document


class BatchEndpoints:
    """The endpoints; each method has the name of its endpoint."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    @client_endpoint
    @_documented(
        "Check a batch without starting it.", _INPUT | _SETTINGS,
        "ok, rows and pictures; or the problems, one line each with its place.",
    )  # fmt: skip
    def batch_check(
        self, files: list[str], subjects: str = "", num_images: int = 1, candidates: int = 4, size: int = 1024,
        seed: int = 0, steps: int | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        try:
            settings = batch_settings(num_images, candidates, size, seed, steps, self.batches)
            found = self.batches.check(checked_files(files), subjects or "", settings)
        except UserError as error:
            problems = list(error.problems) if isinstance(error, BatchRefused) else []
            return {"ok": False, "message": sentence(error_message(error)), "problems": problems}
        return {"ok": True, "rows": found.rows, "pictures": found.pictures, "candidates": found.candidates}

    @client_endpoint
    @_documented(
        "Start a batch, which continues without a client.", _INPUT | {"title": "Its name on the page."} | _SETTINGS,
        "batch: the name that the other endpoints take.",
    )  # fmt: skip
    def batch_start(
        self, files: list[str], subjects: str = "", title: str = "", num_images: int = 1, candidates: int = 4,
        size: int = 1024, seed: int = 0, steps: int | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        settings = batch_settings(num_images, candidates, size, seed, steps, self.batches)
        try:
            return {"batch": self.batches.add(checked_files(files), subjects or "", settings, title or "")}
        except BatchRefused as error:
            raise UserError(f"{error}: {'; '.join(error.problems[:20])}") from error

    @_documented("All batches of this studio, the newest first.", {}, "Name and title of each.")
    def batch_list(self) -> list[dict[str, str]]:
        return [{"batch": name, "title": self.batches.title(name)} for name in self.batches.names()]

    @client_endpoint
    @_documented("The status of a batch.", _NAME, _STATUS)
    def batch_status(self, batch: str) -> dict[str, Any]:
        return {"batch": batch, **asdict(self.batches.run(batch).status())}

    @client_endpoint
    @_documented(
        "The finished and failed rows of a batch, the latest first, at most 1000.", _NAME,
        "For each row its id, line, subject, pictures with seed and scores, or the error.",
    )  # fmt: skip
    def batch_results(self, batch: str) -> dict[str, Any]:
        rows = [asdict(row) for row in self.batches.run(batch).rows(1000)]
        for row in rows:
            # Not as `path`: a client of Gradio would try to load such a file.
            row["images"] = [
                {"file": image["path"], "seed": image["seed"], "scores": image["scores"]} for image in row["images"]
            ]
        return {"batch": batch, "rows": rows}

    @client_endpoint
    @_documented("Pause a batch; it stays paused over a restart.", _NAME, "Its status.")
    def batch_pause(self, batch: str) -> dict[str, Any]:
        self.batches.pause(batch)
        return {"batch": batch, **asdict(self.batches.run(batch).status())}

    @client_endpoint
    @_documented("Continue a paused batch.", _NAME, "Its status.")
    def batch_resume(self, batch: str) -> dict[str, Any]:
        self.batches.resume(batch)
        return {"batch": batch, **asdict(self.batches.run(batch).status())}

    @client_endpoint
    @_documented("End a batch for good; its finished pictures are kept.", _NAME, "Its status.")
    def batch_cancel(self, batch: str) -> dict[str, Any]:
        self.batches.cancel(batch)
        return {"batch": batch, **asdict(self.batches.run(batch).status())}

    @client_endpoint
    @_documented("The finished pictures and results.jsonl as a ZIP file.", _NAME, "The file.")
    def batch_download(self, batch: str) -> str:
        return str(self.batches.archive(batch))
