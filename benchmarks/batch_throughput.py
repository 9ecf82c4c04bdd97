"""Benchmark of `analogen batch` against a loop of single calls and against separate commands, as ratios in one run.

python benchmarks/batch_throughput.py [--rows 64] [--commands 4] [--repeats 1]

Every row has its own reference, 4 candidates and one saved picture of --size. The loop calls `Generator.run` and
`save_candidate` in a process that has made a picture before. The separate commands are `generate`, measured on a few
rows and scaled to all. The batch is the whole command with its start.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe
from table import Row, as_text

SUBJECTS = ("bicycle", "apple", "frog", "robot", "key", "cat", "rocket", "banana")
COMMAND = "import sys; from analogen.cli import main; sys.exit(main())"


def run_command(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", COMMAND, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def loop(rows: list[tuple[Path, str]], folder: Path, size: int) -> float:
    """Seconds of a loop of single calls, after one warm-up call."""
    from analogen.generator import Generator
    from analogen.saving import save_candidate
    from analogen.types import Request

    generator = Generator(device="cpu")
    started = 0.0
    for number, (reference, subject) in enumerate([rows[0], *rows]):
        if number == 1:  # the first call warms up
            started = time.perf_counter()
        request = Request(references=(reference,), subject=subject, seed=number, width=size, height=size)
        result = generator.run(request)
        save_candidate(request, result, result.candidates[0], folder / f"{number}.png")
    return time.perf_counter() - started


def measure(rows: int = 64, commands: int = 4, repeats: int = 1, size: int = 1024) -> list[Row]:
    """The whole batch against a loop of calls, and against separate commands, for `rows` rows each."""
    from analogen.relsim.world.dataset import write_samples

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_samples(folder / "world", count=rows, size=256, seed=5)
        references = sorted((folder / "world").glob("*.png"))
        row_inputs = [(path, SUBJECTS[number % len(SUBJECTS)]) for number, path in enumerate(references)]
        manifest = folder / "rows.jsonl"
        manifest.write_text(
            "".join(
                json.dumps({"id": f"r{n}", "reference": str(path), "subject": subject, "seed": n + 1}) + "\n"
                for n, (path, subject) in enumerate(row_inputs)
            )
        )
        options = ("--width", str(size), "--height", str(size), "--device", "cpu")
        batches, loops = [], []
        for number in range(repeats):
            out = str(folder / f"out{number}")
            batches.append(run_command("batch", str(manifest), "--output", out, *options, "--no-sheet"))
            loops.append(loop(row_inputs, folder, size))
        single = [
            run_command(
                "generate",
                "--reference",
                str(path),
                "--subject",
                subject,
                "--output",
                str(folder / "one.png"),
                *options,
            )
            for path, subject in row_inputs[:commands]
        ]
    batch, loop_seconds, commands_seconds = (
        statistics.median(batches),
        statistics.median(loops),
        rows * statistics.median(single),
    )
    name = f"batch of {rows}, {size} px, with its start"
    return [
        Row(name, batch, "a warm loop of single calls", loop_seconds),
        Row(f"{name} ", batch, "commands, one each", commands_seconds),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--commands", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--size", type=int, default=1024)
    print(describe())
    print(as_text(measure(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
