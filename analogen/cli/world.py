"""`analogen world`: draws pictures with known relations, for training and tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from analogen.cli import HELP, debug_option
from analogen.errors import UserError, user_errors
from analogen.files import check_output
from analogen.models import nearest
from analogen.types import MAX_SEED


@click.group("world", context_settings=HELP, no_args_is_help=False)
def command() -> None:
    """Draw pictures with known relations, for training and tests."""


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.argument("folder", metavar="DIR", type=click.Path(path_type=Path)),
        click.option(
            "--size", type=int, default=256, show_default=True, help="Width and height in pixels, 64 to 4096."
        ),
        click.option(
            "--seed", type=int, default=0, show_default=True, help="Seed: the same one draws the same pictures."
        ),
        click.option(
            "--relation",
            "relations",
            metavar="ID",
            multiple=True,
            help="Draw this relation only, for example ring. May be given several times.  [default: all relations]",
        ),
        debug_option,
    ):
        command = option(command)
    return command


@command.command("draw", context_settings=HELP)
@click.option("--count", type=int, default=100, show_default=True, help="How many pictures to draw.")
@click.option(
    "--hard/--plain",
    default=True,
    show_default=True,
    help="--hard draws difficult references: moved, shrunk and turned, on busy grounds. "
    "--plain draws well-composed scenes.",
)
@_shared
def draw(folder: Path, count: int, size: int, seed: int, relations: tuple[str, ...], hard: bool) -> None:
    """Draw pictures into DIR, and write one JSON line for each to DIR/data.jsonl."""
    _check(folder, count, size, seed, relations)
    from analogen.relsim.world.dataset import write_samples

    with user_errors():
        write_samples(folder, count=count, size=size, seed=seed, relations=relations, hard=hard)
    click.echo(click.format_filename(folder))


@command.command("groups", context_settings=HELP)
@click.option("--count", type=int, default=100, show_default=True, help="How many groups to draw.")
@click.option("--members", type=int, default=4, show_default=True, help="How many pictures each group has, 2 to 16.")
@_shared
def groups(folder: Path, count: int, members: int, size: int, seed: int, relations: tuple[str, ...]) -> None:
    """Draw groups of pictures into DIR; the pictures of a group share one relation and nothing else."""
    _check(folder, count, size, seed, relations)
    if not 2 <= members <= 16:
        raise UserError(f"--members is {members}: expected 2 to 16")
    from analogen.relsim.world.dataset import write_groups

    with user_errors():
        write_groups(folder, count=count, members=members, size=size, seed=seed, relations=relations)
    click.echo(click.format_filename(folder))


def _check(folder: Path, count: int, size: int, seed: int, relations: tuple[str, ...]) -> None:
    if not 1 <= count <= 10**7:
        raise UserError(f"--count is {count}: expected 1 to 10000000")
    if not 64 <= size <= 4096:
        raise UserError(f"--size is {size}: expected 64 to 4096")
    if not 0 <= seed <= MAX_SEED:
        raise UserError(f"--seed is {seed}: expected 0 to {MAX_SEED}")
    from analogen.relsim.world.relations import RELATIONS

    for name in relations:
        if name not in RELATIONS:
            raise UserError(
                f"unknown relation {name!r}{nearest(name, list(RELATIONS))}: known are {', '.join(RELATIONS)}"
            )
    check_output([folder / "data.jsonl"])
