"""The same seed gives the same bytes: in another process, with other hashes of texts.

With another number of threads sums may be taken in another order: then the numbers are the same within 1e-3.

That a row is the same picture alone and among others, within 1e-3, is tested in batch/test_batch.py
and test_generator.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes import assert_same_scene

from analogen.generator import Generator
from analogen.types import Request

EXAMPLE = Path(__file__).parents[2] / "examples" / "ring_of_owls.png"
GENERATE = "import sys; from analogen.cli import generate_main; sys.exit(generate_main())"


def made(folder: Path, hash_seed: int) -> dict[str, bytes]:
    """The files of one run of the shipped models, by name."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONHASHSEED": str(hash_seed)}
    options = ["--subject", "bicycle", "--seed", "5", "--num-images", "2", "--candidates", "3", "--svg"]
    options += ["--width", "64", "--height", "64", "--device", "cpu"]
    command = [sys.executable, "-P", "-c", GENERATE, "--reference", str(EXAMPLE), *options, "--output", str(folder)]
    subprocess.run(command, env=environment, capture_output=True, check=True)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_same_seed_is_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    first, second = made(tmp_path / "first", 0), made(tmp_path / "second", 12345)
    assert list(first) == ["0000.png", "0000.svg", "0001.png", "0001.svg"]
    assert first["0000.png"] != first["0001.png"]
    assert first == second


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of torch's threads; what it was comes back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_other_number_of_threads_gives_the_same_scenes_within_rounding(threads: Callable[[int], None]) -> None:
    request = Request(references=(EXAMPLE,), subject="bicycle", seed=5, candidates=3, width=64, height=64)
    generator = Generator(device="cpu")
    composed = []
    for number in (1, 2):
        threads(number)
        composed += generator.compose([generator.prepare(request)])
    one, two = composed
    np.testing.assert_allclose(one.conditioning.relation, two.conditioning.relation, atol=1e-4)
    for mine, other in zip(one.scenes, two.scenes, strict=True):
        assert_same_scene(mine, other)
