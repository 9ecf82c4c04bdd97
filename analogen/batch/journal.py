"""Writes results.jsonl: one line per finished row, kept consistent with the job store even after a crash.

A line is appended inside the transaction that ends the job, and the store records the new length of the file. Bytes
beyond that length were written by a process that died before its commit; they are cut off before the next line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analogen.batch.jobs import Job, JobStore
from analogen.errors import RunError
from analogen.files import write_atomic

NAME = "results.jsonl"
_LENGTH = "results_bytes"


class Journal:
    """The results of one job store, in the same folder. Its methods raise RunError if they cannot write."""

    def __init__(self, store: JobStore, folder: Path) -> None:
        self.store = store
        self.path = folder / NAME

    def record(self, job: Job, result: dict[str, Any] | None, error: str | None) -> bool:
        """End a job and append its line. Returns False, and writes nothing, if this process no longer holds the job."""
        with self.store.transaction():
            ended = self.store.fail(job.id, error or "failed") if result is None else self.store.finish(job.id, result)
            if ended:
                self._append(line_of(job.payload, result, error))
            return ended

    def rewrite(self, in_order_of_ending: bool = True) -> None:
        """Write all lines again from the job store: before rows are retried, and in the manifest's order at the end."""
        length = 0

        def lines() -> Iterator[bytes]:
            nonlocal length
            for job in self.store.ended(in_order_of_ending):
                line = line_of(job.payload, job.result, job.error)
                length += len(line)
                yield line

        with self.store.transaction():
            # The file is replaced before the commit. If the commit fails, the lengths differ and it is written again.
            write_atomic(self.path, lines(), make_folder=False)
            self.store.set_note(_LENGTH, str(length))

    def repair(self) -> None:
        """Cut off lines that were not committed; write the file again if lines are missing."""
        with self.store.transaction():
            length = self._length()
            found = self.path.stat().st_size if self.path.exists() else 0
            if found < length:
                self.rewrite()
            elif found > length:
                with self.path.open("r+b") as file:
                    file.truncate(length)

    def _append(self, line: bytes) -> None:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                length = self._length()
                if os.fstat(descriptor).st_size < length:  # a rewrite that was not committed, or another file
                    self.rewrite()
                    return
                os.ftruncate(descriptor, length)
                os.lseek(descriptor, length, os.SEEK_SET)
                view = memoryview(line)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written ({(error.strerror or str(error)).lower()})") from error
        self.store.set_note(_LENGTH, str(length + len(line)))

    def _length(self) -> int:
        return int(self.store.note(_LENGTH) or 0)


def line_of(payload: dict[str, Any], result: dict[str, Any] | None, error: str | None) -> bytes:
    """The line of a row: id, line in the manifest, state, and its result or error."""
    head = {"id": payload["id"], "line": payload["line"], "state": "failed" if result is None else "done"}
    body = {"error": error} if result is None else result
    return json.dumps({**head, **body}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
