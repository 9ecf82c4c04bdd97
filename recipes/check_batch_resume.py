"""Check that a batch resumes: kill it at random moments, continue it, and compare it with an uninterrupted run.

python recipes/check_batch_resume.py --kills 200 --rows 60 [--minutes 10]

Prints one JSON line. Exit code 1, with the reasons, if a row is lost or doubled, a file is damaged or any byte differs.
POSIX only: every run is a fork of a process that has already imported torch.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

# Torch uses one thread, and starts none before the fork.
os.environ["OMP_NUM_THREADS"] = "1"

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SUBJECTS = ("bicycle", "apple", "frog", "robot", "key", "cat", "rocket", "banana", "guitar", "teapot")


def write_manifest(path: Path, rows: int) -> None:
    references = sorted(EXAMPLES.glob("*.png"))
    lines = [
        {
            "id": f"row{number:03d}",
            "reference": str(references[number % len(references)]),
            "subject": SUBJECTS[number * 7 % len(SUBJECTS)],
            "num_images": 1 + number % 2,
        }
        for number in range(rows)
    ]
    # Two rows that fail: their lines must also be written exactly once.
    damaged = path.with_name("damaged.png")
    damaged.write_bytes(references[0].read_bytes()[:200])
    for line in lines[5 :: max(rows // 2, 6)]:
        line["reference"] = str(damaged)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def start(arguments: list[str]) -> int:
    """Fork a process that runs the command. Returns its process id."""
    sys.stdout.flush()
    if (pid := os.fork()) != 0:
        return pid
    code = 1
    try:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        from analogen.cli import main

        code = main(arguments)
    finally:
        os._exit(code)


def kill_after(pid: int, seconds: float) -> bool:
    """Kill a process after some seconds. Returns False if it ended by itself before."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name, without the job store."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith("jobs.sqlite")}


def faults_while_running(folder: Path, expected: dict[str, bytes]) -> list[str]:
    """Faults that a folder may never have: a wrong picture, a torn or doubled line."""
    faults = []
    if not folder.exists():
        return []
    for name, data in contents(folder).items():
        if name.endswith(".png") and data != expected.get(name):
            faults.append(f"{name} differs from that of the uninterrupted run")
        if name == "results.jsonl":
            lines = data.decode().splitlines(keepends=True)
            known = set(expected["results.jsonl"].decode().splitlines(keepends=True))
            faults += [f"torn or wrong line {line[:60]!r}" for line in lines if line not in known]
            faults += ["a line was written twice"] * (len(lines) != len(set(lines)))
    return faults


def faults_at_the_end(folder: Path, expected: dict[str, bytes]) -> list[str]:
    """Faults of a folder whose run has ended: missing and additional files, other results, unfinished jobs."""
    found = contents(folder)
    faults = [f"{name} is missing" for name in expected if name not in found]
    faults += [f"{name} is left over" for name in found if name not in expected]
    if found.get("results.jsonl") != expected["results.jsonl"]:
        faults.append("results.jsonl differs")
    with sqlite3.connect(folder / "jobs.sqlite") as base:
        states = dict(base.execute("SELECT state, count(*) FROM jobs GROUP BY state"))
        if set(states) - {"done", "failed"} or base.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            faults.append(f"the store holds {states}")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no run after this many minutes")
    options = parser.parse_args()

    import torch

    import analogen.batch.chunk_processor  # noqa: F401
    from analogen.relsim.encoder import load_mini

    torch.set_num_threads(1)
    load_mini("mini", "cpu")
    rng = random.Random(options.seed)
    faults: list[str] = []
    kills = runs = 0
    with tempfile.TemporaryDirectory() as temporary:
        manifest = Path(temporary, "rows.jsonl")
        write_manifest(manifest, options.rows)

        def arguments(folder: Path) -> list[str]:
            return [
                "batch", str(manifest), "--output", str(folder), "--steps", str(options.steps), "--candidates", "2",
                "--width", str(options.size), "--height", str(options.size), "--workers", str(options.workers),
                "--device", "cpu",
            ]  # fmt: skip

        complete = Path(temporary, "complete")
        started = time.monotonic()
        os.waitpid(start(arguments(complete)), 0)
        seconds = time.monotonic() - started
        expected = contents(complete)
        finished = expected["results.jsonl"].count(b"\n")
        if finished != options.rows:
            faults.append(f"the uninterrupted run finished {finished} of {options.rows} rows")
        deadline = started + 60 * options.minutes
        while kills < options.kills and not faults and time.monotonic() < deadline:
            folder = Path(temporary, f"run{runs}")
            while kill_after(start(arguments(folder)), rng.uniform(0, seconds * 0.8)):
                kills += 1
                faults += faults_while_running(folder, expected)
            faults += faults_at_the_end(folder, expected)
            runs += 1
        pictures = sum(name.endswith(".png") for name in expected)
    report = {
        "kills": kills, "runs": runs, "rows": options.rows, "files": len(expected), "pictures": pictures,
        "undisturbed_seconds": round(seconds, 2), "faults": faults[:20],
    }  # fmt: skip
    print(json.dumps(report))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
