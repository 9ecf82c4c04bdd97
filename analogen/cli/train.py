"""`analogen train`: the trainings of what mini is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from analogen.cli import HELP, debug_option
from analogen.errors import UserError, user_errors


@click.group("train", context_settings=HELP, no_args_is_help=False)
def command() -> None:
    """Train the encoder or the composer of mini."""


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--config", metavar="FILE", required=True, type=click.Path(path_type=Path), help="TOML preset."),
        click.option(
            "--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Override a setting, e.g. lr=3e-4."
        ),
        debug_option,
    ):
        command = option(command)
    return command


@command.command("encoder", context_settings=HELP)
@_shared
def encoder(config: Path, overrides: tuple[str, ...]) -> None:
    """Train relsim-mini; a run that was stopped goes on where it was."""
    settings = _check(config, overrides)
    from analogen.relsim.config import read_settings
    from analogen.relsim.train import EncoderSettings, run

    with user_errors():
        read_settings(EncoderSettings, config, settings)
    run(config, settings)


@command.command("composer", context_settings=HELP)
@_shared
def composer(config: Path, overrides: tuple[str, ...]) -> None:
    """Train the composer; a run that was stopped goes on where it was."""
    settings = _check(config, overrides)
    from analogen.pipelines.train import ComposerSettings, run
    from analogen.relsim.config import read_settings

    with user_errors():
        read_settings(ComposerSettings, config, settings)
    run(config, settings)


@command.command("judge", context_settings=HELP)
@_shared
def judge(config: Path, overrides: tuple[str, ...]) -> None:
    """Train a classifier of relations or subjects, which only evaluation uses."""
    settings = _check(config, overrides)
    from analogen.relsim.config import read_settings
    from analogen.relsim.judges import JudgeSettings, run

    with user_errors():
        read_settings(JudgeSettings, config, settings)
    run(config, settings)


def _check(config: Path, overrides: tuple[str, ...]) -> dict[str, str]:
    """The overrides as a dict, once the preset is known to be there; names and types are the training's own."""
    from analogen.relsim.images import open_checked

    settings = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set {text!r}: expected key=value, for example --set lr=3e-4")
        settings[key.strip()] = value.strip()
    with user_errors():
        open_checked(config, max_bytes=2**20).close()
    return settings
