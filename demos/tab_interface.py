"""What a tab needs of the studio around it, so that each can be built and tested without the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from analogen import JobStore, Stages

CREATE = "create"  # the kind of the jobs that somebody waits for


class Host(Protocol):
    """The studio. parts: what is closed with it. downloads: a folder whose files the page may load."""

    output: Path
    model: str
    device: str
    gallery: Path | None
    store: JobStore
    parts: list[Any]

    @property
    def limits(self) -> Any:
        """The most that a page may ask for: candidates, side_px, steps."""

    @property
    def pictures(self) -> Path:
        """Where Create keeps its pictures."""

    @property
    def downloads(self) -> Path:
        """Where files to load lie."""

    def stages(self) -> Stages:
        """The model, loaded once."""

    def thumb(self, path: Path) -> Path:
        """A small file of a picture in the output folder."""

    def keep_reference(self, path: str | Path) -> str:
        """Copy a picture to the references. Returns its name there."""


class Inbox(Protocol):
    """The way to Create."""

    @property
    def inbox(self) -> Any:
        """The gr.State that takes a parcel."""

    def parcel(self, references: Sequence[str] = (), settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """References by their names, for Create."""
