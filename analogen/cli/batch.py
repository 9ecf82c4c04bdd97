"""`analogen batch`: makes all assets of a manifest; can be interrupted and resumed."""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from analogen.batch.jobs import JobStore
from analogen.batch.manifest import Asset, Manifest
from analogen.batch.manifest_rows import Problem
from analogen.batch.resume import STORE, Event, close_run, open_run
from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.common_options import format_option
from analogen.cli.generation_options import settings_options
from analogen.cli.help_sections import SectionedCommand
from analogen.cli.local_path import LocalPath
from analogen.errors import RunError, UserError, plain_line
from analogen.files import check_output
from analogen.models import pick_device
from analogen.preflight import check_loadable

# Where stderr is not a terminal, a line of progress is logged this often.
LOG_SECONDS = 60.0


@click.command("batch", cls=SectionedCommand, context_settings=HELP)
@click.argument("manifest", type=LocalPath())
@click.option(
    "--output", metavar="DIR", required=True, help="Folder for the pictures, results.jsonl and the job store."
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where to work: local in this process, ray on a Ray cluster.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 4096),
    help="How many groups of rows are processed in parallel.  [default: by the number of cores or GPUs]",
)
@click.option(
    "--address",
    metavar="ADDRESS",
    help="Address of the Ray cluster, for example ray://head:10001.  [default: start Ray here]",
)
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Continue the run in the output folder, if there is one; with --no-resume, a folder that holds a run is an "
    "error.",
)
@click.option("--retry-failed", is_flag=True, help="Try the rows that failed again.")
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="The seed of a row without one is computed from this number and the row's id.",
)
@settings_options
@click.option(
    "--sheet/--no-sheet", default=True, show_default=True, help="Make contact sheets of all pictures at the end."
)
@format_option
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check all rows, make a few of them in a temporary folder to measure the time, and print how long the batch "
    "would take.",
)
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
    """Make all assets of MANIFEST, a CSV or JSONL file with one reference and subject in each row.

    Options are defaults; values in a row win. After an interruption, the same command continues.

    \b
    analogen batch assets.csv --output assets
    analogen batch assets.jsonl --output assets --candidates 8 --dry-run
    """
    started = time.perf_counter()
    if address is not None and engine != "ray":
        raise UserError("--address is for a Ray cluster: add --engine ray, or leave it out")
    if engine == "ray" and importlib.util.find_spec("ray") is None:
        raise UserError('--engine ray needs Ray: pip install "analogen[ray]"')
    if defaults["art"] is not None:  # of the command line, not of the manifest's folder
        defaults["art"] = str(Path(defaults["art"]).absolute())
    reporter = _JsonReporter() if format_ == "json" else _TextReporter()
    table = Manifest(manifest, defaults)
    if device not in ("auto", "cpu"):
        pick_device(device)
    if dry_run:
        _dry_run(table, Path(output), device, reporter)
        return
    run = open_run(table, output, metadata, resume, retry_failed, reporter.problem)
    with run.store, reporter, _terminable():
        reporter.event({"event": "start", "rows": run.rows, "pictures": run.pictures, "resumed": run.resumed})
        try:
            with quick_imports():
                import analogen.batch.chunk_processor  # noqa: F401
            if engine == "ray":
                from analogen.batch.engines.ray import run_on_ray

                run_on_ray(run, address, device, workers, reporter.event)
            else:
                from analogen.batch.engines.local import run_local

                run_local(run, device, workers, reporter.event)
        except KeyboardInterrupt:
            counts = run.store.counts()
            ended = counts["done"] + counts["failed"]
            reporter.note(f"{ended} of {run.rows} rows are finished: the same command continues from there")
            raise
        end = close_run(run, sheet, time.perf_counter() - started)
        reporter.event(end)
    if end["failed"]:
        word = "row" if end["failed"] == 1 else "rows"
        raise RunError(
            f"{end['failed']} {word} of {end['rows']} failed, see {output}/results.jsonl: --retry-failed tries again"
        )


def _dry_run(table: Manifest, output: Path, device: str, reporter: _Reporter) -> None:
    checked = table.check(reporter.problem, headers=True)
    loaded: set[object] = set()
    for asset in table.assets():
        if isinstance(asset, Asset) and asset.request.loaded_with not in loaded:
            loaded.add(asset.request.loaded_with)
            check_loadable(replace(asset.request, device=device))
    check_output([output / "results.jsonl"])
    finished = 0
    if (output / STORE).exists():
        with JobStore(output / STORE) as store:
            counts = store.counts()
            finished = counts["done"] + counts["failed"]
    with quick_imports():
        from analogen.batch.estimate import estimate
    seconds = estimate(table, checked.rows - finished, device)
    reporter.event(
        {
            "event": "plan", "rows": checked.rows, "pictures": checked.pictures, "candidates": checked.candidates,
            "finished": finished, "seconds": round(seconds, 1),
        }
    )  # fmt: skip


@contextmanager
def _terminable() -> Iterator[None]:
    """Treat SIGTERM, from a shutdown or a cluster's queue, as an interruption, so that finished rows are recorded."""

    def interrupt(signal_: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Reporter(AbstractContextManager["_Reporter"]):
    """Prints events. As a context manager it clears the line of progress at the end."""

    @abstractmethod
    def event(self, event: Event) -> None: ...

    @abstractmethod
    def problem(self, problem: Problem) -> None:
        """Print a row that cannot be used."""

    def note(self, text: str) -> None:
        click.echo(plain_line(f"note: {text}"), err=True)


class _JsonReporter(_Reporter):
    """One JSON object per line on stdout."""

    def event(self, event: Event) -> None:
        click.echo(json.dumps(event, ensure_ascii=False))

    def problem(self, problem: Problem) -> None:
        self.event({"event": "problem", "line": problem.line, "message": problem.message})

    def __exit__(self, *_: object) -> None:
        """There is no line of progress to clear."""


class _TextReporter(_Reporter):
    """Progress on stderr, on a terminal as one line that is overwritten; the summary on stdout."""

    def __init__(self) -> None:
        self.is_terminal = sys.stderr.isatty()
        self.logged = time.monotonic()

    def event(self, event: Event) -> None:
        kind = event["event"]
        if kind == "start" and event["resumed"]:
            self.note("continuing the run in the folder")
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
        """Print nothing: the error at the end names the first problem."""

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
