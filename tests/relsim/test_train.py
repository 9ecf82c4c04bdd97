"""Promises of the encoder's training: it learns, goes on exactly after a stop, and shows every pair once an epoch."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from analogen.relsim import calibrate, data, train
from analogen.relsim.data import Pool, draw_pool
from analogen.relsim.encoder import MiniEncoder
from analogen.relsim.mini import MiniConfig, MiniNet
from analogen.relsim.text import load_text_tower
from analogen.relsim.train import (
    EncoderSettings,
    batch_rows,
    cosine_schedule,
    load_state,
    make_optimizer,
    save_state,
    train_encoder,
)
from analogen.relsim.world.dataset import Selection, trained_relations

SETTINGS = EncoderSettings(steps=6, batch_size=8, lr=3e-3, warmup=2, image_size=32, bf16=False, threads=1, save_every=3)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, few_selection: Selection) -> Iterator[Pool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "SHARD", 16)
        folder = tmp_path_factory.mktemp("pool")
        draw_pool(folder, few_selection, ["ring", "grid", "before_after", "peeking"], range(1), seed=0)
        yield Pool(folder)


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


def test_resume_equals_one_run(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train_encoder(small_net(), pool, SETTINGS)
    with monkeypatch.context() as patch:
        stop_at(4, patch)  # one step after the save: its work is done again
        with pytest.raises(KeyboardInterrupt):
            train_encoder(small_net(), pool, SETTINGS, tmp_path)
    torch.manual_seed(7)  # nothing may hang on the global state
    resumed = train_encoder(small_net(), pool, SETTINGS, tmp_path)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=1e-6, msg=name)


def test_finished_training_is_not_trained_again(pool: Pool, tmp_path: Path) -> None:
    first = train_encoder(small_net(), pool, SETTINGS, tmp_path)
    again = train_encoder(small_net(), pool, SETTINGS, tmp_path)
    for name, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_training_learns_a_small_pool(pool: Pool) -> None:
    captions = torch.from_numpy(load_text_tower().embed(pool.captions))
    images = pool.images(np.arange(len(pool))).float() / 255
    small = nn.functional.interpolate(images, size=32, mode="area")
    right = captions[torch.from_numpy(pool.labels.caption).long()]

    def cosine(net: MiniNet) -> float:
        with torch.no_grad():
            return float((net.eval()(small).relation * right).sum(-1).mean())

    before = cosine(small_net())
    settings = dataclasses.replace(SETTINGS, steps=60, batch_size=16)
    trained = train_encoder(small_net(), pool, settings)
    assert not trained.training
    assert before < 0.2
    assert cosine(trained) > 0.4


def test_bf16_trains_too(pool: Pool) -> None:
    trained = train_encoder(small_net(), pool, dataclasses.replace(SETTINGS, steps=2, bf16=True))
    assert all(torch.isfinite(p).all() and p.dtype == torch.float32 for p in trained.parameters())


def test_run_writes_a_folder_that_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_selection: Selection
) -> None:
    monkeypatch.setattr(data, "SHARD", 4)
    for module in (train, calibrate):
        monkeypatch.setattr(module, "training_selection", lambda: few_selection)
        monkeypatch.setattr(module, "trained_relations", lambda: trained_relations()[:3])
    monkeypatch.setattr(calibrate, "RELATIONS", {r.id: r for r in trained_relations()[:3]})
    monkeypatch.setattr(train, "calibrate", functools.partial(calibrate.calibrate, per_relation=4, aimless=4))
    overrides = {
        "pool": str(tmp_path / "pool"), "output": str(tmp_path / "out"), "shards": "1", "draw_workers": "1",
        "steps": "1", "batch_size": "4", "image_size": "32", "threads": "1", "bf16": "false",
    }  # fmt: skip
    output = train.run(None, overrides)
    encoder = MiniEncoder(output)
    assert encoder.net.config.image_size == 32
    assert 0 <= encoder.confidence(encoder.embed([Image.new("RGB", (32, 32))])[0]) <= 1
    assert json.loads((output / "settings.json").read_text())["steps"] == 1


@pytest.mark.parametrize(("total", "batch_size"), [(64, 8), (60, 20), (8, 2)])
def test_batches_cover_each_pair_once_an_epoch(total: int, batch_size: int) -> None:
    steps = total // batch_size
    epochs = [
        np.concatenate([batch_rows(total, batch_size, 3, epoch * steps + i) for i in range(steps)]) for epoch in (0, 1)
    ]
    for rows in epochs:
        assert sorted(rows.tolist()) == list(range(total))
        assert (rows[::2] % 2 == 0).all()
        assert (rows[1::2] == rows[::2] + 1).all()
    assert not np.array_equal(*epochs)


def test_batch_depends_on_seed_and_step_only() -> None:
    np.testing.assert_array_equal(batch_rows(64, 8, 1, 5), batch_rows(64, 8, 1, 5))
    assert not np.array_equal(batch_rows(64, 8, 1, 5), batch_rows(64, 8, 2, 5))


def test_pool_smaller_than_a_batch_gives_all_its_rows() -> None:
    assert sorted(batch_rows(6, 100, 0, 9).tolist()) == list(range(6))


def test_schedule_warms_up_then_falls_to_two_percent() -> None:
    factors = [cosine_schedule(step, 100, 10) for step in range(101)]
    assert factors[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert factors[10] == pytest.approx(1)
    assert all(a > b for a, b in itertools.pairwise(factors[10:]))
    assert factors[100] == pytest.approx(0.02)


def test_only_matrices_decay() -> None:
    model = small_net()
    decayed, kept = make_optimizer(model, 1e-3, 0.05).param_groups
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.05, 0.0)
    assert {p.ndim for p in kept["params"]} <= {0, 1}
    assert min(p.ndim for p in decayed["params"]) == 2
    assert len(decayed["params"]) + len(kept["params"]) == len(list(model.parameters()))


def test_state_round_trip_restores_model_optimizer_and_extras(tmp_path: Path) -> None:
    def parts() -> tuple[nn.Linear, torch.optim.AdamW, nn.Linear]:
        model = nn.Linear(3, 2)
        return model, make_optimizer(model, 1e-2, 0.1), nn.Linear(3, 2)

    model, optimizer, extra = parts()
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    save_state(tmp_path, model, optimizer, 17, averaged=extra)
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]
    model2, optimizer2, extra2 = parts()
    assert load_state(tmp_path, model2, optimizer2, averaged=extra2) == 17
    assert torch.equal(model2.weight, model.weight)
    assert torch.equal(extra2.weight, extra.weight)
    for index, slots in optimizer.state_dict()["state"].items():
        for name, value in slots.items():
            assert torch.equal(optimizer2.state_dict()["state"][index][name], value)


def test_nothing_saved_starts_from_zero(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    before = model.weight.clone()
    assert load_state(tmp_path / "none", model, make_optimizer(model, 1e-3, 0.0)) == 0
    assert torch.equal(model.weight, before)
