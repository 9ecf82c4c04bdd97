"""Tests of recipes/average_encoders.py: a calibrated weighted mean of encoders, which loads."""

from __future__ import annotations

import functools
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from analogen.relsim.mini import calibration
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.model import MiniConfig, MiniNet
from analogen.relsim.world.dataset import trained_relations

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "average_encoders.py"


def test_shares_weigh_the_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = trained_relations()[:3]
    monkeypatch.setattr(calibration, "trained_relations", lambda: few)
    monkeypatch.setattr(calibration, "RELATIONS", {r.id: r for r in few})
    monkeypatch.setattr(calibration, "calibrate", functools.partial(calibration.calibrate, per_relation=1))
    parts = {}
    for name in ("a", "b"):
        net = MiniNet(MiniConfig(image_size=32, widths=(16, 16, 32), blocks=(1, 1, 1), dim=32, depth=1, heads=2))
        net.save_pretrained(tmp_path / name)
        parts[name] = MiniNet.from_pretrained(tmp_path / name).state_dict()
    monkeypatch.setattr(sys, "argv", ["recipe", str(tmp_path / "mean"), f"{tmp_path / 'a'}=3", f"{tmp_path / 'b'}=1"])
    runpy.run_path(str(RECIPE), run_name="__main__")
    encoder = MiniEncoder(tmp_path / "mean")
    for name, value in encoder.net.named_parameters():
        torch.testing.assert_close(value, 0.75 * parts["a"][name] + 0.25 * parts["b"][name], atol=2e-3, rtol=2e-3)
    assert {found.relation for found in encoder.nearest_captions(np.eye(384, dtype=np.float32)[0], 100)} == {
        r.id for r in few
    }


@pytest.mark.parametrize("text", ["folder", "folder=0", "folder=-1", "folder=nan", "folder=inf", "folder=half"])
def test_a_bad_share_is_refused(text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["recipe", "mean", text])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(RECIPE), run_name="__main__")
    assert f"{text!r}: expected FOLDER=SHARE" in capsys.readouterr().err
