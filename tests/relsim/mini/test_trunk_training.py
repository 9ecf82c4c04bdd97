"""The training with a trunk: it learns, resumes exactly, and its pool of scenes is drawn as promised."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from analogen.cli.train import command
from analogen.relsim.mini import scene_pool, trunk_training
from analogen.relsim.mini import views as views_module
from analogen.relsim.mini.calibration import calibrate
from analogen.relsim.mini.confusions import pair_odds
from analogen.relsim.mini.dense_head import ABSENT, COLUMNS
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.model import MiniConfig, MiniNet
from analogen.relsim.mini.scene_pool import GROUPS, ScenePool, count_pool_confusions, draw_pair, draw_scene_pool
from analogen.relsim.mini.trunk_training import (
    TrunkTrainingSettings,
    prepare,
    train_encoder,
)
from analogen.relsim.mini.views import random_views
from analogen.relsim.tensors import read_tensors
from analogen.relsim.world.dataset import trained_relations
from analogen.relsim.world.grammar import held_out_compositions
from analogen.relsim.world.material import Material
from analogen.relsim.world.relations import RELATIONS

SIDE = 96
SETTINGS = TrunkTrainingSettings(
    steps=4, batch_size=8, lr=2e-3, warmup=1, ema=0.5, image_size=64, bf16=False, threads=1, save_every=2, spoilt=2,
    trunk="efficientnet-lite0", train_from=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScenePool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene_pool, "SHARD", 24)
        folder = tmp_path_factory.mktemp("pool")
        draw_scene_pool(folder, range(1), seed=3, side=SIDE)
        yield ScenePool(folder)


def tiny_net() -> MiniNet:
    torch.manual_seed(0)
    return MiniNet(MiniConfig(64, "efficientnet-lite0", dense_dim=16, dim=32, heads=2, depth=1, parts=True))


def test_a_shard_is_drawn_again_alike(pool: ScenePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_pool, "SHARD", 24)
    draw_scene_pool(tmp_path, range(1), seed=3, side=SIDE)
    again = ScenePool(tmp_path)
    rows = np.arange(24)
    assert torch.equal(again.images(rows), pool.images(rows))
    np.testing.assert_array_equal(again.tables, pool.tables)
    assert again.logic.tolist() == pool.logic.tolist()


def test_pairs_share_their_looks_and_differ_in_logic() -> None:
    material, seen = Material(), set()
    for seed in range(30):
        first, second = draw_pair(material, np.random.default_rng(seed), SIDE)
        seen.add(first.group)
        assert first.group in GROUPS
        if first.group in ("relation", "composition"):
            assert first.logic != second.logic
            assert first.subject == second.subject
            assert "{subject}" in first.caption
        else:
            assert first.logic == ""
    assert {"relation", "composition"} <= seen


def test_training_never_sees_what_is_held_out() -> None:
    held_out = {c.id for c in held_out_compositions()} | {r.id for r in RELATIONS.values() if r.held_out}
    material = Material()
    for seed in range(60):
        for picture in draw_pair(material, np.random.default_rng([seed, 9]), SIDE):
            assert picture.logic not in held_out


def test_views_keep_things_where_they_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views_module, "FRAMED", 0.0)  # a frame may be red too
    # A red dot on white: its place in the view is where the table says.
    images = torch.full((6, 3, SIDE, SIDE), 255, dtype=torch.uint8)
    images[:, 1:, 30:40, 60:70] = 0
    tables = torch.zeros(6, 2, len(COLUMNS))
    tables[:, :, 0] = ABSENT
    tables[:, 0, :4] = torch.tensor([0, 65 / SIDE, 35 / SIDE, 10 / SIDE])
    views, placed = random_views(
        images, tables, 64, torch.ones(6, dtype=torch.bool), torch.Generator().manual_seed(1), 0.0
    )
    for view, row in zip(views, placed[:, 0], strict=True):
        redness = (view[0] - view[1:].mean(0) - 0.4).clamp_min(0)
        y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
        centre = torch.stack([(redness * x).sum(), (redness * y).sum()]) / redness.sum() / 64
        assert (centre - row[1:3]).abs().max() < 0.03


def test_training_lowers_its_loss_and_resumes_exactly(pool: ScenePool, tmp_path: Path) -> None:
    whole = train_encoder(tiny_net(), pool, SETTINGS, tmp_path / "whole")
    stopped = tmp_path / "stopped"

    class StopError(Exception):
        pass

    def stop(*_: object) -> None:
        raise StopError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MiniNet, "save_pretrained", stop)
        with pytest.raises(StopError):
            train_encoder(tiny_net(), pool, SETTINGS, stopped)
    resumed = train_encoder(tiny_net(), pool, SETTINGS, stopped)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0, msg=name)


def test_thumbnails_are_enlarged_and_keep_their_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views_module, "SMALL", 1.0)
    pictures = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)).round()
    monkeypatch.setattr(views_module, "SMALL_PX", (16, 17))
    views = views_module.repainted(pictures.clone(), torch.Generator().manual_seed(2), 0.0)
    fine = views - torch.nn.functional.avg_pool2d(views, 3, 1, 1)
    assert fine.abs().mean() < 0.4 * (pictures - torch.nn.functional.avg_pool2d(pictures, 3, 1, 1)).abs().mean()
    assert (views.mean((1, 2, 3)) - pictures.mean((1, 2, 3))).abs().max() < 0.02


def test_a_network_with_a_trunk_is_saved_and_loaded(tmp_path: Path) -> None:
    net = tiny_net().eval()
    net.save_pretrained(tmp_path)
    images = torch.rand(2, 3, 64, 64)
    loaded = MiniNet.from_pretrained(tmp_path)
    with torch.inference_mode():
        one, other = net(images, dense=True), loaded(images, dense=True)
    assert torch.nn.functional.cosine_similarity(one.relation, other.relation).min() > 0.999
    assert one.cells is not None
    assert other.cells is not None
    assert one.cells.shape == other.cells.shape == (2, other.cells.shape[1], 8, 8)


def test_an_encoder_without_a_dense_head_says_so() -> None:
    net = MiniNet(MiniConfig(32, widths=(8, 8, 8), blocks=(1, 1, 1), dim=16, heads=2, depth=1))
    with pytest.raises(ValueError, match="no dense head: it cannot read scenes"):
        net(torch.rand(1, 3, 32, 32), dense=True)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("trunk=resnet50", "unknown trunk 'resnet50'; known: efficientnet-lite0"),
        ("cutouts=no/such/folder", "no such folder"),
        ("shards=many", "must be int"),
    ],
)
def test_wrong_settings_are_one_line(setting: str, message: str) -> None:
    preset = Path(scene_pool.__file__).parent / "presets" / "encoder-trunk-cpu.toml"
    result = CliRunner().invoke(command, ["encoder", "--config", str(preset), "--set", setting])
    assert result.exit_code != 0
    assert message in str(result.exception or result.output)


def test_hard_shards_show_what_an_encoder_confuses(tiny_encoder_folder: Path) -> None:
    counts = count_pool_confusions(MiniEncoder(tiny_encoder_folder), 6, 0, SIDE)
    assert counts.shape == (len(trained_relations()),) * 2
    assert 0 < counts.sum() <= 12
    names = [relation.id for relation in trained_relations()]
    confused = np.zeros((len(names), len(names)), np.int64)
    np.fill_diagonal(confused, 10)
    confused[names.index("ring"), names.index("cycle")] = 500
    odds, material = pair_odds(confused), Material()
    drawn = [draw_pair(material, np.random.default_rng(seed), 64, "relation", odds) for seed in range(20)]
    together = sum({first.logic, second.logic} == {"ring", "cycle"} for first, second in drawn)
    assert together >= 10  # by chance one pair in 1,600


def test_hard_shards_without_an_encoder_are_refused() -> None:
    with pytest.raises(ValueError, match="set init to its folder, or hard_shards to 0"):
        prepare(None, {"hard_shards": "2"})


@pytest.mark.slow
def test_a_run_from_an_encoder_makes_one_that_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_pool, "SHARD", 24)
    monkeypatch.setattr(trunk_training, "CONFUSED_PAIRS", 2)
    monkeypatch.setattr(trunk_training, "calibrate", functools.partial(calibrate, per_relation=1))
    tiny_net().save_pretrained(tmp_path / "start")
    calibrate(tmp_path / "start", per_relation=1)
    more = {
        "init": str(tmp_path / "start"), "output": str(tmp_path / "out"), "pool": str(tmp_path / "pool"), "shards": "1",
        "hard_shards": "1", "draw_workers": "1", "pool_px": "96", "steps": "2", "batch_size": "8", "image_size": "64",
        "threads": "1", "bf16": "false", "train_from": "12", "spoilt": "1", "subject_pictures": "8",
        "subject_steps": "1", "parts_pairs": "2", "parts_steps": "1", "structure_pairs": "144", "structure_steps": "1",
    }  # fmt: skip
    folder = trunk_training.run(prepare(None, more))
    encoder = MiniEncoder(folder)
    vectors = encoder.embed([Image.new("RGB", (80, 50), "white")])
    assert vectors.shape == (1, 384)
    assert encoder.nearest_captions(vectors[0])[0].relation in RELATIONS
    assert len(list((tmp_path / "pool").glob("shard-*.npy"))) == 2


def test_without_steps_the_heads_alone_are_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trunk_training, "calibrate", functools.partial(calibrate, per_relation=1))
    tiny_net().save_pretrained(tmp_path / "start")
    settings = {
        "init": str(tmp_path / "start"), "output": str(tmp_path / "out"), "pool": str(tmp_path / "pool"), "steps": "0",
        "threads": "1", "bf16": "false", "subject_pictures": "0", "parts_pairs": "3", "parts_steps": "2",
        "structure_pairs": "0",
    }  # fmt: skip
    trunk_training.run(prepare(None, settings))
    start, out = (read_tensors(tmp_path / name / "model.safetensors") for name in ("start", "out"))
    assert {name.split(".")[0] for name in start if not torch.equal(start[name], out[name])} == {"parts_head"}
    assert not (tmp_path / "pool").exists()
    with pytest.raises(ValueError, match="set init"):
        prepare(None, {"steps": "0"})
