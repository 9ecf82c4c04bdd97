"""Cold and warm `generate`, as ratios to importing torch and diffusers, in one run.

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

REFERENCE = Path(__file__).parents[1] / "examples" / "ring_of_owls.png"
GENERATE = "import sys; from analogen.cli import generate_main; sys.exit(generate_main())"


def seconds(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True)
    return time.perf_counter() - started


def warm(repeats: int) -> list[float]:
    """Seconds of whole runs, 4 candidates at 1024 px, in a process that has made one before."""
    from analogen.generator import Generator
    from analogen.types import Request

    generator = Generator(device="cpu")
    found = []
    for number in range(repeats + 1):
        started = time.perf_counter()
        generator.run(Request(references=(REFERENCE,), subject="bicycle", seed=number, candidates=4))
        found.append(time.perf_counter() - started)
    return found[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    python = [sys.executable, "-c"]
    with tempfile.TemporaryDirectory() as folder:
        job = [*python, GENERATE, "--reference", str(REFERENCE), "--subject", "bicycle", "--output", folder]
        commands = {
            "import torch, diffusers": [*python, "import torch, diffusers"],
            "generate --help": [*python, GENERATE, "--help"],
            "generate, cold, 4 candidates, 1024 px": job,
        }
        # Interleaved, so that a slow minute of the machine falls on all alike.
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
