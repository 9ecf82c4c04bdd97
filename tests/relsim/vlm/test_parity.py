"""Parity with the authors' own package, run as published in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.compat import relsim
from analogen.relsim.vlm.checkpoint import convert
from analogen.relsim.vlm.encoder import load_qwen
from analogen.relsim.vlm.training.encoder import prepare

PEER = Path(__file__).resolve().parents[3] / "benchmarks" / "authors_package.py"
INSTALL = "pip install -c constraints.txt --no-deps relsim"


def peer_vectors(base: Path, checkpoint: Path, images: list[Path], folder: Path, dtype: str = "float32") -> np.ndarray:
    out = folder / "peer.npz"
    done = subprocess.run(
        [sys.executable, str(PEER), str(base), str(checkpoint), str(out), *map(str, images), "--dtype", dtype],
        cwd=folder,  # not the tree, whose relsim/ would hide the package
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return np.load(out)["vectors"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures of several shapes, one below the least number of pixels; the last two are the first two, cut to 448."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    paths = []
    for number, (width, height) in enumerate([(300, 200), (150, 420), (64, 64), (20, 30)]):
        blots = Image.fromarray(random.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8))
        paths.append(folder / f"{number}.png")
        blots.resize((width, height), Image.Resampling.BICUBIC).save(paths[-1])
    for number in (0, 1):
        with Image.open(paths[number]) as image:
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            square = image.crop((left, top, left + side, top + side)).resize((448, 448), Image.Resampling.LANCZOS)
        paths.append(folder / f"square{number}.png")
        square.save(paths[-1])
    return paths


@pytest.fixture(scope="module")
def theirs(
    tiny_vlm_folder: Path, tiny_qwen_folder: Path, images: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> np.ndarray:
    try:
        found = version("relsim")
    except PackageNotFoundError:
        found = "missing"
    if found != "0.1.0":
        said = f"the authors' package relsim is {found}, compared is 0.1.0: {INSTALL}"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return peer_vectors(tiny_vlm_folder, tiny_qwen_folder, images, tmp_path_factory.mktemp("peer"))


def test_authors_call_equals_the_authors_package(
    theirs: np.ndarray, tiny_qwen_folder: Path, images: list[Path]
) -> None:
    model, preprocess = relsim(pretrained=True, checkpoint_dir=tiny_qwen_folder, device="cpu", dtype="float32")
    pictures = [preprocess(Image.open(path)) for path in images]
    alone = np.concatenate([model.embed(picture).numpy() for picture in pictures])
    assert (alone * theirs).sum(1).min() > 0.99999
    assert (model.embed(pictures).numpy() * theirs).sum(1).min() > 0.99999
    assert np.abs(alone - theirs).max() < 1e-4


def test_squares_equal_the_authors_package_on_the_same_squares(
    theirs: np.ndarray, tiny_qwen_folder: Path, images: list[Path]
) -> None:
    ours = load_qwen(tiny_qwen_folder, dtype="float32").embed(images[:2])
    assert (ours * theirs[-2:]).sum(1).min() > 0.99999


def test_converted_checkpoint_runs_in_the_authors_package(
    theirs: np.ndarray, tiny_vlm_folder: Path, tiny_qwen_folder: Path, images: list[Path], tmp_path: Path
) -> None:
    convert(tiny_qwen_folder, tmp_path / "ours", "analogen")
    convert(tmp_path / "ours", tmp_path / "back", "authors")
    half = peer_vectors(tiny_vlm_folder, tmp_path / "back", images[-2:], tmp_path, "bfloat16")
    assert (half * theirs[-2:]).sum(1).min() > 0.999
    # bf16 is what their package runs in.
    ours = load_qwen(tmp_path / "ours", dtype="bfloat16").embed(images[-2:])
    assert (ours * half).sum(1).min() > 0.9999


def test_authors_package_reads_an_encoder_that_we_trained(
    theirs: np.ndarray, tiny_vlm_folder: Path, world_index: Path, images: list[Path], tmp_path: Path
) -> None:
    settings = {
        "base": str(tiny_vlm_folder), "index": str(world_index), "output": str(tmp_path / "out"), "steps": "3",
        "batch_size": "8", "image_size": "56", "dtype": "float32", "lr": "1e-1", "warmup": "1",
    }  # fmt: skip
    last = prepare(None, settings).run()
    convert(last, tmp_path / "authors", "authors")
    vectors = peer_vectors(tiny_vlm_folder, tmp_path / "authors", images, tmp_path)
    model, _ = relsim(pretrained=True, checkpoint_dir=tmp_path / "authors", device="cpu", dtype="float32")
    ours = model.embed([Image.open(path).convert("RGB") for path in images]).numpy()
    assert (ours * vectors).sum(1).min() > 0.9999
    assert (theirs * vectors).sum(1).max() < 0.9  # another encoder than the one before
