"""Divides the rows of a manifest into chunks, which go through the stages together."""

from __future__ import annotations

from analogen.batch.manifest import Asset
from analogen.types import Request

# Least and most candidates of a chunk: enough to fill a pass, but few, since a killed process loses its pass.
CHUNK_CANDIDATES = (16, 64)


def chunk_key(request: Request) -> tuple[object, ...]:
    """The settings that all rows of a chunk share."""
    return (*request.pass_settings, request.width, request.height)


class Chunks:
    """Assigns rows to chunks: rows that can share a pass, in the order of the manifest, up to the size of a chunk."""

    def __init__(self, first: int, candidates: int) -> None:
        self._next = first
        least, most = CHUNK_CANDIDATES
        # The size depends on the manifest only: with the machine, the same run would give other pictures elsewhere.
        self._size = min(max(candidates // 8, least), most)
        self._open: dict[object, tuple[int, int]] = {}

    def place(self, asset: Asset) -> int:
        """The group number of a row's chunk."""
        request = asset.request
        key = chunk_key(request)
        group, room = self._open.get(key, (0, 0))
        if room < request.candidates:
            group, room = self._next, self._size
            self._next += 1
        self._open[key] = (group, room - request.candidates)
        return group
