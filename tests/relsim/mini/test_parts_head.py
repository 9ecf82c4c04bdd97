"""Promises of the parts head's training: it learns the atoms, resumes exactly, changes nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from analogen.relsim.mini import parts_head, patch_shards
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.model import MiniConfig, MiniNet, PartsHead
from analogen.relsim.mini.parts_head import (
    atoms_hit,
    draw_pairs,
    parts_loss,
    parts_of,
    train_head,
    train_parts_head,
)
from analogen.relsim.mini.patch_shards import PatchShards
from analogen.relsim.tensors import read_tensors
from analogen.relsim.training.loop import LoopSettings
from analogen.relsim.world.grammar import ATOMS, PARTS, parse
from analogen.relsim.world.material import Material

SETTINGS = LoopSettings(steps=4, batch_size=4, lr=1e-3, warmup=1, ema=0.5, threads=1, bf16=False, save_every=2)


def made_up(count: int = 60) -> PatchShards:
    """Patches in which a few numbers tell the composition."""
    generator = torch.Generator().manual_seed(0)
    logics = ["ring/none/alike/none", "ring/fading/alike/none", "row/none/one_odd/none", "row/none/alike/framed"]
    own = torch.randn(4, 8, generator=generator)
    kinds = torch.randint(4, (count, 2), generator=generator)
    patches = {
        name: torch.cat(
            [own[kinds[:, side]][:, None].expand(-1, 4, -1), torch.randn(count, 4, 24, generator=generator)], -1
        ).half()
        for side, name in enumerate(("first", "second"))
    }
    return PatchShards(patches, [[logics[first], logics[second]] for first, second in kinds.tolist()])


def test_training_learns_the_atoms() -> None:
    torch.manual_seed(0)
    pairs = made_up()
    settings = LoopSettings(steps=80, batch_size=32, lr=5e-3, warmup=2, ema=0.9, threads=1, bf16=False)
    head = train_head(PartsHead(32, 2, 16), pairs, settings).eval()
    shown = torch.from_numpy(parts_of(np.array(pairs.labels)).reshape(-1, 2, len(PARTS))[:, 0])
    with torch.no_grad():
        logits = head(pairs.patches["first"].float())
    for i, part in enumerate(PARTS):
        assert (logits[i].argmax(1) == shown[:, i]).float().mean() > 0.9, part


def test_parts_of_compositions_are_told_and_others_do_not_count() -> None:
    parts = parts_of(np.array(["ring/shrinking/one_odd/none", "caged", "ring", ""]))
    told = [{part: ATOMS[part][n] for part, n in zip(PARTS, row, strict=True) if n >= 0} for row in parts.tolist()]
    assert told[0] == {"arrangement": "ring", "progression": "shrinking", "casting": "one_odd", "setting": "none"}
    assert told[2]["arrangement"] == "ring"  # a relation that is a composition
    assert told[1] == told[3] == {}
    generator = torch.Generator().manual_seed(0)
    logits = [torch.randn(4, len(ATOMS[part]), generator=generator) for part in PARTS]
    wanted = torch.from_numpy(parts)
    loss = parts_loss(logits, wanted)
    torch.testing.assert_close(loss, parts_loss([one[[0, 2]] for one in logits], wanted[[0, 2]]))
    assert parts_loss([one[[1, 3]] for one in logits], wanted[[1, 3]]) == 0
    hit = atoms_hit([torch.nn.functional.one_hot(wanted[:, i].clamp_min(0), len(ATOMS[part])).float()
                     for i, part in enumerate(PARTS)], wanted)  # fmt: skip
    assert hit["progression"] == hit["casting"] == 1
    assert torch.isnan(hit["setting"])  # all have the usual one


def test_pairs_are_trained_compositions_and_drawn_once(
    tmp_path: Path, tiny_encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patch_shards, "SHARD", 3)
    encoder = MiniEncoder(tiny_encoder_folder)
    first = draw_pairs(encoder, tmp_path, 5, 1, Material())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs-000000.safetensors", "pairs-000003.safetensors"]
    monkeypatch.setattr(parts_head, "draw_pair", lambda *_, **__: pytest.fail("drawn again"))
    second = draw_pairs(encoder, tmp_path, 5, 1, Material())
    assert first.labels == second.labels
    assert torch.equal(first.patches["second"], second.patches["second"])
    logics = [logic for pair in first.labels for logic in pair]
    compositions = [parse(logic) for logic in logics if "/" in logic]
    assert len(compositions) >= 8  # at most one of a pair is a relation of the catalogue
    assert not any(one.held_out for one in compositions)


def test_training_resumes_exactly_and_changes_the_parts_head_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = MiniNet(MiniConfig(64, "efficientnet-lite0", dense_dim=16, dim=32, heads=2, depth=1))
    net.save_pretrained(tmp_path / "one")
    before = read_tensors(tmp_path / "one" / "model.safetensors")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    train_parts_head(tmp_path / "one", tmp_path / "pairs", 3, SETTINGS)
    shutil.copytree(tmp_path / "pairs", tmp_path / "again", ignore=shutil.ignore_patterns("state"))
    calls = iter(range(99))

    def stops(*given: object) -> torch.Tensor:
        if next(calls) == 3:  # one step after the save
            raise KeyboardInterrupt
        return parts_loss(*given)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts_head, "parts_loss", stops)
        with pytest.raises(KeyboardInterrupt):
            train_parts_head(tmp_path / "two", tmp_path / "again", 3, SETTINGS)
    train_parts_head(tmp_path / "two", tmp_path / "again", 3, SETTINGS)
    one, two = (read_tensors(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert all(torch.equal(one[name], before[name]) for name in before)
    assert {name.split(".")[0] for name in set(one) - set(before)} == {"parts_head"}
