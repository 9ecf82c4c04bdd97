"""Promises of the calibration, with a tiny untrained encoder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from analogen.relsim import calibrate as module
from analogen.relsim.calibrate import aimless_pictures, calibrate
from analogen.relsim.encoder import MiniEncoder
from analogen.relsim.world.dataset import Selection, trained_relations
from analogen.relsim.world.relations import RELATIONS


def test_calibration_writes_what_the_encoder_reads(
    tiny_encoder_folder: Path, tmp_path: Path, few_selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "training_selection", lambda: few_selection)
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder_folder, folder)
    bank = calibrate(folder, per_relation=4, aimless=6)
    assert (
        len(bank.captions)
        == len(bank.relations)
        == len(bank.vectors)
        == sum(len(r.captions) for r in RELATIONS.values())
    )
    assert bank.centres.shape == (len(trained_relations()), 384)
    np.testing.assert_allclose(np.linalg.norm(bank.centres, axis=1), 1, atol=1e-5)
    encoder = MiniEncoder(folder)
    matches = encoder.nearest_captions(bank.vectors[0], 3)
    assert matches[0].caption == bank.captions[0]
    assert matches[0].score == pytest.approx(1, abs=1e-3)
    assert 0 <= encoder.confidence(bank.centres[3]) <= 1


def test_aimless_pictures_are_reproducible(few_selection: Selection) -> None:
    first, again = (aimless_pictures(3, few_selection, np.random.default_rng(8)) for _ in range(2))
    assert [a.tobytes() for a in first] == [a.tobytes() for a in again]
    assert len({a.tobytes() for a in first}) == 3
