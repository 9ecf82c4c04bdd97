"""Promises of the paths of 0.2.0: what a user has written down still leads to the shipped weights and presets."""

from __future__ import annotations

from pathlib import Path

import pytest

from analogen.cli import main
from analogen.pipelines.composer.pipeline import load_composer
from analogen.relsim.config import read_settings
from analogen.relsim.encoder import load_mini
from analogen.relsim.mini.train import EncoderSettings
from analogen.relsim.old_paths import present_path

TREE = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("relsim/weights/mini", "relsim/mini/weights"),
        ("pipelines/weights/mini", "pipelines/composer/weights"),
        ("relsim/presets/encoder-cpu.toml", "relsim/mini/presets/encoder-cpu.toml"),
        ("relsim/presets/judge-cpu.toml", "relsim/evaluation/presets/judge-cpu.toml"),
        ("pipelines/presets/composer-plus-cpu.toml", "pipelines/composer/presets/composer-readings-cpu.toml"),
        ("pipelines/presets/adapter-sdxl.toml", "pipelines/adapter_training/presets/adapter-sdxl.toml"),
    ],
)
def test_old_path_leads_to_the_present_one(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert present_path(TREE / old) == TREE / new
    monkeypatch.chdir(TREE)
    assert present_path(old) == Path(new)


def test_other_paths_stay_as_they_are(tmp_path: Path) -> None:
    for path in (
        tmp_path,
        tmp_path / "relsim" / "weights" / "mini",
        tmp_path / "relsim" / "presets" / "a.toml",
        Path("x"),
    ):
        assert present_path(path) == path


def test_weights_load_by_their_old_paths() -> None:
    assert load_mini(str(TREE / "relsim" / "weights" / "mini")).net.config.dim > 0
    assert load_composer(TREE / "pipelines" / "weights" / "mini").reads


def test_settings_hold_old_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "own.toml"
    config.write_text(f'init = "{(TREE / "relsim" / "weights" / "mini").as_posix()}"\n')
    assert read_settings(EncoderSettings, config).init == str(TREE / "relsim" / "mini" / "weights")
    old = TREE / "relsim" / "presets" / "encoder-cpu.toml"
    assert read_settings(EncoderSettings, old) == read_settings(EncoderSettings, present_path(old))
    assert main(["train", "encoder", "--config", str(old), "--set", "nothing=1"]) == 2
    assert "unknown setting 'nothing'" in capsys.readouterr().err
