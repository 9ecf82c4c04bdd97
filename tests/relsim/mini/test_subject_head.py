"""Promises of the subject head's training: it learns names, resumes exactly, changes nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from analogen.relsim.mini import patch_shards, subject_head
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.model import Head, MiniNet
from analogen.relsim.mini.subject_head import (
    Named,
    draw_named,
    draw_named_picture,
    nouns_of,
    train_head,
    train_subject_head,
)
from analogen.relsim.tensors import read_tensors
from analogen.relsim.training.loop import LoopSettings
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.material import Material

SETTINGS = LoopSettings(steps=4, batch_size=4, lr=1e-3, warmup=1, ema=0.5, threads=1, save_every=2)


def made_up(count: int = 40) -> Named:
    """Patches in which a few numbers tell the name."""
    generator = torch.Generator().manual_seed(0)
    own = torch.randn(4, 8, generator=generator)
    names = [("apple", "bicycle", "cactus", "dog")[n % 4] for n in range(count)]
    patches = torch.cat([own[torch.arange(count) % 4][:, None].expand(-1, 4, -1), torch.randn(count, 4, 24)], -1)
    return Named(patches.half(), names)


def test_training_learns_the_names() -> None:
    torch.manual_seed(0)
    named = made_up()
    settings = LoopSettings(steps=60, batch_size=16, lr=5e-3, warmup=2, ema=0.9, threads=1)
    head = train_head(Head(32, 384), named, settings).eval()
    nouns = nouns_of(named.names)
    with torch.no_grad():
        found = nouns.owner[(head(named.patches.float()) @ nouns.vectors.T).argmax(1)]
    assert (found == nouns.label).float().mean() > 0.9


def test_things_that_look_alike_are_one_noun() -> None:
    library = ArtLibrary.shipped()
    assert library.group("chicken") == library.group("rooster")
    nouns = nouns_of(["rooster", "chicken", "a gizmo of mine"])
    assert nouns.label[0] == nouns.label[1] != nouns.label[2]
    assert nouns.vectors.shape == (3, 384)


def test_a_picture_comes_with_its_name_and_is_the_same_again() -> None:
    drawn = [draw_named_picture(Material(), 0, number) for number in range(6)]
    again = [draw_named_picture(Material(), 0, number) for number in range(6)]
    library = ArtLibrary.shipped()
    for (pixels, name), (same, _) in zip(drawn, again, strict=True):
        assert pixels.shape == (subject_head.PICTURE_PX, subject_head.PICTURE_PX, 3)
        assert np.array_equal(pixels, same)
        assert name in library.nouns()


def test_shards_are_drawn_once(tmp_path: Path, tiny_net: MiniNet, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_net.save_pretrained(tmp_path / "encoder")
    encoder = MiniEncoder(tmp_path / "encoder")
    monkeypatch.setattr(patch_shards, "SHARD", 3)
    first = draw_named(encoder, tmp_path / "named", 5, 1, Material())
    assert sorted(path.name for path in (tmp_path / "named").iterdir()) == [
        "named-000000.safetensors", "named-000003.safetensors",
    ]  # fmt: skip
    monkeypatch.setattr(subject_head, "draw_named_picture", lambda *_: pytest.fail("drawn again"))
    second = draw_named(encoder, tmp_path / "named", 5, 1, Material())
    assert first.names == second.names
    assert len(first.names) == 5
    assert torch.equal(first.patches, second.patches)


def test_training_resumes_exactly_and_changes_the_subject_head_alone(tmp_path: Path, tiny_net: MiniNet) -> None:
    tiny_net.save_pretrained(tmp_path / "one")
    before = read_tensors(tmp_path / "one" / "model.safetensors")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    train_subject_head(tmp_path / "one", tmp_path / "one-named", 6, SETTINGS)
    half = LoopSettings(**{**SETTINGS.__dict__, "steps": 2})
    shutil.copytree(tmp_path / "one-named", tmp_path / "two-named", ignore=shutil.ignore_patterns("state"))
    named = draw_named(MiniEncoder(tmp_path / "two"), tmp_path / "two-named", 6, SETTINGS.seed, Material())
    torch.manual_seed(0)
    net = MiniNet.from_pretrained(tmp_path / "two")
    # The schedule must be that of the whole training: stopped by a fault after the first save.
    calls = iter(range(99))

    class StoppedError(Exception):
        pass

    real = subject_head.bank_loss

    def stops(*parts: torch.Tensor) -> torch.Tensor:
        if next(calls) == half.steps:
            raise StoppedError
        return real(*parts)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject_head, "bank_loss", stops)
        with pytest.raises(StoppedError):
            train_head(net.subject_head, named, SETTINGS, tmp_path / "two-named" / "state")
    train_subject_head(tmp_path / "two", tmp_path / "two-named", 6, SETTINGS)
    one, two = (read_tensors(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    changed = {name for name in one if not torch.equal(one[name], before[name])}
    assert changed
    assert all(name.startswith("subject_head.") for name in changed)
