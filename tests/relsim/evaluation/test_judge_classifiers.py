"""Promises of the judges, at tiny size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from analogen.relsim.evaluation import judge_classifiers, judge_pictures
from analogen.relsim.evaluation.judge_classifiers import (
    ClassifierJudge,
    JudgeSettings,
    accuracy,
    run,
    train_judge,
)
from analogen.relsim.evaluation.judge_networks import JudgeNet, PlainJudgeNet
from analogen.relsim.evaluation.judge_pictures import JudgePicture, JudgePool, draw_judge_pool
from analogen.relsim.mini.trunk import EfficientNetLite
from analogen.relsim.world.dataset import Selection
from analogen.relsim.world.relations import RELATIONS

FEW = ("ring", "bullseye")


@pytest.fixture
def few_only(monkeypatch: pytest.MonkeyPatch, few_selection: Selection) -> None:
    """Two relations, few subjects, shards of 16 pictures, and no package of ImageNet weights."""
    monkeypatch.setattr(judge_pictures, "SHARD", 16)
    for module in (judge_pictures, judge_classifiers):
        monkeypatch.setattr(module, "RELATIONS", {name: RELATIONS[name] for name in FEW})
        monkeypatch.setattr(module, "judges_selection", lambda: few_selection)
    monkeypatch.setattr(judge_classifiers, "load_imagenet", EfficientNetLite)


@pytest.fixture
def overrides(tmp_path: Path) -> dict[str, str]:
    return {
        "what": "subject", "output": str(tmp_path / "judge"), "pool": str(tmp_path / "pool"), "shards": "1",
        "draw_workers": "1", "steps": "1", "batch_size": "4", "width": "8", "pool_px": "64", "image_size": "64",
        "tested": "2", "threads": "1", "bf16": "false",
    }  # fmt: skip


def test_judge_learns_a_small_pool(few_only: None, tmp_path: Path) -> None:
    draw_judge_pool(tmp_path, 1, seed=3, side=64)
    pool = JudgePool(tmp_path)
    settings = JudgeSettings(
        steps=120, batch_size=8, warmup=2, ema=0.5, image_size=64, lr=3e-3, bf16=False, threads=1, train_from=99
    )
    torch.manual_seed(0)
    net = train_judge(JudgeNet(len(FEW), 32), pool, FEW, settings)
    judge = ClassifierJudge(net, FEW, 64)
    asked = np.flatnonzero(pool.relations)
    pictures = [Image.fromarray(a) for a in pool.images(asked).permute(0, 2, 3, 1).numpy()]
    assert np.mean(np.array(judge.predict(pictures)) == pool.relations[asked]) > 0.7


def test_probabilities_are_a_distribution_whatever_the_batch() -> None:
    torch.manual_seed(1)
    judge = ClassifierJudge(JudgeNet(5, 8), list("abcde"), 64)
    pictures = [Image.new("RGB", (90, 70), color) for color in ("red", "green", "blue")]
    together, alone = judge.probabilities(pictures), judge.probabilities(pictures, batch_size=1)
    assert together.shape == (3, 5)
    torch.testing.assert_close(together.sum(-1), torch.ones(3))
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-3)
    assert judge.probabilities([]).shape == (0, 5)


def test_judge_comes_back_from_disk(tmp_path: Path) -> None:
    torch.manual_seed(2)
    judge = ClassifierJudge(JudgeNet(4, 8), list("abcd"), 64)
    judge.save(tmp_path / "judge")
    again = ClassifierJudge.load(tmp_path / "judge")
    picture = [Image.effect_noise((64, 64), 60).convert("RGB")]
    assert again.classes == judge.classes
    torch.testing.assert_close(again.probabilities(picture), judge.probabilities(picture), atol=5e-3, rtol=0)


def test_folder_without_a_judge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no judge"):
        ClassifierJudge.load(tmp_path)


def test_judge_of_version_0_2_still_judges(tmp_path: Path) -> None:
    torch.manual_seed(3)
    judge = ClassifierJudge(PlainJudgeNet(2, 8), FEW, 64)
    judge.save(tmp_path)
    assert set(json.loads((tmp_path / "config.json").read_text())) == {"classes", "size", "width"}
    picture = [Image.effect_noise((64, 64), 60).convert("RGB")]
    again = ClassifierJudge.load(tmp_path)
    torch.testing.assert_close(again.probabilities(picture), judge.probabilities(picture), atol=2e-3, rtol=0)


def test_unknown_kind_of_judge_is_refused(tmp_path: Path) -> None:
    preset = tmp_path / "judge.toml"
    preset.write_text('what = "beauty"\n')
    with pytest.raises(ValueError, match="expected relation or subject"):
        run(preset)


def test_run_writes_a_judge_and_its_accuracy_by_kind(
    few_only: None, overrides: dict[str, str], few_selection: Selection
) -> None:
    output = run(None, overrides)
    assert ClassifierJudge.load(output).classes == list(few_selection.subjects)
    report = json.loads((output / "settings.json").read_text())
    for kind in ("finished", "drawing", "photograph"):
        assert report[f"accuracy_{kind}"] in (0, 0.25, 0.5, 0.75, 1)


def test_judge_starts_from_the_layers_of_another(
    few_only: None, overrides: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_selection: Selection
) -> None:
    torch.manual_seed(4)
    other = ClassifierJudge(JudgeNet(9, 8), list("abcdefghi"), 64)
    other.save(tmp_path / "other")
    seen: dict[str, torch.Tensor] = {}

    def keep(net: JudgeNet, *more: object) -> JudgeNet:
        seen.update(net.state_dict())
        return net

    monkeypatch.setattr(judge_classifiers, "train_judge", keep)
    run(None, {**overrides, "init": str(tmp_path / "other")})
    torch.testing.assert_close(seen["project.weight"], other.net.project.weight.detach(), atol=1e-3, rtol=0)
    assert len(seen["head.3.bias"]) == len(few_selection.subjects)


def test_accuracy_counts_right_names_where_a_judge_is_asked(
    monkeypatch: pytest.MonkeyPatch, few_selection: Selection
) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pairs = iter([("ring", "bullseye"), ("ring", ""), ("bullseye", "bullseye")])
    monkeypatch.setattr(
        judge_classifiers, "draw_judge_pair",
        lambda *_: tuple(JudgePicture(pixels, name, "apple") for name in next(pairs)),
    )  # fmt: skip
    judge = ClassifierJudge(JudgeNet(2, 8), FEW, 64)
    monkeypatch.setattr(judge, "predict", lambda pictures: ["ring"] * len(pictures))
    assert accuracy(judge, "relation", "finished", 3, seed=1) == pytest.approx(2 / 5)
