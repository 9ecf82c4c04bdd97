"""Benchmark of the Qwen encoder against the authors' package: images per second and peak memory, same checkpoint.

    pip install --no-deps relsim==0.1.0
    python benchmarks/relsim_throughput.py [--images 64] [--width 1024 --height 768] [--threads 1]

It uses a random checkpoint of about 100M weights in the authors' layout, on the CPU. There are two comparisons: on
photographs with the defaults of each (the authors' package takes the whole picture, ours the square of 448 px that
training used), and on squares of 448 px, where both compute the same vectors.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from table import Row

AUTHORS_SCRIPT = Path(__file__).with_name("authors_package.py")


def draw_images(folder: Path, count: int, width: int, height: int) -> list[Path]:
    """Smooth random pictures as JPEG files, which decode like photographs."""
    folder.mkdir()
    random = np.random.default_rng(0)
    paths = [folder / f"{number:03d}.jpg" for number in range(count)]
    for path in paths:
        small = Image.fromarray(random.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
        small.resize((width, height), Image.Resampling.BICUBIC).save(path, quality=90)
    return paths


def run_ours(checkpoint: Path, out: Path, batch_size: int, dtype: str, images: list[Path]) -> None:
    """Write vectors to `out` and print seconds and memory, as authors_package.py does; runs in its own process."""
    from analogen.relsim.vlm.encoder import load_qwen

    encoder = load_qwen(checkpoint, dtype=dtype)
    encoder.embed(images[:1])
    started, cpu_started = time.perf_counter(), time.process_time()
    vectors = encoder.embed(images, batch_size)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    np.savez(out, vectors=vectors)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak}))


def measure(arguments: list[str], threads: int) -> dict[str, float]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as empty:  # not in the tree, whose relsim/ would hide the authors' package
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, cwd=empty, stdout=subprocess.PIPE, text=True, check=True
        )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


class Measurement(NamedTuple):
    """One encoder on pictures of one kind. least_cosine: to the authors' vectors."""

    kind: str
    name: str
    seconds: float
    cpu_seconds: float
    peak_mib: float
    least_cosine: float


def compare(
    images: int, batches: Sequence[int], threads: int, dtype: str, size: tuple[int, int] = (1024, 768)
) -> Iterator[list[Measurement]]:
    """Measurements on photographs of `size`, then on squares of 448 px.

    Each list begins with the authors' package, followed by ours at each batch size. Each runs in its own process, all
    on one random checkpoint.
    """
    import torch

    from analogen.relsim.vlm.tiny import SMALL, save_base, save_checkpoint

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        base = save_base(folder / "base", SMALL, dtype=torch.bfloat16)
        checkpoint = save_checkpoint(folder / "checkpoint", str(base), SMALL, rank=16)
        for kind, (width, height) in (("photographs", size), ("squares", (448, 448))):
            names = [str(path) for path in draw_images(folder / kind, images, width, height)]
            authors_file = folder / f"{kind}-theirs.npz"
            peer = [str(AUTHORS_SCRIPT), str(base), str(checkpoint), str(authors_file), *names, "--dtype", dtype]
            sides = [("the authors' package", measure(peer, threads), authors_file)]
            for batch in batches:
                out = folder / f"{kind}-{batch}.npz"
                own = [__file__, *names, "--dtype", dtype, "--ours", str(checkpoint), str(out), str(batch)]
                sides.append((f"analogen, batch {batch}", measure(own, threads), out))
            expected = np.load(authors_file)["vectors"]
            yield [
                Measurement(kind, name, **found, least_cosine=float((np.load(out)["vectors"] * expected).sum(1).min()))
                for name, found, out in sides
            ]


def rows(images: int = 16, batch: int = 16) -> list[Row]:
    """Rows for photographs and for squares, on one thread in float32, which every processor supports.

    Raises ImportError without the authors' package.
    """
    # Not imported here: the import needs packages that the comparison does not need.
    package = importlib.util.find_spec("relsim")
    if package is None or not any(
        (Path(one) / "relsim_score.py").is_file() for one in package.submodule_search_locations or ()
    ):
        raise ImportError("the authors' package is missing: pip install --no-deps relsim==0.1.0")
    found = []
    for peer, own in compare(images, [batch], 1, "float32"):
        note = f"least cosine to theirs {own.least_cosine:.5f}, peak {own.peak_mib:.0f} MiB, theirs {peer.peak_mib:.0f}"
        name = f"embedding {images} {own.kind}, batch {batch}"
        found.append(Row(name, own.seconds, "the authors' package", peer.seconds, note=note))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--height", type=int, default=768)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--dtype", default="bfloat16", help="of both sides; bfloat16 is what the authors' package asks for"
    )
    parser.add_argument("--ours", nargs=3, metavar=("CHECKPOINT", "OUT", "BATCH"), help=argparse.SUPPRESS)
    parser.add_argument("paths", nargs="*", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        checkpoint, out, batch = options.ours
        run_ours(Path(checkpoint), Path(out), int(batch), options.dtype, options.paths)
        return

    from machine import describe

    print(describe("torch", "transformers", "peft", "relsim"))
    print(f"about 100M weights, {options.images} images, {options.threads} threads, {options.dtype}")
    print(f"{'':36}  images/s   ratio  of CPU time  peak MiB   cosine to theirs")
    for sides in compare(options.images, (1, 16), options.threads, options.dtype, (options.width, options.height)):
        for side in sides:
            rate, ratio = options.images / side.seconds, sides[0].seconds / side.seconds
            cpu_ratio = sides[0].cpu_seconds / side.cpu_seconds  # hardly depends on other processes
            label, peak = f"{side.kind}: {side.name}", side.peak_mib
            print(
                f"{label:36}  {rate:8.2f}  {ratio:6.2f}  {cpu_ratio:11.2f}  {peak:8.0f}  {side.least_cosine:8.5f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
