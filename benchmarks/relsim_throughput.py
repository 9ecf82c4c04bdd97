"""Images per second and peak memory of the Qwen encoder beside the authors' own package, same checkpoint, one run.

    pip install --no-deps relsim==0.1.0
    python benchmarks/relsim_throughput.py [--images 64] [--width 1024 --height 768] [--threads 1]

A random checkpoint of about 100M weights, in the authors' layout, on the CPU. Two comparisons: on photographs as they
come, where each side does what it does by default (theirs takes the whole picture, ours the square of 448 px that
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
from pathlib import Path

import numpy as np
from PIL import Image
from table import Row

PEER = Path(__file__).with_name("authors_peer.py")


def draw_images(folder: Path, count: int, width: int, height: int) -> list[Path]:
    """Pictures of blots as JPEG files, which decode like photographs."""
    folder.mkdir()
    random = np.random.default_rng(0)
    paths = [folder / f"{number:03d}.jpg" for number in range(count)]
    for path in paths:
        blots = Image.fromarray(random.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
        blots.resize((width, height), Image.Resampling.BICUBIC).save(path, quality=90)
    return paths


def run_ours(checkpoint: Path, out: Path, batch_size: int, dtype: str, images: list[Path]) -> None:
    """In a process of its own: the vectors to `out`, seconds and memory to stdout, as the peer's script does."""
    from analogen.relsim.qwen import load_qwen

    encoder = load_qwen(checkpoint, dtype=dtype)
    encoder.embed(images[:1])
    started, worked = time.perf_counter(), time.process_time()
    vectors = encoder.embed(images, batch_size)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
    np.savez(out, vectors=vectors)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak}))


def measure(arguments: list[str], threads: int) -> dict[str, float]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as empty:  # not the tree, whose relsim/ would hide the authors' package
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, cwd=empty, stdout=subprocess.PIPE, text=True, check=True
        )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows(images: int = 16, batch: int = 16) -> list[Row]:
    """Squares of 448 px, where both sides compute the same vectors. Raises ImportError without the authors' package."""
    # Only looked for: importing it asks for packages that the comparison does without.
    found = importlib.util.find_spec("relsim")
    if found is None or not any(
        (Path(one) / "relsim_score.py").is_file() for one in found.submodule_search_locations or ()
    ):
        raise ImportError("the authors' package is missing: pip install --no-deps relsim==0.1.0")
    import torch

    from analogen.relsim.stand_in import SMALL, save_base, save_checkpoint

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        base = save_base(folder / "base", SMALL, dtype=torch.bfloat16)
        checkpoint = save_checkpoint(folder / "checkpoint", str(base), SMALL, rank=16)
        names = [str(path) for path in draw_images(folder / "squares", images, 448, 448)]
        theirs, ours = folder / "theirs.npz", folder / "ours.npz"
        peer = measure([str(PEER), str(base), str(checkpoint), str(theirs), *names], 1)
        own = measure([__file__, *names, "--ours", str(checkpoint), str(ours), str(batch)], 1)
        cosine = (np.load(ours)["vectors"] * np.load(theirs)["vectors"]).sum(1).min()
    note = f"least cosine to theirs {cosine:.5f}"
    name = f"embedding {images} pictures, batch {batch}"
    return [Row(name, own["seconds"], "the authors' package", peer["seconds"], note=note)]


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

    import torch
    from machine import describe

    from analogen.relsim.stand_in import SMALL, save_base, save_checkpoint

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        base = save_base(folder / "base", SMALL, dtype=torch.bfloat16)
        checkpoint = save_checkpoint(folder / "checkpoint", str(base), SMALL, rank=16)
        size = (base / "model.safetensors").stat().st_size / 2
        print(describe("torch", "transformers", "peft", "relsim"))
        print(f"{size / 1e6:.0f}M weights, {options.images} images, {options.threads} threads, {options.dtype}")
        print(f"{'':52}  images/s   ratio  of CPU time  peak MiB   cosine to theirs")
        wide = f"photographs of {options.width} x {options.height}"
        for title, width, height in ((wide, options.width, options.height), ("squares of 448 x 448", 448, 448)):
            images = draw_images(folder / title.replace(" ", "-"), options.images, width, height)
            names = [str(path) for path in images]
            theirs = folder / "theirs.npz"
            peer = [str(PEER), str(base), str(checkpoint), str(theirs), *names, "--dtype", options.dtype]
            rows = [("the authors' package", measure(peer, options.threads), theirs)]
            for batch in (1, 16):
                out = folder / f"ours-{batch}.npz"
                own = [__file__, *names, "--dtype", options.dtype, "--ours", str(checkpoint), str(out), str(batch)]
                rows.append((f"analogen, batch {batch}", measure(own, options.threads), out))
            expected = np.load(theirs)["vectors"]
            for name, found, out in rows:
                rate, ratio = options.images / found["seconds"], rows[0][1]["seconds"] / found["seconds"]
                # Nearly deaf to what else runs on the machine.
                worked = rows[0][1]["cpu_seconds"] / found["cpu_seconds"]
                cosine = (np.load(out)["vectors"] * expected).sum(1).min()
                label = f"{title}: {name}"
                print(
                    f"{label:52}  {rate:8.2f}  {ratio:6.2f}  {worked:11.2f}  {found['peak_mib']:8.0f}  {cosine:8.5f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
