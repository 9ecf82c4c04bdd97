"""What all tests share: one thread per worker, no network, no state of the user's."""

from __future__ import annotations

import os

# Before torch is imported anywhere: two pools of threads on two cores stand in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.delenv("ANALOGEN_DEBUG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A small RGB picture with something in it."""
    values = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    path = tmp_path / "picture.png"
    Image.fromarray(values).save(path)
    return path
