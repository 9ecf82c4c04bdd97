"""Shared options of `analogen evaluate`; also the judge, errors and progress."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analogen.cli.common_options import combined, device_option, dtype_option, encoder_option
from analogen.cli.local_path import LocalPath
from analogen.errors import RunError, UserError, plain_line
from analogen.models import pick_device

if TYPE_CHECKING:
    from analogen.relsim.evaluation.judging import Judge

FILE = LocalPath()
KEY_VARIABLE = "ANALOGEN_JUDGE_KEY"


MODEL = combined(
    encoder_option,
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Seed of everything that is drawn at random, such as samples and intervals.",
    ),
    device_option,
    dtype_option,
)
BY = click.option(
    "--by",
    metavar="NAME[=SOURCE]",
    multiple=True,
    help="How to compare pictures: relation, subject, attributes, histogram, pixels, clip-i, clip-t, dino, lpips, "
    "dreamsim or qwen-t. May be given several times. SOURCE is the folder or hub id of other weights, for example "
    "dino=my-dino.",
)
JUDGE = combined(
    click.option(
        "--judge",
        metavar="URL|NAME",
        help="Vision-language model that scores the results: the URL of an OpenAI-compatible endpoint, or a folder or "
        "hub id.",
    ),
    click.option("--judge-model", metavar="NAME", default="", help="Model to ask for at the endpoint."),
    click.option(
        "--judge-key-env",
        metavar="NAME",
        default=KEY_VARIABLE,
        show_default=True,
        help="Environment variable that holds the key of the endpoint.",
    ),
    click.option(
        "--judge-cache",
        metavar="DIR",
        type=FILE,
        default=Path("out/judge"),
        show_default=True,
        help="Folder where the judge's answers are kept, so that no question is asked twice.",
    ),
    click.option(
        "--judge-workers", type=int, default=4, show_default=True, help="How many questions to ask at the same time."
    ),
)


def load_judge(name: str | None, model: str, variable: str, workers: int, device: str, dtype: str) -> Judge | None:
    """Load the judge that the options name, and check that it answers. Raises UserError if it does not."""
    if name is None:
        return None
    check_positive("judge-workers", workers)
    if "://" not in name:
        from analogen.relsim.evaluation.vlm_judge import load_vlm_judge

        return load_vlm_judge(name, pick_device(device), dtype)
    from analogen.relsim.evaluation.endpoint_judge import EndpointError, EndpointJudge, key_from

    judge = EndpointJudge(name, model, key_from(variable), workers=workers)
    try:
        judge.check()
    except EndpointError as error:
        raise UserError(str(error)) from error
    return judge


@contextmanager
def run_errors() -> Iterator[None]:
    """Turn errors of an evaluation that the user can fix into UserError and RunError."""
    from analogen.relsim.evaluation.endpoint_judge import EndpointError
    from analogen.relsim.evaluation.similarity_measures import NothingToMeasure

    try:
        yield
    except NothingToMeasure as error:
        raise UserError(str(error)) from error
    except EndpointError as error:
        raise RunError(f"{error}; the answers so far are kept, run the same command again") from error


def report_unreadable_rows(refused: Sequence[dict[str, str]]) -> int:
    """Print pictures that could not be read, on stdout as JSON and on stderr. Returns the exit code."""
    if refused:
        click.echo(json.dumps({"refused": list(refused)}))
        for row in refused:
            click.echo(plain_line(f"analogen: {row['reason']}"), err=True)
    return 2 if refused else 0


def progress_counter() -> Callable[[str, int, int], None] | None:
    """A callback that shows progress on one line of the terminal; None if stderr is not a terminal."""
    if not sys.stderr.isatty():
        return None

    def show(what: str, done: int, total: int) -> None:
        click.echo(f"\r{what} {done}/{total}", err=True, nl=done == total)

    return show


def check_positive(name: str, value: int) -> None:
    if value < 1:
        raise UserError(f"--{name} is {value}: expected 1 or more")
