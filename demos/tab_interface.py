"""What a tab may use: of the studio, and of the other tabs on its page."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from analogen import JobStore, Stages
from analogen.demos.studio_files import StudioFiles

if TYPE_CHECKING:
    import gradio as gr

CREATE = "create"  # the kind of the jobs of the Create tab


class StudioInterface(Protocol):
    """What a tab uses of the studio. closeables: objects that are closed with the studio."""

    output: Path
    model: str
    device: str
    gallery: Path | None
    store: JobStore
    files: StudioFiles
    closeables: list[Any]

    @property
    def limits(self) -> Any:
        """The largest values that a page may ask for: candidates, side_px, steps."""

    def stages(self) -> Stages:
        """The model, loaded once."""


@dataclass(frozen=True)
class PageContext:
    """What the tabs of one page share.

    form_state: a gr.State; when a tab writes a value of `form(...)` into it, Create fills in its form from that value
    and comes to the front.
    """

    form_state: gr.State
    tabs: gr.Tabs
    page: gr.Blocks
    history_tab: gr.Tab

    @staticmethod
    def form(
        references: Sequence[str] = (), settings: Mapping[str, Any] | None = None, picture: int | None = None
    ) -> dict[str, Any]:
        """The value for `form_state`.

        references: names from `StudioFiles.save_reference`; settings: as in the payload of a job, such as
        {"subject": "bicycle\\nkite", "relation": "..."}; a field that is not named keeps its value on the page.
        picture: the number of a card, whose run comes onto the bench too.
        """
        # Gradio compares values: without the key it would not notice that the same form was sent twice.
        return {"key": secrets.token_hex(4), "references": list(references), "settings": dict(settings or {}),
                "picture": picture}  # fmt: skip
