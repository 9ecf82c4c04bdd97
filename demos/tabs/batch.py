"""Batch: a manifest, or references times subjects, checked before it starts and made whoever watches."""

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

from analogen import BatchRun, RunError, RunStatus, UserError
from analogen.demos.components import empty, escaped, jpeg, note, picture, problem, sentence, told
from analogen.demos.jobs.api import BatchCalls, settings_of
from analogen.demos.jobs.batches import TABLES, Batches, Checked, Refused, without_folder
from analogen.demos.tab_interface import CREATE, Host, Inbox
from analogen.demos.uploads import checked_files, read_upload

TICK_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
TITLES = {
    "waiting": "Waiting", "running": "Working", "pausing": "Pausing", "paused": "Paused", "cancelled": "Cancelled",
    "done": "Done", "stopped": "Stopped",
}  # fmt: skip


def preview(checked: Checked) -> str:
    """What will be made, as references times subjects."""
    candidates = "" if checked.candidates == checked.pictures else f", the best of {checked.candidates} candidates"
    told = f"{checked.rows} rows, {checked.pictures} pictures{candidates}."
    shown = checked.references[:6]
    cells = "".join(
        f"<tr><td>{picture(jpeg(read_upload(path, 256), 160), path.name)}</td><td>{escaped(path.name)}</td></tr>"
        for path in shown
        if path.suffix.lower() != ".svg"
    )
    more = len(checked.references) - len(shown)
    names = ", ".join(checked.subjects[:12]) + (
        f" and {len(checked.subjects) - 12} more" if len(checked.subjects) > 12 else ""
    )
    tail = f"<p>and {more} more pictures</p>" if more > 0 else ""
    return (
        f'<div class="an-note" role="status"><strong>{told}</strong><p>Subjects: {escaped(names)}</p>'
        f'<table class="an-table"><tbody>{cells}</tbody></table>{tail}</div>'
    )


def card(title: str, status: RunStatus, ahead: int) -> str:
    """How far a batch is."""
    ended = status.done + status.failed
    share = 100 * ended / max(status.rows, 1)
    words = [f"{status.done} of {status.rows} rows"]
    if status.failed:
        words.append(f"{status.failed} failed")
    if status.state == "waiting" and ahead:
        words.append("one batch comes first" if ahead == 1 else f"{ahead} batches come first")
    if status.seconds_left is not None and status.state == "running":
        words.append(f"about {duration(status.seconds_left)} left")
    wrong = problem(status.error) if status.error else ""
    return (
        f'<div class="an-note"><strong>{escaped(title)}</strong> · {TITLES[status.state]}'
        f'<div class="an-progress" role="progressbar" aria-label="Progress of {escaped(title)}" aria-valuemin="0" '
        f'aria-valuemax="{status.rows}" aria-valuenow="{ended}"><span style="width:{share:.1f}%"></span></div>'
        f"{', '.join(words)}</div>{wrong}"
    )


def failures(run: BatchRun) -> str:
    rows = [row for row in run.rows(1000) if row.error]
    lines = tuple(f"line {row.line} ({row.id}): {without_folder(row.error or '')}" for row in rows[:50])
    return problem(f"{len(rows)} rows failed", lines) if rows else ""


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


NOTHING = empty(
    "Many pictures in one go",
    "Upload references and write the subjects, one per line: every reference is made with every subject. Or upload a "
    "manifest, a CSV or JSONL file with its pictures. You may close the page meanwhile.",
)
NEXT = "Now upload the references, or a manifest with its pictures."
NO_BATCHES = empty("No batches yet", "What you start appears here, with its pictures as they come, and stays.")


def build(studio: Host, desk: Inbox) -> None:
    """The tab, with its batches, which go on where an earlier server left them."""
    limits = studio.limits
    batches = Batches(
        studio.output,
        studio.downloads,
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
        give_way=lambda stop: give_way(studio, stop),
    )
    batches.start()
    studio.parts.append(batches)
    BatchTab(batches, studio.thumb).build()


def give_way(studio: Host, stop: threading.Event) -> None:
    """Somebody waits for a single picture: that comes first, though not for ever."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and not stop.is_set() and studio.store.unfinished(CREATE):
        stop.wait(0.3)


class BatchTab:
    """The page over `Batches`. thumb: a small file of a picture."""

    def __init__(self, batches: Batches, thumb: Callable[[Path], Path]) -> None:
        self.batches, self._thumb = batches, thumb

    def build(self) -> None:
        """Lay the tab out inside the open Blocks."""
        private: dict[str, Any] = {"api_visibility": "private"}
        quiet = {**private, "show_progress": "hidden"}
        with gr.Row():
            with gr.Column(scale=2, min_width=280):
                files = gr.File(
                    label="Reference pictures, and a manifest if there is one",
                    file_count="multiple",
                    file_types=["image", ".csv", ".jsonl", ".ndjson", ".svg"],
                    height=190,
                    elem_id="batch-files",
                )
                subjects = gr.Textbox(
                    "",
                    label="Subjects, one per line",
                    placeholder="bicycle\nteapot\npenguin",
                    lines=4,
                    info="Every reference is made with every subject. A manifest brings its own.",
                    elem_id="batch-subjects",
                )
                with gr.Accordion("More settings", open=False):
                    title = gr.Textbox("", label="Name of the batch", max_length=60)
                    num_images = gr.Slider(1, 8, value=1, step=1, label="Pictures per row")
                    candidates = gr.Slider(
                        1, 16, value=4, step=1, label="Candidates per row", info="The best are kept."
                    )
                    size = gr.Slider(256, 2048, value=1024, step=64, label="Width and height (pixels)")
                    seed = gr.Number(
                        value=0, precision=0, minimum=0, label="Seed", info="The same seed, the same pictures."
                    )
                    steps = gr.Number(value=None, precision=0, minimum=1, label="Steps", info="Empty: the model's own.")
                    metadata = gr.Checkbox(True, label="Keep the settings in the pictures")
                checked = gr.HTML(NOTHING, elem_id="batch-check")
                start = gr.Button("Start", variant="primary", interactive=False, elem_id="batch-start")
            with gr.Column(scale=3, min_width=300):
                chosen = gr.Dropdown(
                    [], label="Batches of this studio", interactive=True, visible=False, elem_id="batch-chosen"
                )
                status = gr.HTML(NO_BATCHES, elem_id="batch-status")
                with gr.Row():
                    pause = gr.Button("Pause", visible=False, elem_id="batch-pause")
                    resume = gr.Button("Go on", variant="primary", visible=False, elem_id="batch-resume")
                    retry = gr.Button("Try failed rows again", visible=False)
                    cancel = gr.Button("Cancel", variant="stop", visible=False, elem_id="batch-cancel")
                    pack = gr.Button("Pack as ZIP", visible=False, elem_id="batch-pack")
                    download = gr.DownloadButton("Download", visible=False, variant="primary", elem_id="batch-download")
                wrong = gr.HTML(visible=False)
                results = gr.Gallery(
                    label="The latest pictures", columns=4, height="auto", object_fit="contain", visible=False,
                    interactive=False, elem_id="batch-results",
                )  # fmt: skip
        seen = gr.State("")
        settings: list[Any] = [num_images, candidates, size, seed, steps]
        view = [chosen, status, pause, resume, retry, cancel, pack, download, wrong, results, seen]
        for changed in (files.change, subjects.blur, subjects.submit, *(one.change for one in settings)):
            changed(self._check, [files, subjects, *settings], [checked, start], **quiet)
        start.click(
            self._start, [files, subjects, title, metadata, *settings], [checked, start, chosen], **private
        ).success(self._view, [chosen], view, **quiet)
        chosen.input(self._view, [chosen], view, **quiet)
        gr.on(None, self._first, None, view, **quiet)
        gr.Timer(TICK_SECONDS).tick(self._tick, [chosen, seen], view, **quiet)
        for button, act in (
            (pause, self.batches.pause), (resume, self.batches.resume), (cancel, self.batches.cancel),
            (retry, self.batches.retry),
        ):  # fmt: skip
            button.click(self._doing(act), [chosen], view, **quiet)
        pack.click(self._pack, [chosen], [pack, download, wrong], **private)
        answer, go = gr.JSON(visible=False), gr.Button(visible=False)
        calls = BatchCalls(self.batches)
        go.click(calls.batch_check, [files, subjects, *settings], answer, api_name="batch_check")
        go.click(calls.batch_start, [files, subjects, title, *settings], answer, api_name="batch_start")
        name, zipped = gr.Textbox(visible=False), gr.File(visible=False)
        for function in (
            calls.batch_status,
            calls.batch_results,
            calls.batch_pause,
            calls.batch_resume,
            calls.batch_cancel,
        ):
            go.click(function, [name], answer, api_name=function.__name__)
        go.click(calls.batch_download, [name], zipped, api_name="batch_download")
        api(calls.batch_list, api_name="batch_list")

    def _check(self, files: list[str] | None, subjects: str, *settings: Any) -> tuple[str, gr.Button]:
        paths = [Path(path) for path in files or ()]
        if not paths:
            # Nothing is wrong yet: the form is being filled.
            return NOTHING if not (subjects or "").strip() else note(NEXT), gr.Button(interactive=False)
        if not (subjects or "").strip() and not any(path.suffix.lower() in TABLES for path in paths):
            return note("Now write the subjects, one per line."), gr.Button(interactive=False)
        try:
            found = self.batches.check(checked_files(files), subjects, settings_of(*settings))
        except Refused as error:
            return problem(str(error), error.problems), gr.Button(interactive=False)
        except Exception as error:
            return problem(told(error)), gr.Button(interactive=False)
        return preview(found), gr.Button(interactive=True)

    def _start(
        self, files: list[str] | None, subjects: str, title: str, metadata: bool, *settings: Any
    ) -> tuple[Any, ...]:
        try:
            name = self.batches.add(checked_files(files), subjects, settings_of(*settings), title, metadata)
        except Exception as error:
            lines = error.problems if isinstance(error, Refused) else ()
            return problem(told(error), lines), gr.Button(interactive=False), gr.skip()
        return (
            note(f"{self.batches.title(name)} is on its way. You may close this page."), gr.Button(interactive=False),
            gr.Dropdown(self._choices(), value=name, visible=True),
        )  # fmt: skip

    def _choices(self) -> list[tuple[str, str]]:
        return [(self.batches.title(name), name) for name in self.batches.names()]

    def _first(self) -> tuple[Any, ...]:
        names = self.batches.names()
        return self._view(names[0] if names else None)

    def _tick(self, name: str | None, seen: str) -> tuple[Any, ...]:
        if self._mark(name) == seen:
            return (gr.skip(),) * 11
        return self._view(name)

    def _mark(self, name: str | None) -> str:
        names = self.batches.names()
        if name is None or name not in names:
            return json.dumps(names)
        try:
            return json.dumps([names, name, asdict(self.batches.run(name).status()), self.batches.ahead(name)])
        except UserError as error:
            return json.dumps([names, name, str(error)])

    def _view(self, name: str | None) -> tuple[Any, ...]:
        """All that shows a batch, in the order of `view`."""
        choices = self._choices()
        names = [one for _, one in choices]
        if name not in names:
            name = names[0] if names else None
        mark = self._mark(name)
        hidden = [gr.Button(visible=False)] * 5
        away, none = gr.HTML(visible=False), gr.Gallery(visible=False)
        list_ = gr.Dropdown(choices, value=name, visible=bool(choices))
        if name is None:
            return list_, NO_BATCHES, *hidden, gr.DownloadButton(visible=False), away, none, mark
        try:
            run = self.batches.run(name)
            status = run.status()
            pictures = [(str(self._thumb(path)), words) for path, words in self.batches.pictures(name) if path.exists()]
        except (UserError, RunError) as error:
            return list_, problem(str(error)), *hidden, gr.DownloadButton(visible=False), away, none, mark
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
            mark,
        )

    def _doing(self, act: Callable[[str], None]) -> Callable[[str], tuple[Any, ...]]:
        def do(name: str) -> tuple[Any, ...]:
            try:
                act(name)
            except Exception as error:
                raise gr.Error(sentence(told(error)), print_exception=False) from error
            return self._view(name)

        return do

    def _pack(self, name: str) -> tuple[Any, ...]:
        try:
            path = self.batches.archive(name)
        except Exception as error:
            return gr.skip(), gr.DownloadButton(visible=False), gr.HTML(problem(told(error)), visible=True)
        words = f"Download {path.name} ({path.stat().st_size / 2**20:.1f} MiB)"
        return gr.Button(visible=False), gr.DownloadButton(words, value=str(path), visible=True), gr.skip()
