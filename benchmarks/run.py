"""Run all benchmarks and print one table: medians, each against a baseline.

    python benchmarks/run.py [--only NAME ...] [--output FILE.json] [--compare FILE.json] [--quick] [--repeats 3]

ratio   how many times as fast as the baseline, in the same run
floor   seconds of the counted work (multiplications, or bytes that have to be read) at this machine's peak, which is
        measured in the same run; share: the part of the peak that is reached
--compare   exit code 1 if a ratio is 20 % worse than in FILE.json, which an earlier run wrote with --output
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import machine_peaks
from machine import describe
from table import Row, as_text, load, save, worse

Benchmark = Callable[[bool, int, machine_peaks.Peaks], list[Row]]


def cold_start(quick: bool, repeats: int, peaks: machine_peaks.Peaks) -> list[Row]:
    import cold_start as benchmark

    return benchmark.measure(repeats, 2 if quick else None) + benchmark.measure_work(repeats)


def generate(quick: bool, repeats: int, peaks: machine_peaks.Peaks) -> list[Row]:
    import generate_speed as benchmark

    return benchmark.measure(repeats, 64 if quick else 1024)


def authors(quick: bool, repeats: int, peaks: machine_peaks.Peaks) -> list[Row]:
    import relsim_throughput as benchmark

    return benchmark.rows(2 if quick else 16, 2 if quick else 8)


def batch(quick: bool, repeats: int, peaks: machine_peaks.Peaks) -> list[Row]:
    import batch_throughput as benchmark

    return benchmark.measure(2 if quick else 16, 1 if quick else 2, 1, 64 if quick else 1024)


def references(quick: bool, repeats: int, peaks: machine_peaks.Peaks) -> list[Row]:
    import references_batch as benchmark

    return benchmark.measure(2 if quick else 8, 1 if quick else 4, repeats)


def gallery(quick: bool, repeats: int, peaks: machine_peaks.Peaks) -> list[Row]:
    import gallery_search as benchmark

    rows = 2000 if quick else 100_000
    found = benchmark.measure(rows, 3 if quick else 30)
    # Every vector has to be read once, at least in half precision.
    floor = rows * 384 * 2 / peaks.bytes_per_second
    return [Row(**{**vars(row), "floor_seconds": floor}) for row in found]


def world(quick: bool, repeats: int, peaks: machine_peaks.Peaks) -> list[Row]:
    import world_drawing as benchmark

    return benchmark.measure(1)[: 1 if quick else None]


def encoder(quick: bool, repeats: int, peaks: machine_peaks.Peaks) -> list[Row]:
    import encoder_speed as benchmark

    return benchmark.measure(4 if quick else 64, repeats, peaks)


def training(quick: bool, repeats: int, peaks: machine_peaks.Peaks) -> list[Row]:
    import training_step as benchmark

    return benchmark.measure(rows=2 if quick else 8, repeats=repeats)


def editing(quick: bool, repeats: int, peaks: machine_peaks.Peaks) -> list[Row]:
    import scene_edits as benchmark

    return benchmark.measure(2 if quick else 9, 2 if quick else None)


def studio(quick: bool, repeats: int, peaks: machine_peaks.Peaks) -> list[Row]:
    import studio_load as benchmark

    return benchmark.measure(2, 10, 5) if quick else benchmark.measure(20, 300)


BENCHMARKS: dict[str, Benchmark] = {
    "cold-start": cold_start, "generate": generate, "encoder": encoder, "authors": authors, "batch": batch,
    "references": references, "gallery": gallery, "world": world, "training": training,
    "editing": editing, "studio": studio,
}  # fmt: skip


def run(names: list[str], quick: bool, repeats: int) -> tuple[list[Row], machine_peaks.Peaks]:
    """The rows of the named benchmarks; one that cannot run here has a row with the reason."""
    peaks = machine_peaks.measure(256, 8, 2) if quick else machine_peaks.measure()
    rows: list[Row] = []
    for name in names:
        started = time.perf_counter()
        try:
            rows += BENCHMARKS[name](quick, repeats, peaks)
        except ImportError as error:
            rows.append(Row(name, note=f"not measured: {error}"))
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return rows, peaks


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--compare", type=Path)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, as a test that everything runs")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    try:
        before = load(options.compare) if options.compare else []
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    rows, peaks = run(options.only, options.quick, options.repeats)
    machine = f"{describe()}, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}; peak {peaks.flops / 1e9:.1f} GFLOP/s in fp32, {peaks.bytes_per_second / 1e9:.1f} GB/s")
    print(as_text(rows))
    if options.output:
        save(
            options.output, rows, {"machine": machine, "flops": peaks.flops, "bytes_per_second": peaks.bytes_per_second}
        )
    lines = worse(rows, before if set(options.only) == set(BENCHMARKS) else _shared(before, rows))
    for line in lines:
        print(f"worse: {line}", file=sys.stderr)
    return 1 if lines else 0


def _shared(before: list[Row], rows: list[Row]) -> list[Row]:
    """The earlier rows that were measured again: with --only the others are not missing."""
    names = {row.name for row in rows}
    return [row for row in before if row.name in names]


if __name__ == "__main__":
    sys.exit(main())
