"""Promises of the structure head's training: it learns what belongs together, resumes exactly, changes nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from analogen.relsim.losses import contrastive_loss, soft_contrastive_loss
from analogen.relsim.mini import patch_shards, structure_head
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.model import Head
from analogen.relsim.mini.structure_head import (
    Pairs,
    draw_pair,
    draw_pairs,
    structure_agreement,
    train_head,
    train_structure_head,
)
from analogen.relsim.tensors import read_tensors
from analogen.relsim.training.loop import LoopSettings
from analogen.relsim.world.dataset import Selection
from analogen.relsim.world.relations import RELATIONS

TWO = [RELATIONS["growth_stages"], RELATIONS["grid"]]
SETTINGS = LoopSettings(steps=4, lr=1e-3, warmup=1, ema=0.5, threads=1, save_every=2)


def test_a_scene_has_weight_one_and_others_by_the_facts_that_agree() -> None:
    found = structure_agreement([[4, "left"], [5, "left"], [9, "left"], [None, None]])
    assert found.diagonal().tolist() == [1, 1, 1, 1]
    assert found[0, 1] == structure_head.AGREEMENT_WEIGHT  # counts within one agree
    assert found[0, 2] == structure_head.AGREEMENT_WEIGHT / 4
    assert found[3, :3].tolist() == [0, 0, 0]  # nothing is known of it
    assert found[0, 3] == 0


def test_with_equal_labels_as_weights_it_is_the_contrastive_loss() -> None:
    torch.manual_seed(0)
    first, second = (torch.nn.functional.normalize(torch.randn(6, 8), dim=-1) for _ in range(2))
    labels = torch.tensor([0, 1, 0, 2, 1, 3])
    weights = (labels[:, None] == labels[None]).float()
    assert torch.isclose(
        soft_contrastive_loss(first, second, 0.1, weights), contrastive_loss(first, second, 0.1, labels)
    )


def test_a_pair_shows_the_same_elements_with_other_things(few_selection: Selection) -> None:
    pair = draw_pair(TWO[0], few_selection, 0, 3)
    again = draw_pair(TWO[0], few_selection, 0, 3)
    assert np.array_equal(pair.hard, again.hard)
    assert np.array_equal(pair.clean, again.clean)
    assert pair.values == again.values
    assert pair.hard.shape == pair.clean.shape == (structure_head.PICTURE_PX, structure_head.PICTURE_PX, 3)
    assert not np.array_equal(pair.hard, pair.clean)
    assert not np.array_equal(pair.hard, draw_pair(TWO[0], few_selection, 0, 4).hard)


def made_up_pairs(count: int = 48) -> Pairs:
    """Patches in which a few numbers, the scene's own, are the same in hard and clean."""
    generator = torch.Generator().manual_seed(0)
    own = torch.randn(count, 1, 8, generator=generator)
    hard, clean = (
        torch.cat([own.expand(-1, 4, -1), torch.randn(count, 4, 24, generator=generator)], -1).half() for _ in range(2)
    )
    return Pairs(hard, clean, [f"kind {n % 4}" for n in range(count)], [[n] for n in range(count)])


def found_by(head: Head, pairs: Pairs) -> float:
    """How often the nearest clean scene is the hard one's own."""
    with torch.no_grad():
        cosines = head.eval()(pairs.hard.float()) @ head(pairs.clean.float()).T
    return float((cosines.argmax(1) == torch.arange(len(cosines))).float().mean())


def test_training_finds_what_both_sides_share() -> None:
    torch.manual_seed(0)
    head, pairs = Head(32, 16), made_up_pairs()
    before = found_by(head, pairs)
    settings = LoopSettings(steps=80, lr=3e-3, warmup=5, ema=0.8, threads=1)
    after = found_by(train_head(head, pairs, settings), pairs)
    assert before < 0.3
    assert after > 0.7


def test_a_stopped_training_goes_on_as_if_undisturbed(tmp_path: Path) -> None:
    def head() -> Head:
        torch.manual_seed(1)
        return Head(32, 16)

    pairs = made_up_pairs()
    whole = train_head(head(), pairs, SETTINGS)
    calls = 0

    def breaks(*given: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 4:  # one step after the save
            raise KeyboardInterrupt
        return soft_contrastive_loss(*given)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure_head, "soft_contrastive_loss", breaks)
        with pytest.raises(KeyboardInterrupt):
            train_head(head(), pairs, SETTINGS, tmp_path)
    resumed = train_head(head(), pairs, SETTINGS, tmp_path)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=1e-6, msg=name)


def test_training_changes_the_structure_head_alone_and_draws_once(
    tiny_encoder_folder: Path, tmp_path: Path, few_selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patch_shards, "SHARD", 4)
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder_folder, folder)
    before = read_tensors(folder / "model.safetensors")
    train_structure_head(folder, tmp_path / "pairs", few_selection, TWO, 6, SETTINGS)
    after = read_tensors(folder / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("structure_head.") for name in changed)

    def never(*given: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(structure_head, "draw_pair", never)
    pairs = draw_pairs(MiniEncoder(folder), tmp_path / "pairs", few_selection, TWO, 6, 0)
    assert len(pairs.hard) == len(pairs.clean) == len(pairs.values) == 6
    assert pairs.relations[:3] == ["growth_stages", "grid", "growth_stages"]
