"""Promises of the encoder's training: it learns, goes on exactly after a stop, and shows every pair once an epoch."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from analogen.relsim.mini import calibration, data, out_of_distribution, single_subjects, train
from analogen.relsim.mini.data import PicturePool, Pool, batch_rows, draw_pool
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.model import MiniConfig, MiniNet
from analogen.relsim.mini.out_of_distribution import draw_out_of_distribution
from analogen.relsim.mini.single_subjects import draw_single_subjects
from analogen.relsim.mini.train import EncoderSettings, Pools, train_encoder
from analogen.relsim.text import load_text_tower
from analogen.relsim.world.dataset import Selection, trained_relations

SETTINGS = EncoderSettings(
    steps=6, batch_size=16, lr=3e-3, warmup=2, ema=0.9, image_size=32, bf16=False, threads=1, save_every=3
)
ONE_SHARD_EACH = {"shards": "1", "draw_workers": "1", "portrait_shards": "1", "stranger_shards": "1"}


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory, few_selection: Selection) -> Iterator[Pools]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (data, single_subjects, out_of_distribution):
            patch.setattr(module, "SHARD", 16)
        folder = tmp_path_factory.mktemp("pool")
        draw_pool(folder, few_selection, ["ring", "grid", "before_after", "peeking"], range(1), seed=0)
        faces = draw_single_subjects(folder / "portraits", few_selection, 1, seed=0)
        yield Pools(Pool(folder), faces, draw_out_of_distribution(folder / "strangers", few_selection, 1, seed=0))


def small_net() -> MiniNet:
    torch.manual_seed(0)
    return MiniNet(MiniConfig(image_size=32, widths=(16, 16, 32), blocks=(1, 1, 1), dim=32, depth=1, heads=2))


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break off in the middle of the training, as Ctrl-C does."""

    def rows(total: int, batch_size: int, seed: int, now: int) -> NDArray[np.int64]:
        if now == step:
            raise KeyboardInterrupt
        return batch_rows(total, batch_size, seed, now)

    monkeypatch.setattr(train, "batch_rows", rows)


def test_resume_equals_one_run(pools: Pools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train_encoder(small_net(), pools, SETTINGS)
    with monkeypatch.context() as patch:
        stop_at(4, patch)  # one step after the save: its work is done again
        with pytest.raises(KeyboardInterrupt):
            train_encoder(small_net(), pools, SETTINGS, tmp_path)
    torch.manual_seed(7)  # nothing may hang on the global state
    resumed = train_encoder(small_net(), pools, SETTINGS, tmp_path)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=1e-6, msg=name)


def test_finished_training_is_not_trained_again(pools: Pools, tmp_path: Path) -> None:
    first = train_encoder(small_net(), pools, SETTINGS, tmp_path)
    again = train_encoder(small_net(), pools, SETTINGS, tmp_path)
    for name, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_training_learns_a_small_pool(pools: Pools) -> None:
    captions = torch.from_numpy(load_text_tower().embed(pools.scenes.captions))
    images = pools.scenes.images(np.arange(16)).float() / 255
    small = nn.functional.interpolate(images, size=32, mode="area")
    right = captions[torch.from_numpy(pools.scenes.labels.caption).long()]

    def cosine(net: MiniNet) -> float:
        with torch.no_grad():
            return float((net.eval()(small).relation * right).sum(-1).mean())

    before = cosine(small_net())
    settings = dataclasses.replace(SETTINGS, steps=90, batch_size=16)
    trained = train_encoder(small_net(), pools, settings)
    assert not trained.training
    assert before < 0.2
    assert cosine(trained) > 0.4


def test_an_anchor_keeps_patches_near_those_of_the_start(pools: Pools) -> None:
    images = nn.functional.interpolate(pools.scenes.images(np.arange(16)).float() / 255, size=32, mode="area")

    def patches(net: MiniNet) -> torch.Tensor:
        with torch.no_grad():
            out = net.eval()(images).patches
        return nn.functional.layer_norm(out, out.shape[-1:])

    first = train_encoder(small_net(), pools, dataclasses.replace(SETTINGS, steps=40))
    start = patches(first)

    def moved(anchor_weight: float) -> float:
        settings = dataclasses.replace(SETTINGS, steps=40, seed=1, anchor_weight=anchor_weight)
        net = small_net()
        net.load_state_dict(first.state_dict())
        return float((patches(train_encoder(net, pools, settings)) - start).square().mean())

    assert moved(10.0) < 0.5 * moved(0.0)


@pytest.mark.parametrize("setting", ["anchor_weight", "hard_shards"])
def test_settings_that_need_an_initial_encoder_are_refused_without_one(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ValueError, match="set init"):
        train.run(None, {"pool": str(tmp_path / "pool"), setting: "1"})
    assert not (tmp_path / "pool").exists()


def test_bf16_trains_too(pools: Pools) -> None:
    trained = train_encoder(small_net(), pools, dataclasses.replace(SETTINGS, steps=2, bf16=True))
    assert all(torch.isfinite(p).all() and p.dtype == torch.float32 for p in trained.parameters())


def test_run_writes_a_folder_that_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_selection: Selection
) -> None:
    monkeypatch.setattr(data, "SHARD", 4)
    for module in (single_subjects, out_of_distribution):
        monkeypatch.setattr(module, "SHARD", 4)
    monkeypatch.setattr(train, "training_selection", lambda: few_selection)
    for module in (train, calibration):
        monkeypatch.setattr(module, "trained_relations", lambda: trained_relations()[:3])
    monkeypatch.setattr(calibration, "RELATIONS", {r.id: r for r in trained_relations()[:3]})
    monkeypatch.setattr(train, "calibrate", functools.partial(calibration.calibrate, per_relation=2))
    overrides = {
        "pool": str(tmp_path / "pool"), "output": str(tmp_path / "out"), "steps": "1", "batch_size": "4",
        "image_size": "32", "threads": "1", "bf16": "false", "structure_pairs": "6", "structure_steps": "1",
        **ONE_SHARD_EACH,
    }  # fmt: skip
    output = train.run(None, overrides)
    encoder = MiniEncoder(output)
    assert encoder.net.config.image_size == 32
    seen = encoder.encode_all([Image.new("RGB", (32, 32))])
    assert 0 <= encoder.confidence(seen.relation[0], float(seen.known[0])) <= 1
    assert json.loads((output / "settings.json").read_text())["steps"] == 1

    monkeypatch.setattr(train, "CONFUSIONS_EACH", 2)
    overrides |= {"output": str(tmp_path / "on"), "init": str(output), "structure_pairs": "0", "hard_shards": "1"}
    further = train.run(None, overrides)
    assert not (further / "structure").exists()
    assert MiniEncoder(further).net.config.image_size == 32
    assert len(Pool(tmp_path / "pool")) == 4
    assert len(Pool(tmp_path / "pool", tmp_path / "pool" / "confused")) == 8


def test_untrained_structure_head_stays_that_of_the_initial_encoder(pools: Pools) -> None:
    before = small_net()
    after = train_encoder(copy.deepcopy(before), pools, dataclasses.replace(SETTINGS, steps=2))
    for name, value in before.structure_head.state_dict().items():
        assert torch.equal(after.structure_head.state_dict()[name], value)
    assert not torch.equal(after.project.weight, before.project.weight)


def test_training_separates_unknown_pictures_from_scenes(pools: Pools, tmp_path: Path) -> None:
    """Here stripes, which so small a net can tell within so few steps."""
    stripes = np.tile(np.arange(128) // 16 % 2 * np.uint8(255), (16, 128, 1)).reshape(16, 128, 128, 1).repeat(3, -1)
    pools = pools._replace(
        out_of_distribution=PicturePool.draw(tmp_path, 1, lambda _: (stripes, np.full(16, -1, np.int32)))
    )
    settings = dataclasses.replace(SETTINGS, steps=60, batch_size=16, known_weight=1.0, ema=0.9)
    net = train_encoder(small_net(), pools, settings)

    def known(raw: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return net(nn.functional.interpolate(raw.float() / 255, size=32, mode="area")).known

    scenes = known(pools.scenes.images(np.arange(16)))
    strange = known(pools.out_of_distribution.sample(16, torch.Generator().manual_seed(0))[0])
    assert (scenes[:, None] > strange[None]).float().mean() > 0.75  # the area under the ROC curve


def test_training_goes_on_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_selection: Selection
) -> None:
    net = small_net()
    net.save_pretrained(tmp_path / "first")
    seen: list[MiniNet] = []

    def caught(model: MiniNet, *_: object) -> MiniNet:
        seen.append(model)
        raise KeyboardInterrupt

    for module in (data, single_subjects, out_of_distribution):
        monkeypatch.setattr(module, "SHARD", 4)
    monkeypatch.setattr(train, "training_selection", lambda: few_selection)
    monkeypatch.setattr(train, "train_encoder", caught)
    overrides = {"pool": str(tmp_path / "pool"), "output": str(tmp_path / "out"), "init": str(tmp_path / "first")}
    with pytest.raises(KeyboardInterrupt):
        train.run(None, overrides | ONE_SHARD_EACH)
    torch.testing.assert_close(seen[0].project.weight, net.project.weight, atol=1e-3, rtol=0)
