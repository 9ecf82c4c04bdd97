"""The manifest of the tests of batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from batch_runs import COLORS, write_manifest
from PIL import Image


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Twelve rows with five references, one or two pictures each."""
    for number, color in enumerate(COLORS):
        values = np.asarray(Image.new("RGB", (40, 30), color)).copy()
        values[:: 2 + number] = 90
        Image.fromarray(values).save(tmp_path / f"{color}.png")
    rows = [
        {"id": f"r{n}", "reference": f"{COLORS[n % 5]}.png", "subject": "apple", "num_images": 1 + n % 2}
        for n in range(12)
    ]
    return write_manifest(tmp_path / "rows.jsonl", rows)
