"""Promises of relsim-mini's network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from analogen.relsim.mini.model import MiniConfig, MiniNet
from analogen.relsim.world.grammar import ATOMS, PARTS

TINY = MiniConfig(image_size=32, widths=(16, 16, 32), blocks=(1, 1, 1), dim=32, depth=1, heads=2)


def images(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def test_shapes_and_unit_rows(tiny_net: MiniNet) -> None:
    out = tiny_net(images(3))
    assert [tuple(part.shape) for part in out[:6]] == [(3, 384), (3, 384), (3, 112), (3, 64), (3,), (3, 4, 32)]
    for part in out[:3]:
        assert part.dtype == torch.float32
        torch.testing.assert_close(part.norm(dim=-1), torch.ones(3))


def test_parts_head_tells_the_atoms_of_each_part_where_a_scene_is_read_and_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = MiniConfig(64, "efficientnet-lite0", dense_dim=16, dim=32, heads=2, depth=1)
    net, pictures = MiniNet(config).eval(), torch.rand(2, 3, 64, 64)
    assert net(pictures, dense=True).parts == ()
    wider = net.with_parts().eval()
    assert wider.with_parts() is wider
    out, before = wider(pictures, dense=True), net(pictures)
    assert wider(pictures).parts == ()
    assert [tuple(part.shape) for part in out.parts] == [(2, len(ATOMS[part])) for part in PARTS]
    torch.testing.assert_close(out.relation, before.relation)
    wider.save_pretrained(tmp_path)
    again = MiniNet.from_pretrained(tmp_path)(pictures, dense=True)
    for first, second in zip(out.parts, again.parts, strict=True):
        torch.testing.assert_close(first, second, atol=0.05, rtol=0)


def test_network_for_another_size_keeps_its_weights(tiny_net: MiniNet) -> None:
    size = tiny_net.config.image_size
    larger = tiny_net.at_size(2 * size)
    assert larger.config.image_size == 2 * size
    assert larger.position.shape[1] == 4 * tiny_net.position.shape[1]
    same = tiny_net.at_size(size)
    with torch.no_grad():
        torch.testing.assert_close(same.eval()(images(2)).relation, tiny_net.eval()(images(2)).relation)
        picture = torch.rand(2, 3, 2 * size, 2 * size)
        assert larger.eval()(picture).relation.shape == (2, 384)


def test_rows_are_unit_in_fp32_under_autocast(tiny_net: MiniNet) -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out = tiny_net(images(2))
    for part in out[:3]:
        assert part.dtype == torch.float32
        torch.testing.assert_close(part.norm(dim=-1), torch.ones(2))


def test_row_alone_equals_row_in_batch(tiny_net: MiniNet) -> None:
    batch = images(4)
    with torch.no_grad():
        together, alone = tiny_net(batch), tiny_net(batch[2:3])
    assert together.cells is None  # of the dense head, which nobody asked for
    for many, one in zip(together[:6], alone[:6], strict=True):
        torch.testing.assert_close(many[2:3], one, atol=1e-5, rtol=1e-4)


def test_different_pictures_differ(tiny_net: MiniNet) -> None:
    with torch.no_grad():
        first, second = tiny_net(images(2)).relation
    assert first @ second < 0.9999


def test_round_trip_keeps_vectors_to_fp16(tiny_net: MiniNet, tmp_path: Path) -> None:
    tiny_net.save_pretrained(tmp_path)
    loaded = MiniNet.from_pretrained(tmp_path)
    assert loaded.config == tiny_net.config
    assert not loaded.training
    assert all(p.dtype == torch.float32 for p in loaded.parameters())
    with torch.no_grad():
        before, after = tiny_net(images(3)), loaded(images(3))
    for first, second in zip(before[:3], after[:3], strict=True):
        assert F.cosine_similarity(first, second).min() > 0.9999


@pytest.mark.parametrize("shape", [(2, 3, 48, 48), (2, 1, 32, 32), (3, 32, 32), (2, 3, 32, 64)])
def test_other_shape_is_refused(tiny_net: MiniNet, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be \(batch, 3, 32, 32\)"):
        tiny_net(torch.zeros(shape))


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_missing_file_is_refused(tiny_net: MiniNet, tmp_path: Path, missing: str) -> None:
    tiny_net.save_pretrained(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(FileNotFoundError, match=f"has no {missing}"):
        MiniNet.from_pretrained(tmp_path)


def test_unknown_key_of_config_is_refused(tiny_net: MiniNet, tmp_path: Path) -> None:
    tiny_net.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "patch_size": 4}))
    with pytest.raises(ValueError, match=r"unknown keys \['patch_size'\]"):
        MiniNet.from_pretrained(tmp_path)


def test_default_has_at_most_twelve_million_parameters() -> None:
    assert 5e6 < sum(p.numel() for p in MiniNet().parameters()) <= 12e6


def test_overfits_one_batch() -> None:
    torch.manual_seed(0)
    net, batch = MiniNet(TINY).train(), images(8)
    target = F.normalize(torch.randn(8, 384), dim=-1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        out = net(batch)
        loss = 2 - F.cosine_similarity(out.relation, target).mean() - F.cosine_similarity(out.subject, -target).mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_weights_of_another_network_are_refused_in_one_line(tiny_net: MiniNet, tmp_path: Path) -> None:
    tiny_net.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "structure_dim": 8}))
    with pytest.raises(ValueError, match=r"does not hold the weights that config.json describes") as refusal:
        MiniNet.from_pretrained(tmp_path)
    assert "\n" not in str(refusal.value)
