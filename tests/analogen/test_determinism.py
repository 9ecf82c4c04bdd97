"""The same seed gives the same bytes: in another process, with other hashes of texts, with other numbers of threads.

That a row is the same picture alone and among others, within 1e-3, is tested in test_batch.py and test_generator.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "ring_of_owls.png"
GENERATE = "import sys; from analogen.cli import generate_main; sys.exit(generate_main())"


def made(folder: Path, threads: int, hash_seed: int) -> dict[str, bytes]:
    """The files of one run of the shipped models, by name."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONHASHSEED": str(hash_seed)}
    options = ["--subject", "bicycle", "--seed", "5", "--num-images", "2", "--candidates", "3", "--svg"]
    options += ["--width", "64", "--height", "64", "--device", "cpu"]
    command = [sys.executable, "-P", "-c", GENERATE, "--reference", str(EXAMPLE), *options, "--output", str(folder)]
    subprocess.run(command, env=environment, capture_output=True, check=True)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_same_seed_is_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    first, second = made(tmp_path / "first", 1, 0), made(tmp_path / "second", 2, 12345)
    assert list(first) == ["0000.png", "0000.svg", "0001.png", "0001.svg"]
    assert first["0000.png"] != first["0001.png"]
    assert first == second
