"""A batch against a loop of single calls and against separate commands: pictures per second, as ratios in one run.

python benchmarks/batch_throughput.py [--rows 64] [--commands 4] [--repeats 1]

Every row has a reference of its own, 4 candidates and one picture kept at --size. The loop does with `Generator.run`
and `save_candidate` what a user's script would, in a process that has made a picture before; the separate commands
are `generate`, measured on a few and taken per row; the batch is the whole command, its start included.
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

SUBJECTS = ("bicycle", "apple", "frog", "robot", "key", "cat", "rocket", "banana")
COMMAND = "import sys; from analogen.cli import main; sys.exit(main())"


def run_command(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", COMMAND, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def loop(rows: list[tuple[Path, str]], folder: Path, size: int) -> float:
    """Seconds of single calls, one row after the other."""
    from analogen.generator import Generator
    from analogen.saving import save_candidate
    from analogen.types import Request

    generator = Generator(device="cpu")
    started = 0.0
    for number, (reference, subject) in enumerate([rows[0], *rows]):
        if number == 1:  # the first one was for warmth
            started = time.perf_counter()
        request = Request(references=(reference,), subject=subject, seed=number, width=size, height=size)
        result = generator.run(request)
        save_candidate(request, result, result.candidates[0], folder / f"{number}.png")
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--commands", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--size", type=int, default=1024)
    given = parser.parse_args()

    from analogen.relsim.world.dataset import write_draw

    print(describe())
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_draw(folder / "world", count=given.rows, size=256, seed=5)
        references = sorted((folder / "world").glob("*.png"))
        rows = [(path, SUBJECTS[number % len(SUBJECTS)]) for number, path in enumerate(references)]
        manifest = folder / "rows.jsonl"
        manifest.write_text(
            "".join(
                json.dumps({"id": f"r{n}", "reference": str(path), "subject": subject, "seed": n + 1}) + "\n"
                for n, (path, subject) in enumerate(rows)
            )
        )
        size = ("--width", str(given.size), "--height", str(given.size), "--device", "cpu")
        batches, loops = [], []
        for number in range(given.repeats):
            out = str(folder / f"out{number}")
            batches.append(run_command("batch", str(manifest), "--output", out, *size, "--no-sheet"))
            loops.append(loop(rows, folder, given.size))
        single = [
            run_command(
                "generate", "--reference", str(path), "--subject", subject, "--output", str(folder / "one.png"), *size
            )
            for path, subject in rows[: given.commands]
        ]
    batch, looped = statistics.median(batches) / given.rows, statistics.median(loops) / given.rows
    alone = statistics.median(single)
    print(f"{given.rows} rows, 4 candidates each, {given.size} px")
    print(f"{'batch, with its start':<28}{1 / batch:8.2f} rows/s")
    print(f"{'loop of single calls':<28}{1 / looped:8.2f} rows/s   batch is {looped / batch:.2f} times as fast")
    print(f"{'separate commands':<28}{1 / alone:8.2f} rows/s   batch is {alone / batch:.2f} times as fast")


if __name__ == "__main__":
    main()
