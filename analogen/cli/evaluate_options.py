"""What the commands of `analogen evaluate` share: their options, the judge, and what could not be read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analogen.errors import RunError, UserError, plain_line
from analogen.models import pick_device

if TYPE_CHECKING:
    from analogen.relsim.evaluation.judging import Judge

FILE = click.Path(path_type=Path)
KEY_VARIABLE = "ANALOGEN_JUDGE_KEY"


def options(*given: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(given):
            command = option(command)
        return command

    return decorate


MODEL = options(
    click.option("--encoder", default="mini", show_default=True, help="Name, folder or hub id."),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
    click.option("--device", default="auto", show_default=True),
    click.option("--dtype", default="auto", show_default=True, help="Of a big encoder's weights."),
)
BY = click.option(
    "--by",
    metavar="NAME[=SOURCE]",
    multiple=True,
    help="How pictures are compared, may be repeated: relation, subject, attributes, histogram, pixels, clip-i, "
    "clip-t, dino, lpips, dreamsim, qwen-t. SOURCE: folder or hub id of other weights.",
)
JUDGE = options(
    click.option("--judge", metavar="URL|NAME", help="OpenAI-compatible endpoint, or a VLM by folder or hub id."),
    click.option("--judge-model", metavar="NAME", default="", help="The endpoint's model."),
    click.option(
        "--judge-key-env", metavar="NAME", default=KEY_VARIABLE, show_default=True, help="Variable with its key."
    ),
    click.option(
        "--judge-cache", metavar="DIR", type=FILE, default=Path("out/judge"), show_default=True, help="For its answers."
    ),
    click.option("--judge-workers", type=int, default=4, show_default=True, help="Questions at a time."),
)


def load_judge(name: str | None, model: str, variable: str, workers: int, device: str, dtype: str) -> Judge | None:
    """The judge that the options name, asked whether it is there. Raises UserError."""
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
    """Failures while measuring that the user can mend, as one line."""
    from analogen.relsim.evaluation.endpoint_judge import EndpointError
    from analogen.relsim.evaluation.similarity_measures import NothingLeft

    try:
        yield
    except NothingLeft as error:
        raise UserError(str(error)) from error
    except EndpointError as error:
        raise RunError(f"{error}; what was answered is kept, run the same again") from error


def report_unreadable_rows(refused: Sequence[dict[str, str]]) -> int:
    """Say what could not be read, on both streams. Returns the exit code."""
    if refused:
        click.echo(json.dumps({"refused": list(refused)}))
        for row in refused:
            click.echo(plain_line(f"analogen: {row['reason']}"), err=True)
    return 2 if refused else 0


def counter() -> Callable[[str, int, int], None] | None:
    """What is done so far, on one line of a terminal."""
    if not sys.stderr.isatty():
        return None

    def say(what: str, done: int, total: int) -> None:
        click.echo(f"\r{what} {done}/{total}", err=True, nl=done == total)

    return say


def check_positive(name: str, value: int) -> None:
    if value < 1:
        raise UserError(f"--{name} is {value}: expected 1 or more")
