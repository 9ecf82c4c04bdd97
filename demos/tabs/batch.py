"""The Batch tab: a manifest, or references times subjects, is checked, started and followed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from analogen import RunError, UserError
from analogen.demos.components import empty_state, error_box, note
from analogen.demos.jobs.api import BatchEndpoints, batch_settings
from analogen.demos.jobs.batch_input import MANIFEST_SUFFIXES, BatchRefused
from analogen.demos.jobs.batches import Batches
from analogen.demos.messages import error_message, sentence
from analogen.demos.tab_interface import CREATE, PageContext, StudioInterface
from analogen.demos.tabs.batch_cards import card, failures, preview
from analogen.demos.uploads import checked_files

TICK_SECONDS = 2.0
MAX_WAIT_SECONDS = 60.0


NO_INPUT = empty_state(
    "Many pictures in one go",
    "Upload references and write the subjects, one per line: every reference is combined with every subject. Or upload "
    "a manifest, a CSV or JSONL file, with its pictures. You may close the page while the batch runs.",
)
NEED_FILES = "Now upload the references, or a manifest with its pictures."
NO_BATCHES = empty_state("No batches yet", "A batch that you start appears here with its pictures, and stays here.")


def build(studio: StudioInterface, context: PageContext) -> None:
    """Build the tab, and continue the batches of an earlier server."""
    limits = studio.limits
    batches = Batches(
        studio.output,
        studio.files.downloads,
        {"model": studio.model},
        {
            "num_images": limits.candidates,
            "candidates": limits.candidates,
            "width": limits.side_px,
            "height": limits.side_px,
            "steps": limits.steps,
        },
        studio.device,
        load=lambda request: studio.stages(),
        give_way=lambda stop: wait_for_create(studio, stop),
    )
    batches.start()
    studio.closeables.append(batches)
    BatchTab(batches, studio.files.thumbnail).build()


def wait_for_create(studio: StudioInterface, stop: threading.Event) -> None:
    """Wait while Create has unfinished jobs, so that they come first, but no longer than MAX_WAIT_SECONDS."""
    end = time.monotonic() + MAX_WAIT_SECONDS
    while time.monotonic() < end and not stop.is_set() and studio.store.unfinished(CREATE):
        stop.wait(0.3)


class BatchTab:
    """The components and callbacks of the tab. thumbnail: makes a small file of a picture."""

    def __init__(self, batches: Batches, thumbnail: Callable[[Path], Path]) -> None:
        self.batches, self._thumbnail = batches, thumbnail

    def build(self) -> None:
        """Add the components to the open Blocks."""
        private: dict[str, Any] = {"api_visibility": "private"}
        silent = {**private, "show_progress": "hidden"}
        with gr.Row():
            with gr.Column(scale=2, min_width=280):
                files = gr.File(
                    label="Reference pictures, and a manifest if there is one",
                    file_count="multiple",
                    file_types=["image", ".heic", ".heif", ".hif", ".csv", ".jsonl", ".ndjson", ".svg", ".json"],
                    height=190,
                    elem_id="batch-files",
                )
                subjects = gr.Textbox(
                    "",
                    label="Subjects, one per line",
                    placeholder="bicycle\nteapot\npenguin",
                    lines=4,
                    info="Every reference is combined with every subject. A manifest has its own subjects.",
                    elem_id="batch-subjects",
                )
                with gr.Accordion("More settings", open=False):
                    title = gr.Textbox("", label="Name of the batch", max_length=60)
                    num_images = gr.Slider(1, 8, value=1, step=1, label="Pictures per row")
                    candidates = gr.Slider(
                        1, 16, value=4, step=1, label="Candidates per row", info="The best are kept."
                    )
                    size = gr.Slider(*self.batches.sides_px, value=1024, step=64, label="Width and height (pixels)")
                    seed = gr.Number(
                        value=0, precision=0, minimum=0, label="Seed", info="The same seed gives the same pictures."
                    )
                    steps = gr.Number(value=None, precision=0, minimum=1, label="Steps", info="Empty: the model's own.")
                    metadata = gr.Checkbox(True, label="Write the settings into the pictures (metadata)")
                checked = gr.HTML(NO_INPUT, elem_id="batch-check")
                start = gr.Button("Start", variant="primary", interactive=False, elem_id="batch-start")
            with gr.Column(scale=3, min_width=300):
                chosen = gr.Dropdown(
                    [], label="Batches of this studio", interactive=True, visible=False, elem_id="batch-chosen"
                )
                status = gr.HTML(NO_BATCHES, elem_id="batch-status")
                with gr.Row():
                    pause = gr.Button("Pause", visible=False, elem_id="batch-pause")
                    resume = gr.Button("Resume", variant="primary", visible=False, elem_id="batch-resume")
                    retry = gr.Button("Try failed rows again", visible=False)
                    cancel = gr.Button("Cancel", variant="stop", visible=False, elem_id="batch-cancel")
                    pack = gr.Button("Pack as ZIP", visible=False, elem_id="batch-pack")
                    download = gr.DownloadButton("Download", visible=False, variant="primary", elem_id="batch-download")
                failed_rows = gr.HTML(visible=False)
                results = gr.Gallery(
                    label="The latest pictures", columns=4, height="auto", object_fit="contain", visible=False,
                    interactive=False, elem_id="batch-results",
                )  # fmt: skip
        shown_state = gr.State("")
        settings: list[Any] = [num_images, candidates, size, seed, steps]
        view = [chosen, status, pause, resume, retry, cancel, pack, download, failed_rows, results, shown_state]
        for changed in (files.change, subjects.blur, subjects.submit, *(one.change for one in settings)):
            changed(self._check, [files, subjects, *settings], [checked, start], **silent)
        start.click(
            self._start, [files, subjects, title, metadata, *settings], [checked, start, chosen], **private
        ).success(self._view, [chosen], view, **silent)
        chosen.input(self._view, [chosen], view, **silent)
        gr.on(None, self._show_newest, None, view, **silent)
        gr.Timer(TICK_SECONDS).tick(self._tick, [chosen, shown_state], view, **silent)
        for button, act in (
            (pause, self.batches.pause), (resume, self.batches.resume), (cancel, self.batches.cancel),
            (retry, self.batches.retry),
        ):  # fmt: skip
            button.click(self._callback(act), [chosen], view, **silent)
        pack.click(self._pack, [chosen], [pack, download, failed_rows], **private)
        answer, trigger = gr.JSON(visible=False), gr.Button(visible=False)
        endpoints = BatchEndpoints(self.batches)
        # Without limits of their own: Gradio's refusal would not name the field, `batch_settings` does.
        numbers = [gr.Number(value, visible=False) for value in (1, 4, 1024, 0, None)]
        trigger.click(endpoints.batch_check, [files, subjects, *numbers], answer, api_name="batch_check")
        trigger.click(endpoints.batch_start, [files, subjects, title, *numbers], answer, api_name="batch_start")
        name, zipped = gr.Textbox(visible=False), gr.File(visible=False)
        for function in (
            endpoints.batch_status,
            endpoints.batch_results,
            endpoints.batch_pause,
            endpoints.batch_resume,
            endpoints.batch_cancel,
        ):
            trigger.click(function, [name], answer, api_name=function.__name__)
        trigger.click(endpoints.batch_download, [name], zipped, api_name="batch_download")
        api(endpoints.batch_list, api_name="batch_list")

    def _check(self, files: list[str] | None, subjects: str, *settings: Any) -> tuple[str, gr.Button]:
        paths = [Path(path) for path in files or ()]
        if not paths:
            # No error yet: the user is still filling in the form.
            return NO_INPUT if not (subjects or "").strip() else note(NEED_FILES), gr.Button(interactive=False)
        if not (subjects or "").strip() and not any(path.suffix.lower() in MANIFEST_SUFFIXES for path in paths):
            return note("Now write the subjects, one per line."), gr.Button(interactive=False)
        try:
            found = self.batches.check(checked_files(files), subjects, batch_settings(*(*settings, self.batches)))
        except BatchRefused as error:
            return error_box(error_message(error), error.problems), gr.Button(interactive=False)
        except Exception as error:
            return error_box(error_message(error)), gr.Button(interactive=False)
        return preview(found), gr.Button(interactive=True)

    def _start(
        self, files: list[str] | None, subjects: str, title: str, metadata: bool, *settings: Any
    ) -> tuple[Any, ...]:
        try:
            name = self.batches.add(
                checked_files(files), subjects, batch_settings(*(*settings, self.batches)), title, metadata
            )
        except Exception as error:
            lines = error.problems if isinstance(error, BatchRefused) else ()
            return error_box(error_message(error), lines), gr.Button(interactive=False), gr.skip()
        return (
            note(f"{self.batches.title(name)} is in the queue. You may close this page."), gr.Button(interactive=False),
            gr.Dropdown(self._choices(), value=name, visible=True),
        )  # fmt: skip

    def _choices(self) -> list[tuple[str, str]]:
        return [(self.batches.title(name), name) for name in self.batches.names()]

    def _show_newest(self) -> tuple[Any, ...]:
        names = self.batches.names()
        return self._view(names[0] if names else None)

    def _tick(self, name: str | None, shown_state: str) -> tuple[Any, ...]:
        if self._snapshot(name) == shown_state:
            return (gr.skip(),) * 11
        return self._view(name)

    def _snapshot(self, name: str | None) -> str:
        names = self.batches.names()
        if name is None or name not in names:
            return json.dumps(names)
        try:
            return json.dumps([names, name, asdict(self.batches.run(name).status()), self.batches.ahead(name)])
        except UserError as error:
            return json.dumps([names, name, error_message(error)])

    def _view(self, name: str | None) -> tuple[Any, ...]:
        """The values of all components that show a batch, in the order of `view`."""
        choices = self._choices()
        names = [one for _, one in choices]
        if name not in names:
            name = names[0] if names else None
        snapshot = self._snapshot(name)
        hidden = [gr.Button(visible=False)] * 5
        away, none = gr.HTML(visible=False), gr.Gallery(visible=False)
        list_ = gr.Dropdown(choices, value=name, visible=bool(choices))
        if name is None:
            return list_, NO_BATCHES, *hidden, gr.DownloadButton(visible=False), away, none, snapshot
        try:
            run = self.batches.run(name)
            status = run.status()
            pictures = [
                (str(self._thumbnail(path)), words) for path, words in self.batches.pictures(name) if path.exists()
            ]
        except (UserError, RunError) as error:
            return (
                list_,
                error_box(error_message(error)),
                *hidden,
                gr.DownloadButton(visible=False),
                away,
                none,
                snapshot,
            )
        state = status.state
        failed = failures(run) if status.failed else ""
        return (
            list_,
            card(self.batches.title(name), status, self.batches.ahead(name)),
            gr.Button(visible=state in ("running", "waiting")),
            gr.Button(visible=state in ("paused", "stopped")),
            gr.Button(visible=state == "done" and status.failed > 0),
            gr.Button(visible=state not in ("done", "cancelled")),
            gr.Button(visible=status.done > 0),
            gr.DownloadButton(visible=False),
            gr.HTML(failed, visible=bool(failed)),
            gr.Gallery(pictures, visible=bool(pictures)),
            snapshot,
        )

    def _callback(self, act: Callable[[str], None]) -> Callable[[str], tuple[Any, ...]]:
        def call(name: str) -> tuple[Any, ...]:
            try:
                act(name)
            except Exception as error:
                raise gr.Error(sentence(error_message(error)), print_exception=False) from error
            return self._view(name)

        return call

    def _pack(self, name: str) -> tuple[Any, ...]:
        try:
            path = self.batches.archive(name)
        except Exception as error:
            return gr.skip(), gr.DownloadButton(visible=False), gr.HTML(error_box(error_message(error)), visible=True)
        words = f"Download {path.name} ({path.stat().st_size / 2**20:.1f} MiB)"
        return gr.Button(visible=False), gr.DownloadButton(words, value=str(path), visible=True), gr.skip()
