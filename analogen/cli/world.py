"""`analogen world`: draws pictures with known relations, for training and tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from analogen.cli import HELP, debug_option
from analogen.cli.local_path import LocalPath
from analogen.errors import UserError, plain_line, user_errors
from analogen.files import check_new_set, check_output
from analogen.models import nearest
from analogen.types import MAX_SEED


@click.group("world", context_settings=HELP, no_args_is_help=False)
def command() -> None:
    """Draw pictures with known relations, for training and tests."""


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.argument("folder", metavar="DIR", type=LocalPath()),
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
            help="Draw this relation only, for example ring, or this composition of logics, for example "
            "ring/shrinking/one_odd/none. May be given several times.  [default: all relations]",
        ),
        click.option(
            "--photographs",
            is_flag=True,
            help="Photograph the scenes: on a ground with light, shadows and grain, instead of drawing them.",
        ),
        click.option(
            "--cutouts",
            metavar="DIR",
            type=LocalPath(),
            help="With --photographs: PNG, WebP or SVG files, one thing in each, that play the things.  "
            "[default: the shipped drawings]",
        ),
        click.option(
            "--grounds",
            metavar="DIR",
            type=LocalPath(),
            help="With --photographs: pictures to use as grounds.  [default: procedural surfaces]",
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
def draw(
    folder: Path,
    count: int,
    size: int,
    seed: int,
    relations: tuple[str, ...],
    photographs: bool,
    cutouts: Path | None,
    grounds: Path | None,
    hard: bool,
) -> None:
    """Draw pictures into DIR, a new or empty folder, and write one JSON line for each to DIR/data.jsonl.

    \b
    analogen world draw pictures --count 20 --relation ring
    """
    _check(folder, count, size, seed, relations)
    material = _material(photographs, cutouts, grounds)
    from analogen.relsim.world.dataset import write_samples

    with user_errors():
        write_samples(
            folder, count=count, size=size, seed=seed, relations=relations, hard=hard, material=material
        )  # fmt: skip
    click.echo(click.format_filename(folder))


@command.command("groups", context_settings=HELP)
@click.option("--count", type=int, default=100, show_default=True, help="How many groups to draw.")
@click.option("--members", type=int, default=4, show_default=True, help="How many pictures each group has, 2 to 16.")
@_shared
def groups(
    folder: Path,
    count: int,
    members: int,
    size: int,
    seed: int,
    relations: tuple[str, ...],
    photographs: bool,
    cutouts: Path | None,
    grounds: Path | None,
) -> None:
    """Draw groups of pictures into DIR, a new or empty folder; those of a group share one relation, nothing else."""
    _check(folder, count, size, seed, relations)
    material = _material(photographs, cutouts, grounds)
    if not 2 <= members <= 16:
        raise UserError(f"--members is {members}: expected 2 to 16")
    from analogen.relsim.world.dataset import write_groups

    with user_errors():
        write_groups(
            folder, count=count, members=members, size=size, seed=seed, relations=relations, material=material
        )  # fmt: skip
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
        if "/" in name:
            from analogen.relsim.world.grammar import parse

            with user_errors():
                parse(name)
        elif name not in RELATIONS:
            raise UserError(
                f"unknown relation {name!r}{nearest(name, list(RELATIONS))}: known are {', '.join(RELATIONS)}"
            )
    check_output([folder / "data.jsonl"])
    check_new_set(folder, "data.jsonl")


def _material(photographs: bool, cutouts: Path | None, grounds: Path | None) -> Any:
    """What scenes are photographed with, None where they are drawn."""
    for option, folder in (("--cutouts", cutouts), ("--grounds", grounds)):
        if folder is not None and not photographs:
            raise UserError(f"{option} {folder}: it is used with --photographs, which is missing")
        if folder is not None and not folder.is_dir():
            raise UserError(f"{option} {folder}: no such folder")
    if not photographs:
        return None
    from analogen.relsim.world.material import Material

    with user_errors():
        material = Material(cutouts or "", grounds or "")
    for path, reason in material.skipped:
        where = "" if str(path) in reason else f"{click.format_filename(path)}: "
        click.echo(plain_line(f"not used: {where}{reason}"), err=True)
    if material.skipped:
        click.echo(f"{len(material.skipped)} files of --cutouts and --grounds are not used", err=True)
    return material
