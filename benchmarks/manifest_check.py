"""Benchmark of checking a manifest: seconds and memory by number of rows, as CSV and as JSONL.

python benchmarks/manifest_check.py [--rows 10000 100000 1000000]

Every file is checked completely by `analogen.batch.manifest`, as `analogen batch` does before it loads a model, in its
own process, with ten references that alternate. Memory is the peak of that process without its imports.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image


def write_table(path: Path, rows: int, references: list[str]) -> None:
    with path.open("w") as file:
        if path.suffix == ".csv":
            file.write("id,reference,subject,num_images,seed\n")
        for number in range(rows):
            reference, subject = references[number % len(references)], f"subject {number % 997}"
            if path.suffix == ".csv":
                file.write(f"asset-{number},{reference},{subject},2,{number}\n")
            else:
                row = {"id": f"asset-{number}", "reference": reference, "subject": subject, "num_images": 2}
                file.write(json.dumps({**row, "seed": number}) + "\n")


def check(path: Path) -> None:
    """Check one file and print the figures; runs in its own process."""
    from analogen.batch.manifest import Manifest

    table = Manifest(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, cpu_started = time.perf_counter(), time.process_time()
    rows = table.check().rows
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    added_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"rows": rows, "seconds": seconds, "cpu_seconds": cpu_seconds, "mib": added_mib}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--check", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.check:
        check(options.check)
        return
    from machine import describe

    print(describe())
    print(f"{'':24}  seconds  of CPU  rows/s of CPU  MiB above the start")
    with tempfile.TemporaryDirectory() as made:
        references = [f"{number}.png" for number in range(10)]
        for name in references:
            Image.new("RGB", (64, 64)).save(Path(made) / name)
        for rows in options.rows:
            for suffix in (".csv", ".jsonl"):
                path = Path(made) / f"rows{suffix}"
                write_table(path, rows, references)
                command = [sys.executable, "-P", str(Path(__file__).resolve()), "--check", str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found = json.loads(done.stdout)
                label = f"{rows} rows, {suffix[1:]}"
                rate = rows / found["cpu_seconds"]
                figures = f"{found['seconds']:7.2f}  {found['cpu_seconds']:6.2f}  {rate:13.0f}  {found['mib']:19.1f}"
                print(f"{label:24}  {figures}", flush=True)


if __name__ == "__main__":
    main()
