"""`analogen train`: trains mini's parts, adapters of Qwen2.5-VL, and relational adapters of diffusion models."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.local_path import LocalPath
from analogen.errors import RunError, UserError, user_errors
from analogen.models import MODELS


@click.group("train", context_settings=HELP, no_args_is_help=False)
def command() -> None:
    """Train a part of mini, an adapter of Qwen2.5-VL, or a relational adapter of a diffusion model."""
    log = logging.getLogger("analogen")
    if not log.handlers:
        log.addHandler(_Echo())
        log.setLevel(logging.INFO)


class _Echo(logging.Handler):
    """Logs progress to the current stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


def _preset_path(_: click.Context, __: click.Parameter, config: Path | None) -> Path | None:
    """The path of the preset; paths of 0.2.0 are translated."""
    from analogen.relsim.old_paths import present_path

    return None if config is None else present_path(config)


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--config",
            metavar="FILE",
            required=True,
            type=LocalPath(),
            callback=_preset_path,
            help="Preset with the settings, a TOML file.",
        ),
        click.option(
            "--set",
            "overrides",
            metavar="KEY=VALUE",
            multiple=True,
            help="Replace a setting of the preset, for example lr=3e-4. May be given several times.",
        ),
        debug_option,
    ):
        command = option(command)
    return command


@command.command("encoder", context_settings=HELP)
@_shared
def encoder(config: Path, overrides: tuple[str, ...]) -> None:
    """Train relsim-mini, or an encoder on Qwen2.5-VL if the preset has a `base`.

    If the training is stopped, the same command continues it.
    """
    settings = _check(config, overrides)
    if _names("base", config, settings):
        return _train_vlm("encoder", config, settings)
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
    """Train the composer. If the training is stopped, the same command continues it."""
    settings = _check(config, overrides)
    from analogen.pipelines.composer.train import ComposerSettings, run
    from analogen.relsim.config import read_settings

    with user_errors():
        read_settings(ComposerSettings, config, settings)
    run(config, settings)


@command.command("adapter", context_settings=HELP)
@click.option(
    "--config",
    metavar="FILE",
    type=LocalPath(),
    callback=_preset_path,
    help="Preset with the settings, a TOML file.",
)
@click.option(
    "--base", metavar="NAME", help="Frozen diffusion model: a folder, a hub id, or a name of `analogen models`."
)
@click.option(
    "--data", metavar="PATH", help="Training data: an index of `analogen corpus`, or a folder of `analogen world`."
)
@click.option("--output", metavar="DIR", help="Folder for checkpoints and samples.")
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Replace a setting of the preset, for example lr=3e-4. May be given several times.",
)
@debug_option
def adapter(
    config: Path | None, base: str | None, data: str | None, output: str | None, overrides: tuple[str, ...]
) -> None:
    """Train a relational adapter for a frozen diffusion model. If it is stopped, the same command continues it."""
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
    """Train the anonymous captioner on Qwen2.5-VL. If it is stopped, the same command continues it."""
    _train_vlm("captioner", config, _check(config, overrides))


@command.command("filter", context_settings=HELP)
@_shared
def image_filter(config: Path, overrides: tuple[str, ...]) -> None:
    """Train the image filter on Qwen2.5-VL. If it is stopped, the same command continues it."""
    _train_vlm("filter", config, _check(config, overrides))


@command.command("judge", context_settings=HELP)
@_shared
def judge(config: Path, overrides: tuple[str, ...]) -> None:
    """Train a classifier of relations or subjects, which is used for evaluation only."""
    settings = _check(config, overrides)
    from analogen.relsim.config import read_settings
    from analogen.relsim.evaluation.judge_classifiers import JudgeSettings, run

    with user_errors():
        read_settings(JudgeSettings, config, settings)
    run(config, settings)


def _names(key: str, config: Path, settings: dict[str, str]) -> bool:
    """Whether the settings have a key: `base` for a training of Qwen2.5-VL, `trunk` for mini on a trunk."""
    try:
        return key in settings or key in tomllib.loads(config.read_text())
    except ValueError:  # reported later, by the training that reads it
        return False


def _train_vlm(kind: str, config: Path, settings: dict[str, str]) -> None:
    with quick_imports(), user_errors():
        training = import_module(f"analogen.relsim.vlm.training.{kind}").prepare(config, settings)
    _run(training)


def _run(training: Any) -> None:
    try:
        last = training.run()
    except (FloatingPointError, MemoryError, OSError) as error:
        raise RunError(
            f"{error}; saved checkpoints are kept, and the same command continues from the last one"
        ) from error
    if training.accelerator.is_main_process:
        click.echo(click.format_filename(last))


def _check(config: Path | None, overrides: tuple[str, ...]) -> dict[str, str]:
    """Check that the preset exists, and parse the overrides. Names and types are checked by the training."""
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
