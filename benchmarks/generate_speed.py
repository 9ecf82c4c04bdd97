"""Benchmark of `generate`, cold and warm, against importing torch and diffusers, in one run.

python benchmarks/generate_speed.py [--repeats 3]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe
from table import Row

REFERENCE = Path(__file__).parents[1] / "examples" / "ring_of_owls.png"
GENERATE = "import sys; from analogen.cli import generate_main; sys.exit(generate_main())"


def seconds(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True)
    return time.perf_counter() - started


def warm(repeats: int) -> list[float]:
    """Seconds of whole runs with 4 candidates at 1024 px, after one run that is not counted."""
    from analogen.generator import Generator
    from analogen.types import Request

    generator = Generator(device="cpu")
    found = []
    for number in range(repeats + 1):
        started = time.perf_counter()
        generator.run(Request(references=(REFERENCE,), subject="bicycle", seed=number, candidates=4))
        found.append(time.perf_counter() - started)
    return found[1:]


def measure(repeats: int = 3, size: int = 1024) -> list[Row]:
    """Cold against importing torch and diffusers, as every other tool has to do; warm against cold."""
    from table import side_by_side

    from analogen.generator import Generator
    from analogen.types import Request

    python = [sys.executable, "-P", "-c"]
    size_options = ["--width", str(size), "--height", str(size), "--device", "cpu"]
    with tempfile.TemporaryDirectory() as folder:
        command_line = [*python, GENERATE, "--reference", str(REFERENCE), "--subject", "bicycle", "--output", folder]
        generator = Generator(device="cpu")
        request = Request(references=(REFERENCE,), subject="bicycle", seed=1, candidates=4, width=size, height=size)
        generator.run(request)
        seconds_by_name = side_by_side(
            {
                "import": lambda: seconds([*python, "import torch, diffusers"]),
                "cold": lambda: seconds([*command_line, *size_options]),
                "warm": lambda: generator.run(request),
            },
            repeats,
        )
    name = f"4 candidates, {size} px"
    return [
        Row(f"generate, cold, {name}", seconds_by_name["cold"], "import torch, diffusers", seconds_by_name["import"]),
        Row(f"generate, warm, {name}", seconds_by_name["warm"], "the same, cold", seconds_by_name["cold"]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    python = [sys.executable, "-P", "-c"]
    with tempfile.TemporaryDirectory() as folder:
        command_line = [*python, GENERATE, "--reference", str(REFERENCE), "--subject", "bicycle", "--output", folder]
        commands = {
            "import torch, diffusers": [*python, "import torch, diffusers"],
            "generate --help": [*python, GENERATE, "--help"],
            "generate, cold, 4 candidates, 1024 px": command_line,
        }
        # Interleaved, so that other load on the machine affects all of them.
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(repeats):
            for name, command in commands.items():
                times[name].append(seconds(command))
    times["generate, warm, 4 candidates, 1024 px"] = warm(repeats)
    base = statistics.median(times["import torch, diffusers"])
    print(describe())
    print(f"{'':40}  seconds   ratio")
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"{name:40}  {middle:7.2f}  {middle / base:6.2f}")


if __name__ == "__main__":
    main()
