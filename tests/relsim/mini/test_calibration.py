"""Promises of the calibration, with a tiny untrained encoder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from analogen.relsim.mini.calibration import TEMPERATURES, best_temperature, calibrate
from analogen.relsim.mini.encoder import CaptionBank, MiniEncoder
from analogen.relsim.world.relations import RELATIONS


def test_calibration_writes_what_the_encoder_reads(tiny_encoder_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder_folder, folder)
    bank = calibrate(folder, per_relation=1)
    assert (
        len(bank.captions)
        == len(bank.relations)
        == len(bank.vectors)
        == sum(len(r.captions) for r in RELATIONS.values())
    )
    assert CaptionBank.load(folder).temperature == bank.temperature
    assert TEMPERATURES[0] <= bank.temperature <= TEMPERATURES[-1]
    encoder = MiniEncoder(folder)
    matches = encoder.nearest_captions(bank.vectors[0], 3)
    assert matches[0].caption == bank.captions[0]
    assert matches[0].score == pytest.approx(1, abs=1e-3)


def test_temperature_is_the_one_that_made_the_answers() -> None:
    """Captions chosen with the probabilities of a softmax at .08 are likeliest at about that temperature."""
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-0.3, 0.6, (4000, 12)).astype(np.float32)
    likely = np.exp(cosines / 0.08)
    chosen = [rng.choice(12, p=row / row.sum()) for row in likely]
    right = np.eye(12, dtype=bool)[chosen]
    assert best_temperature(cosines, right) == pytest.approx(0.08, rel=0.15)


def test_wrong_names_raise_the_temperature() -> None:
    cosines = np.array([[0.9, 0.2, 0.1]] * 10, np.float32)
    sure = np.array([[True, False, False]] * 10)
    doubtful = sure.copy()
    doubtful[:4] = [False, True, False]
    assert best_temperature(cosines, doubtful) > best_temperature(cosines, sure) == TEMPERATURES[0]
