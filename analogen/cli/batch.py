"""`analogen batch`: a manifest of assets in, a folder of pictures out, whatever happens on the way."""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import click

from analogen.batch.jobs import JobStore
from analogen.batch.manifest import Manifest, Problem
from analogen.batch.runner import STORE, Event, close_run, estimate, open_run
from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.generation_options import settings_options
from analogen.errors import RunError, UserError, plain_line
from analogen.files import check_output

# Where nobody watches a terminal, a line now and then tells in a log that the night goes well.
LOG_SECONDS = 60.0


@click.command("batch", context_settings=HELP)
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--output", metavar="DIR", required=True, help="Folder for pictures, results.jsonl and the job store.")
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True, help="This process, or Ray's."
)
@click.option("--workers", type=click.IntRange(1, 4096), help="Chunks at the same time.")
@click.option("--address", metavar="ADDRESS", help="Of a Ray cluster; without it a local one is started.")
@click.option("--resume/--no-resume", default=True, show_default=True, help="Go on with the run that the folder holds.")
@click.option("--retry-failed", is_flag=True, help="Try the rows that failed once more.")
@click.option("--seed", type=int, default=0, show_default=True, help="For rows without one, mixed with their id.")
@settings_options
@click.option("--sheet/--no-sheet", default=True, show_default=True, help="Make contact sheets at the end.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--dry-run", is_flag=True, help="Check every row, measure a few, print how long it will take.")
@debug_option
def command(
    manifest: Path,
    output: str,
    engine: str,
    workers: int | None,
    address: str | None,
    resume: bool,
    retry_failed: bool,
    metadata: bool,
    sheet: bool,
    format_: str,
    dry_run: bool,
    device: str,
    **defaults: Any,
) -> None:
    """Make every asset of MANIFEST, a CSV or JSONL file with one (reference, subject) per row.

    Options hold for the rows that say nothing else. The same command again goes on after an interruption.

    \b
    analogen batch assets.csv --output assets
    analogen batch assets.jsonl --output assets --candidates 8 --dry-run
    """
    started = time.perf_counter()
    if address is not None and engine != "ray":
        raise UserError("--address is that of a Ray cluster: add --engine ray, or leave it out")
    if engine == "ray" and importlib.util.find_spec("ray") is None:
        raise UserError('--engine ray needs Ray: pip install "analogen[ray]"')
    show = _Json() if format_ == "json" else _Text()
    table = Manifest(manifest, defaults)
    if dry_run:
        _dry_run(table, Path(output), device, show)
        return
    run = open_run(table, output, metadata, resume, retry_failed, show.problem)
    with run.store, show, _terminable():
        show.event({"event": "start", "rows": run.rows, "pictures": run.pictures, "resumed": run.resumed})
        try:
            with quick_imports():
                import analogen.batch.chunks  # noqa: F401
            if engine == "ray":
                from analogen.batch.engines.ray import run_on_ray

                run_on_ray(run, address, device, workers, show.event)
            else:
                from analogen.batch.engines.local import run_local

                run_local(run, device, workers, show.event)
        except KeyboardInterrupt:
            counts = run.store.counts()
            ended = counts["done"] + counts["failed"]
            show.note(f"{ended} of {run.rows} rows are finished: the same command goes on from there")
            raise
        end = close_run(run, sheet, time.perf_counter() - started)
        show.event(end)
    if end["failed"]:
        word = "row" if end["failed"] == 1 else "rows"
        raise RunError(
            f"{end['failed']} {word} of {end['rows']} failed, see {output}/results.jsonl: --retry-failed tries again"
        )


def _dry_run(table: Manifest, output: Path, device: str, show: _Show) -> None:
    checked = table.check(show.problem)
    check_output([output / "results.jsonl"])
    finished = 0
    if (output / STORE).exists():
        with JobStore(output / STORE) as store:
            counts = store.counts()
            finished = counts["done"] + counts["failed"]
    with quick_imports():
        import analogen.batch.chunks  # noqa: F401
    seconds = estimate(table, checked.rows - finished, device)
    show.event(
        {
            "event": "plan", "rows": checked.rows, "pictures": checked.pictures, "candidates": checked.candidates,
            "finished": finished, "seconds": round(seconds, 1),
        }
    )  # fmt: skip


@contextmanager
def _terminable() -> Iterator[None]:
    """A polite end, as of a shutdown or a cluster's queue, is an interruption: finished rows are kept in step."""

    def interrupt(signal_: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Show(AbstractContextManager["_Show"]):
    """Where events go. Used as a context, so that no line of progress stays behind."""

    @abstractmethod
    def event(self, event: Event) -> None: ...

    @abstractmethod
    def problem(self, problem: Problem) -> None:
        """A row that cannot be used."""

    def note(self, text: str) -> None:
        click.echo(plain_line(f"note: {text}"), err=True)


class _Json(_Show):
    """One JSON object per line on stdout."""

    def event(self, event: Event) -> None:
        click.echo(json.dumps(event, ensure_ascii=False))

    def problem(self, problem: Problem) -> None:
        self.event({"event": "problem", "line": problem.line, "message": problem.message})

    def __exit__(self, *_: object) -> None:
        """Whole lines leave nothing behind."""


class _Text(_Show):
    """Progress on stderr, one line that is written over on a terminal; the summary on stdout."""

    def __init__(self) -> None:
        self.is_terminal = sys.stderr.isatty()
        self.logged = time.monotonic()

    def event(self, event: Event) -> None:
        kind = event["event"]
        if kind == "start" and event["resumed"]:
            self.note("going on with the run that the folder holds")
        elif kind == "progress":
            self._progress(event)
        elif kind == "row" and event["state"] == "failed":
            self._clear()
            self.note(f"line {event['line']} ({event['id']}) failed: {event['error']}")
        elif kind == "plan":
            self._plan(event)
        elif kind == "end":
            self._clear()
            self._summary(event)

    def problem(self, problem: Problem) -> None:
        """The refusal, one line, names the first."""

    def __exit__(self, *_: object) -> None:
        self._clear()

    def _progress(self, event: Event) -> None:
        ended = event["done"] + event["failed"]
        line = f"{ended} of {event['rows']} rows, {event['pictures_per_second']:.2f} pictures/s"
        if event["seconds_left"] is not None:
            line += f", {_duration(event['seconds_left'])} left"
        if event["failed"]:
            line += f", {event['failed']} failed"
        if self.is_terminal:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        elif time.monotonic() - self.logged >= LOG_SECONDS:
            self.logged = time.monotonic()
            click.echo(plain_line(line), err=True)

    def _plan(self, event: Event) -> None:
        click.echo(f"{event['rows']} rows, {event['pictures']} pictures from {event['candidates']} candidates")
        if event["finished"]:
            click.echo(f"{event['finished']} rows are finished already")
        click.echo(f"about {_duration(event['seconds'])} on this machine, measured on the first rows")

    def _summary(self, event: Event) -> None:
        rows = f"{event['done']} of {event['rows']} rows done"
        rows += f", {event['failed']} failed" if event["failed"] else ""
        rows += f", {event['left']} left" if event["left"] else ""
        click.echo(f"{rows} in {_duration(event['seconds'])}: {click.format_filename(event['output'])}")
        if event["sheets"]:
            more = f" and {len(event['sheets']) - 1} more pages" if len(event["sheets"]) > 1 else ""
            click.echo(f"contact sheet: {event['sheets'][0]}{more}")
        for failure in event["failures"]:
            click.echo(f"failed: line {failure['line']} ({failure['id']}): {failure['error']}")

    def _clear(self) -> None:
        if self.is_terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
