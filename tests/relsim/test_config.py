"""Promises of settings: by name and by type, and nothing is taken silently."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analogen.pipelines.adapter_training.settings import AdapterSettings
from analogen.pipelines.composer.train import ComposerSettings
from analogen.pipelines.mini_pixel.train import PixelSettings
from analogen.relsim.config import read_settings
from analogen.relsim.evaluation.judge_classifiers import JudgeSettings
from analogen.relsim.mini import trunk_training
from analogen.relsim.mini.train import EncoderSettings
from analogen.relsim.vlm.training.captioner import VlmCaptionerSettings
from analogen.relsim.vlm.training.encoder import VlmEncoderSettings
from analogen.relsim.vlm.training.filter import VlmFilterSettings

TREE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Example:
    steps: int = 10
    lr: float = 1e-3
    bf16: bool = True
    output: str = "runs"


def test_defaults_without_file() -> None:
    assert read_settings(Example, None) == Example()


def test_file_replaces_defaults_and_overrides_replace_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('steps = 20\nlr = 1\nbf16 = false\noutput = "there"\n')
    read = read_settings(Example, path, {"steps": "30", "output": "7"})
    assert read == Example(30, 1.0, False, "7")
    assert type(read.lr) is float


@pytest.mark.parametrize(
    ("override", "expected"), [({"lr": "3e-4"}, 3e-4), ({"bf16": "False"}, False), ({"bf16": "true"}, True)]
)
def test_overrides_are_read_by_type(override: dict[str, str], expected: Any) -> None:
    (name,) = override
    assert getattr(read_settings(Example, None, override), name) == expected


def test_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown setting 'step'; known: steps, lr, bf16, output"):
        read_settings(Example, None, {"step": "3"})


@pytest.mark.parametrize(("key", "value"), [("steps", "2.5"), ("steps", "many"), ("lr", "fast"), ("bf16", "yes")])
def test_override_of_another_type_is_refused(key: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"setting {key}='{value}' must be"):
        read_settings(Example, None, {key: value})


@pytest.mark.parametrize(
    "line", ["steps = 2.5", "steps = true", "steps = [1]", "lr = true", "lr = [0.1]", "bf16 = 1", "output = 3"]
)
def test_value_of_another_type_in_a_file_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(line + "\n")
    with pytest.raises(ValueError, match=f"setting {line.split()[0]}=.* must be"):
        read_settings(Example, path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no settings file"):
        read_settings(Example, tmp_path / "none.toml")


def test_broken_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("steps == 3")
    with pytest.raises(ValueError, match=r"broken\.toml"):
        read_settings(Example, path)


@pytest.mark.parametrize(
    "path", sorted(path for home in ("relsim", "pipelines") for path in (TREE / home).rglob("presets/*.toml"))
)
def test_every_preset_is_readable(path: Path) -> None:
    kinds = {
        "encoder": EncoderSettings, "composer": ComposerSettings, "judge": JudgeSettings,
        "qwen-encoder": VlmEncoderSettings, "qwen-captioner": VlmCaptionerSettings, "qwen-filter": VlmFilterSettings,
        "adapter": AdapterSettings, "pixel": PixelSettings,
    }  # fmt: skip
    given = tomllib.loads(path.read_text())
    kind = kinds[path.stem] if path.stem in kinds else kinds[path.name.partition("-")[0]]
    if kind is EncoderSettings and "trunk" in given:
        kind = trunk_training.TrunkTrainingSettings
    # What an adapter is trained on is the user's to say.
    own = {name: "somewhere" for name in ("base", "data", "output") if kind is AdapterSettings and name not in given}
    assert isinstance(read_settings(kind, path, own), kind)
