"""Promises of the judges, at tiny size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from analogen.relsim.evaluation import judge_classifiers
from analogen.relsim.evaluation.judge_classifiers import (
    ClassifierJudge,
    JudgeNet,
    JudgeSettings,
    accuracy,
    judges_selection,
    run,
    train_judge,
)
from analogen.relsim.mini import data, single_subjects
from analogen.relsim.mini.data import Pool, draw_pool
from analogen.relsim.world.art import TRAINING_STYLES, ArtLibrary
from analogen.relsim.world.dataset import Selection
from analogen.relsim.world.relations import RELATIONS

FEW = ("ring", "bullseye")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, few_selection: Selection) -> Pool:
    folder = tmp_path_factory.mktemp("judge-pool")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "SHARD", 16)
        draw_pool(folder, few_selection, list(FEW), range(1), seed=3, finished=True)
    return Pool(folder)


def test_judge_learns_a_small_pool(pool: Pool) -> None:
    settings = JudgeSettings(steps=60, batch_size=16, warmup=2, width=8, image_size=64, bf16=False, threads=1)
    torch.manual_seed(0)
    net = train_judge(JudgeNet(len(FEW), 8), pool, settings)
    judge = ClassifierJudge(net, FEW, 64)
    pictures = [Image.fromarray(a) for a in pool.images(np.arange(16)).permute(0, 2, 3, 1).numpy()]
    names = judge.predict(pictures)
    truth = [FEW[i] for i in pool.labels.relation]
    assert np.mean([a == b for a, b in zip(names, truth, strict=True)]) > 0.7


def test_probabilities_are_a_distribution_whatever_the_batch() -> None:
    torch.manual_seed(1)
    judge = ClassifierJudge(JudgeNet(5, 8), list("abcde"), 64)
    pictures = [Image.new("RGB", (90, 70), color) for color in ("red", "green", "blue")]
    together, alone = judge.probabilities(pictures), judge.probabilities(pictures, batch_size=1)
    assert together.shape == (3, 5)
    torch.testing.assert_close(together.sum(-1), torch.ones(3))
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert judge.probabilities([]).shape == (0, 5)


def test_judge_comes_back_from_disk(tmp_path: Path) -> None:
    torch.manual_seed(2)
    judge = ClassifierJudge(JudgeNet(4, 8), list("abcd"), 64)
    judge.save(tmp_path / "judge")
    again = ClassifierJudge.load(tmp_path / "judge")
    picture = [Image.effect_noise((64, 64), 60).convert("RGB")]
    assert again.classes == judge.classes
    torch.testing.assert_close(again.probabilities(picture), judge.probabilities(picture), atol=2e-3, rtol=0)


def test_folder_without_a_judge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no judge"):
        ClassifierJudge.load(tmp_path)


def test_unknown_kind_of_judge_is_refused(tmp_path: Path) -> None:
    preset = tmp_path / "judge.toml"
    preset.write_text('what = "beauty"\n')
    with pytest.raises(ValueError, match="expected relation or subject"):
        run(preset)


def test_run_writes_a_judge_and_its_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_selection: Selection
) -> None:
    for module in (data, single_subjects):
        monkeypatch.setattr(module, "SHARD", 4)
    monkeypatch.setattr(judge_classifiers, "judges_selection", lambda: few_selection)
    monkeypatch.setattr(judge_classifiers, "RELATIONS", {name: RELATIONS[name] for name in FEW})
    overrides = {
        "what": "subject", "output": str(tmp_path / "judge"), "pool": str(tmp_path / "pool"), "shards": "1",
        "portrait_shards": "1", "draw_workers": "1", "steps": "1", "batch_size": "4", "width": "8",
        "image_size": "64", "tested": "4", "threads": "1", "bf16": "false",
    }  # fmt: skip
    output = run(None, overrides)
    assert ClassifierJudge.load(output).classes == list(few_selection.subjects)
    assert json.loads((output / "settings.json").read_text())["accuracy"] in (0, 0.25, 0.5, 0.75, 1)


def test_judge_starts_from_the_convolutions_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_selection: Selection
) -> None:
    for module in (data, single_subjects):
        monkeypatch.setattr(module, "SHARD", 4)
    monkeypatch.setattr(judge_classifiers, "judges_selection", lambda: few_selection)
    monkeypatch.setattr(judge_classifiers, "RELATIONS", {name: RELATIONS[name] for name in FEW})
    torch.manual_seed(4)
    other = ClassifierJudge(JudgeNet(9, 8), list("abcdefghi"), 64)
    other.save(tmp_path / "other")
    seen: dict[str, torch.Tensor] = {}

    def keep(net: JudgeNet, *more: object) -> JudgeNet:
        seen.update(net.state_dict())
        return net

    monkeypatch.setattr(judge_classifiers, "train_judge", keep)
    overrides = {
        "what": "subject", "output": str(tmp_path / "judge"), "pool": str(tmp_path / "pool"), "shards": "1",
        "portrait_shards": "1", "draw_workers": "1", "width": "8", "image_size": "64", "tested": "4",
        "init": str(tmp_path / "other"),
    }  # fmt: skip
    run(None, overrides)
    torch.testing.assert_close(seen["stem.1.weight"], other.net.stem[1].weight.detach(), atol=1e-3, rtol=0)
    assert len(seen["head.3.bias"]) == len(few_selection.subjects)


def test_first_steps_of_the_subject_judge_use_single_subjects_only(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_selection: Selection
) -> None:
    monkeypatch.setattr(single_subjects, "SHARD", 16)
    faces = single_subjects.draw_single_subjects(tmp_path, few_selection, 1, seed=1)
    asked: list[int] = []
    images = pool.images
    monkeypatch.setattr(pool, "images", lambda rows: asked.append(len(rows)) or images(rows))
    settings = JudgeSettings(
        what="subject", steps=4, portrait_steps=2, batch_size=8, width=8, image_size=64, bf16=False, threads=1
    )
    train_judge(JudgeNet(len(few_selection.subjects), 8), pool, settings, single_subjects=faces)
    assert asked == [0, 0, 4, 4]


def test_judges_see_every_art_family_and_split() -> None:
    library, selection = ArtLibrary.shipped(), judges_selection()
    assert selection.styles == TRAINING_STYLES
    assert set(library.nouns(split="held_out", stock=True)) <= set(selection.subjects)


def test_accuracy_counts_right_names(monkeypatch: pytest.MonkeyPatch, few_selection: Selection) -> None:
    names = list(RELATIONS)[:6]
    judge = ClassifierJudge(JudgeNet(2, 8), ["a", "b"], 64)
    monkeypatch.setattr(judge, "predict", lambda pictures: [*names[:4], "wrong", "wrong"])
    assert accuracy(judge, "relation", 6, seed=1, selection=few_selection) == pytest.approx(4 / 6)
