"""A description of the machine and the packages of a measurement."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def describe(*packages: str) -> str:
    """The processor, cores, Python and the versions of packages, in one line."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.is_file()
        else []
    )
    processor = names[0] if names else platform.processor() or platform.machine()
    versions = ", ".join(f"{name} {version(name)}" for name in packages or ("torch", "diffusers", "transformers"))
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"
