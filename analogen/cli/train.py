"""`analogen train`: the trainings of what mini is made of, of Qwen2.5-VL's adapters, of relational adapters."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.errors import RunError, UserError, user_errors
from analogen.models import MODELS


@click.group("train", context_settings=HELP, no_args_is_help=False)
def command() -> None:
    """Train the encoder or the composer of mini, an adapter of Qwen2.5-VL, or a relational adapter."""
    log = logging.getLogger("analogen")
    if not log.handlers:
        log.addHandler(_Echo())
        log.setLevel(logging.INFO)


class _Echo(logging.Handler):
    """Progress, on stderr as it is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


def _present(_: click.Context, __: click.Parameter, config: Path | None) -> Path | None:
    """The preset, also by the path that it had in 0.2.0."""
    from analogen.relsim.old_paths import present_path

    return None if config is None else present_path(config)


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--config",
            metavar="FILE",
            required=True,
            type=click.Path(path_type=Path),
            callback=_present,
            help="TOML preset.",
        ),
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
    """Train relsim-mini, or with a `base` in FILE the encoder on Qwen2.5-VL; a run that was stopped goes on where it
    was."""
    settings = _check(config, overrides)
    if _names("base", config, settings):
        return _tune("encoder", config, settings)
    if _names("trunk", config, settings):
        training = import_module("analogen.relsim.mini.trunk_training")
        with user_errors():
            checked = training.prepare(config, settings)
        training.run(checked)
        return
    from analogen.relsim.config import read_settings
    from analogen.relsim.mini.train import EncoderSettings, run

    with user_errors():
        read_settings(EncoderSettings, config, settings)
    run(config, settings)


@command.command("composer", context_settings=HELP)
@_shared
def composer(config: Path, overrides: tuple[str, ...]) -> None:
    """Train the composer; a run that was stopped goes on where it was."""
    settings = _check(config, overrides)
    from analogen.pipelines.composer.train import ComposerSettings, run
    from analogen.relsim.config import read_settings

    with user_errors():
        read_settings(ComposerSettings, config, settings)
    run(config, settings)


@command.command("adapter", context_settings=HELP)
@click.option("--config", metavar="FILE", type=click.Path(path_type=Path), callback=_present, help="TOML preset.")
@click.option("--base", metavar="NAME", help="Folder or hub id of the frozen pipeline, or a name of `analogen models`.")
@click.option("--data", metavar="PATH", help="Index of `analogen corpus`, or folder of `analogen world`.")
@click.option("--output", metavar="DIR", help="Folder of the training's saves.")
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Override a setting, e.g. lr=3e-4.")
@debug_option
def adapter(
    config: Path | None, base: str | None, data: str | None, output: str | None, overrides: tuple[str, ...]
) -> None:
    """Train a relational adapter on a frozen base; a run that was stopped goes on where it was."""
    settings = _check(config, overrides)
    if base is not None:
        settings["base"] = next((model.base for model in MODELS if model.name == base and not model.is_mini), base)
    settings |= {name: value for name, value in (("data", data), ("output", output)) if value is not None}
    with quick_imports(), user_errors():
        training = import_module("analogen.pipelines.adapter_training.train").prepare(config, settings)
    _run(training)


@command.command("captioner", context_settings=HELP)
@_shared
def captioner(config: Path, overrides: tuple[str, ...]) -> None:
    """Train the anonymous captioner on Qwen2.5-VL; a run that was stopped goes on where it was."""
    _tune("captioner", config, _check(config, overrides))


@command.command("filter", context_settings=HELP)
@_shared
def image_filter(config: Path, overrides: tuple[str, ...]) -> None:
    """Train the image filter on Qwen2.5-VL; a run that was stopped goes on where it was."""
    _tune("filter", config, _check(config, overrides))


@command.command("judge", context_settings=HELP)
@_shared
def judge(config: Path, overrides: tuple[str, ...]) -> None:
    """Train a classifier of relations or subjects, which only evaluation uses."""
    settings = _check(config, overrides)
    from analogen.relsim.config import read_settings
    from analogen.relsim.evaluation.judge_classifiers import JudgeSettings, run

    with user_errors():
        read_settings(JudgeSettings, config, settings)
    run(config, settings)


def _names(key: str, config: Path, settings: dict[str, str]) -> bool:
    """Whether the settings have this key: `base` means a training of Qwen2.5-VL, `trunk` one of mini with a trunk."""
    try:
        return key in settings or key in tomllib.loads(config.read_text())
    except ValueError:  # the training that reads it says what is wrong
        return False


def _tune(kind: str, config: Path, settings: dict[str, str]) -> None:
    with quick_imports(), user_errors():
        tuning = import_module(f"analogen.relsim.vlm.training.{kind}").prepare(config, settings)
    _run(tuning)


def _run(training: Any) -> None:
    try:
        last = training.run()
    except (FloatingPointError, MemoryError, OSError) as error:
        raise RunError(f"{error}; what was saved is kept, and the same command goes on from there") from error
    if training.accelerator.is_main_process:
        click.echo(click.format_filename(last))


def _check(config: Path | None, overrides: tuple[str, ...]) -> dict[str, str]:
    """The overrides as a dict, once the preset is known to be there; names and types are the training's own."""
    from analogen.relsim.images import open_checked

    settings = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set {text!r}: expected key=value, for example --set lr=3e-4")
        settings[key.strip()] = value.strip()
    if config is not None:
        with user_errors():
            open_checked(config, max_bytes=2**20).close()
    return settings
