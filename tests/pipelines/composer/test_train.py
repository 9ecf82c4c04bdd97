"""Promises of the composer's training and of its scenes: from seeds alone, resumed exactly, and it learns."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from analogen.pipelines.composer import data, train
from analogen.pipelines.composer.data import (
    UNRULED,
    Readings,
    SceneSet,
    batch_of,
    draw_scenes,
    load_scenes,
    save_scenes,
)
from analogen.pipelines.composer.denoiser import flow_loss
from analogen.pipelines.composer.features import Batch, collate, decode, encode
from analogen.pipelines.composer.pipeline import load_composer
from analogen.pipelines.composer.readings import NOTHING_READ
from analogen.pipelines.composer.train import ComposerSettings, Conditions, Models, new_models, train_composer
from analogen.relsim.world.grammar import parse
from analogen.relsim.world.relations import RELATIONS, Draft
from analogen.relsim.world.scene import Scene

SETTINGS = ComposerSettings(
    steps=4, batch_size=8, dim=32, depth=1, heads=2, prior_dim=32, prior_depth=1, prior_heads=2,
    num_relation_tokens=2, lr=3e-3, warmup=1, bf16=False, threads=1, save_every=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def few_scenes() -> SceneSet:
    """24 scenes of four relations: every training embeds the captions of all the set's relations."""
    names = ["ring", "grid", "before_after", "peeking"]
    rng = np.random.default_rng(0)
    relation = np.arange(24) % len(names)
    drawn = []
    for index in relation:
        draft = Draft(rng)
        RELATIONS[names[index]].draw(draft)
        drawn.append(encode(draft.elements))
    offsets = np.cumsum([0, *(len(scene.tokens) for scene in drawn)])
    tokens, features = (np.concatenate(column) for column in zip(*drawn, strict=True))
    return SceneSet(
        names, offsets, tokens, features, relation, np.zeros((24, 384), np.float32), Readings.of([NOTHING_READ] * 24)
    )  # fmt: skip


def assert_equal(first: Models, second: Models) -> None:
    for name, value in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], value, rtol=0, atol=1e-6, msg=name)


def test_scenes_keep_their_logic_as_tensors(tiny_scenes: SceneSet) -> None:
    assert len(tiny_scenes) == 96
    assert tiny_scenes.lengths.sum() == len(tiny_scenes.tokens) == len(tiny_scenes.features)
    assert not tiny_scenes.reference.any()
    seen: dict[str, int] = {"relation": 0, "composition": 0, "unruled": 0}
    for row in range(len(tiny_scenes)):
        logic = tiny_scenes.logics[tiny_scenes.logic[row]]
        if logic == UNRULED:
            seen["unruled"] += 1
            continue
        seen["relation" if logic in RELATIONS else "composition"] += 1
        relation = RELATIONS[logic] if logic in RELATIONS else parse(logic).relation()
        assert not relation.held_out
        assert relation.why_broken(Scene(tuple(decode(*tiny_scenes[row])))) is None, logic
    assert seen["relation"] > seen["composition"] > seen["unruled"] > 3


def test_scenes_depend_on_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first, again, other = (draw_scenes(5, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.features, again.features)
    assert not np.array_equal(first.lengths, other.lengths) or not np.array_equal(first.features, other.features)
    monkeypatch.setattr(data, "CHUNK", 2)
    assert len(draw_scenes(5, 0)) == 5  # whole chunks and the rest


def test_scenes_round_trip(tiny_scenes: SceneSet, tmp_path: Path) -> None:
    save_scenes(tiny_scenes, tmp_path / "deep" / "scenes.npz")
    loaded = load_scenes(tmp_path / "deep" / "scenes.npz")
    assert loaded.logics == tiny_scenes.logics
    for field in ("offsets", "tokens", "features", "logic", "reference"):
        np.testing.assert_array_equal(getattr(loaded, field), getattr(tiny_scenes, field))


def test_batch_depends_on_seed_and_step_only(tiny_scenes: SceneSet) -> None:
    def rows(seed: int, step: int) -> list[int]:
        return batch_of(tiny_scenes, 8, seed, step)[1].tolist()

    assert rows(0, 5) == rows(0, 5)
    assert len({tuple(rows(seed, step)) for seed in (0, 1) for step in (5, 6, 21)}) == 6


def test_batch_holds_the_rows_that_it_names(tiny_scenes: SceneSet) -> None:
    batch, rows = batch_of(tiny_scenes, 8, 0, 3)
    expected = collate([tiny_scenes[row] for row in rows.tolist()])
    for part, value in zip(batch, expected, strict=True):
        assert torch.equal(part, value)


def test_scenes_of_like_length_share_a_batch(tiny_scenes: SceneSet) -> None:
    def padding(batch: Batch) -> float:
        return 1 - batch.mask.float().mean().item()

    sorted_in = np.mean([padding(batch_of(tiny_scenes, 8, 0, step)[0]) for step in range(16)])
    unsorted = np.mean([padding(batch_of(tiny_scenes, 8, 0, step, pooled=1)[0]) for step in range(16)])
    assert sorted_in < unsorted / 2


def test_resume_equals_one_run(few_scenes: SceneSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train_composer(new_models(few_scenes, SETTINGS), few_scenes, SETTINGS)

    def stop_at_three(scenes: SceneSet, batch_size: int, seed: int, step: int) -> tuple[Batch, Tensor]:
        if step == 3:  # one step after the save: its work is done again
            raise KeyboardInterrupt
        return batch_of(scenes, batch_size, seed, step)

    with monkeypatch.context() as patch:
        patch.setattr(train, "batch_of", stop_at_three)
        with pytest.raises(KeyboardInterrupt):
            train_composer(new_models(few_scenes, SETTINGS), few_scenes, SETTINGS, tmp_path / "state")
    assert load_composer(tmp_path).prior.end == whole.prior.end  # a save can be tried out already
    models = new_models(few_scenes, SETTINGS)
    torch.manual_seed(7)  # nothing may hang on the global state
    assert_equal(whole, train_composer(models, few_scenes, SETTINGS, tmp_path / "state"))


def test_training_learns_a_few_scenes(few_scenes: SceneSet) -> None:
    """Both losses fall, on the averaged weights that are kept."""
    rows = torch.arange(24)
    batch = collate([few_scenes[row] for row in rows.tolist()])
    conditions = Conditions(few_scenes, SETTINGS)

    def losses(models: Models) -> tuple[float, float]:
        generator = torch.Generator().manual_seed(0)
        relation, _, _ = conditions.sample(rows, generator)
        ids = torch.zeros(batch.mask.shape, dtype=torch.long)
        ids[batch.mask] = models.prior.ids_of(batch.tokens[batch.mask])
        with torch.no_grad():
            return (
                models.prior.loss(ids, batch.mask, relation).item(),
                flow_loss(
                    models.denoiser, batch.features, batch.tokens, batch.mask, relation, torch.ones(24), generator
                ).item(),
            )

    settings = dataclasses.replace(SETTINGS, steps=40, batch_size=16, ema=0.9, reads=False)
    before = losses(new_models(few_scenes, settings))
    after = losses(train_composer(new_models(few_scenes, settings), few_scenes, settings))
    assert after[0] < before[0] / 2
    assert after[1] < before[1]


def test_new_models_depend_on_their_seed(few_scenes: SceneSet) -> None:
    assert_equal(new_models(few_scenes, SETTINGS), new_models(few_scenes, SETTINGS))
    other = new_models(few_scenes, dataclasses.replace(SETTINGS, seed=1))
    assert not torch.equal(other.prior.start, new_models(few_scenes, SETTINGS).prior.start)


def test_conditions_lie_near_captions_of_the_right_relation(few_scenes: SceneSet) -> None:
    conditions, rows = Conditions(few_scenes, SETTINGS), torch.arange(24)
    sampled, _, _ = conditions.sample(rows, torch.Generator().manual_seed(0))
    torch.testing.assert_close(sampled.norm(dim=-1), torch.ones(24))
    nearest = (sampled @ conditions.captions[:-1].T).argmax(-1)
    owner = torch.repeat_interleave(torch.arange(len(conditions.counts)), conditions.counts)
    right = owner[nearest] == conditions.logic[rows]
    assert right.float().mean() > 0.95
    assert torch.equal(sampled, conditions.sample(rows, torch.Generator().manual_seed(0))[0])


def test_references_condition_about_half_of_the_rows(few_scenes: SceneSet) -> None:
    reference = np.zeros((24, 384), np.float32)
    reference[:, 7] = 1
    conditions = Conditions(dataclasses.replace(few_scenes, reference=reference), SETTINGS)
    sampled, _, _ = conditions.sample(torch.arange(24), torch.Generator().manual_seed(0))
    assert 0.3 < (sampled[:, 7] == 1).float().mean() < 0.7


def test_run_writes_a_pipeline_and_can_start_from_one(tmp_path: Path, few_scenes: SceneSet) -> None:
    save_scenes(few_scenes, tmp_path / "scenes.npz")
    small = {
        key: str(value) for key, value in dataclasses.asdict(SETTINGS).items()
        if key not in ("output", "scenes", "encoder", "init", "cutouts", "grounds")
    }  # fmt: skip
    overrides = small | {"scenes": str(tmp_path / "scenes.npz"), "steps": "1"}
    first = train.run(None, overrides | {"output": str(tmp_path / "first")})
    second = train.run(None, overrides | {"output": str(tmp_path / "second"), "init": str(first)})
    assert json.loads((second / "settings.json").read_text())["init"] == str(first)
    for folder in (first, second):
        assert not any(str(tmp_path) in path.read_text() for path in folder.glob("*/config.json"))
        pipeline = load_composer(folder)
        relation = torch.ones(1, 384)
        (scene,) = pipeline(relation, generator=[torch.Generator().manual_seed(0)], num_inference_steps=1).scenes
        Scene(tuple(scene))
