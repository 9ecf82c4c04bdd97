"""Promises of readings as conditions: they say what the relation does not, and nothing where there is none."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from analogen.pipelines.composer import data
from analogen.pipelines.composer.data import ReferenceMaking, SceneSet, draw_scenes, load_scenes, save_scenes
from analogen.pipelines.composer.features import collate, decode, encode
from analogen.pipelines.composer.layers import ReadingTokens
from analogen.pipelines.composer.pipeline import ComposerPipeline
from analogen.pipelines.composer.readings import (
    NOTHING_READ,
    ElementTensors,
    ReadingBatch,
    collate_readings,
    element_tensors,
    loosened,
)
from analogen.pipelines.composer.simulated_readings import simulate_reading
from analogen.pipelines.composer.train import (
    ComposerSettings,
    Conditions,
    Models,
    new_models,
    train_composer,
    widened,
)
from analogen.relsim.mini.encoder import CaptionBank
from analogen.relsim.mini.model import MiniConfig, MiniNet
from analogen.relsim.world.dataset import Selection
from analogen.relsim.world.relations import RELATIONS, Draft
from analogen.relsim.world.scene import MAX_ELEMENTS, Element


def reading_of(seed: int, count: int = 4) -> ElementTensors:
    rng = np.random.default_rng(seed)
    elements = [Element("subject", *rng.uniform(-0.9, 0.9, 2), size=float(rng.uniform(0.2, 0.6))) for _ in range(count)]
    return element_tensors(elements, [1.0] * count)


def readings_of(rows: int, seed: int = 0, loose: float = 0.0) -> ReadingBatch:
    return collate_readings([reading_of(10 * seed + i, 3 + i) for i in range(rows)], torch.full((rows,), loose))


def without(readings: ReadingBatch, row: int) -> ReadingBatch:
    mask = readings.mask.clone()
    mask[row] = False
    return ReadingBatch(readings.tokens, readings.features, readings.sure, mask, readings.looseness)


@pytest.fixture(scope="module")
def able(tiny_composer: ComposerPipeline) -> ComposerPipeline:
    """The tiny composer with new attention to readings, as training starts."""
    vocabulary = tiny_composer.prior.table.tolist()
    models = widened(Models(tiny_composer.prior, tiny_composer.denoiser), vocabulary, reads=True).eval()
    pipeline = ComposerPipeline(models.prior, models.denoiser, tiny_composer.scheduler)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def reader(able: ComposerPipeline) -> ComposerPipeline:
    """The same, with attention to readings that does something."""
    pipeline = copy.deepcopy(able)
    torch.manual_seed(3)
    for layer in (*pipeline.prior.layers, *pipeline.denoiser.layers):
        torch.nn.init.normal_(layer.attention.to_kv_reading.weight, std=0.3)
    return pipeline


def compose(
    pipeline: ComposerPipeline,
    readings: ReadingBatch | None,
    *seeds: int,
    rows: list[int] | None = None,
    **options: Any,
) -> list[list[Element]]:
    relation = torch.randn(8, 384, generator=torch.Generator().manual_seed(0))[rows or list(range(len(seeds)))]
    scenes: list[list[Element]] = pipeline(
        relation,
        readings,
        [torch.Generator().manual_seed(seed) for seed in seeds],
        **{"num_inference_steps": 3, "settled": False, **options},
    ).scenes
    return scenes


def places(elements: list[Element]) -> np.ndarray[Any, Any]:
    return np.array([[e.x, e.y, e.size, e.aspect] for e in elements])


def test_one_token_for_each_element_and_none_for_rows_without_a_reading() -> None:
    readings = without(readings_of(3), 1)
    read = ReadingTokens(16)(readings)
    assert read.tokens.shape == (3, 5, 16)
    assert read.scale.flatten().tolist() == [1.0, 0.0, 1.0]
    assert (read.bias[2] == 0).all()
    assert (read.bias[0, 0, 0] == torch.tensor([0, 0, 0, -1e4, -1e4])).all()


def test_tokens_say_how_many_alike_things_there_are() -> None:
    """A mean over equal tokens would not."""
    one = element_tensors([Element("subject", 0, 0, 0.3)], [1.0])
    torch.manual_seed(0)
    tokens = ReadingTokens(16)
    means = []
    for count in (2, 3):
        same = ElementTensors(*(np.repeat(part, count, 0) for part in one))
        read = tokens(collate_readings([same], torch.zeros(1)))
        means.append(read.tokens[0].mean(0))
    assert (means[0] - means[1]).abs().max() > 0.03


def test_new_attention_to_readings_changes_nothing(tiny_composer: ComposerPipeline, able: ComposerPipeline) -> None:
    assert able.reads
    assert not tiny_composer.reads
    assert compose(able, readings_of(3), 0, 1, 2) == compose(tiny_composer, None, 0, 1, 2)


def test_readings_decide_and_their_absence_does_not(tiny_composer: ComposerPipeline, reader: ComposerPipeline) -> None:
    bare = compose(tiny_composer, None, 0, 1, 2)
    assert compose(reader, None, 0, 1, 2) == bare
    assert compose(reader, collate_readings([NOTHING_READ] * 3, torch.zeros(3)), 0, 1, 2) == bare
    first, second = (compose(reader, readings_of(3, seed), 0, 1, 2) for seed in (0, 1))
    assert all(a != b for a, b in zip(first, bare, strict=True))
    assert first != second


def test_a_reading_decides_without_a_relation_too(reader: ComposerPipeline) -> None:
    first, second = (compose(reader, r, 0, 1, relation_scale=0.0) for r in (readings_of(2), readings_of(2, 1)))
    assert first != second


@pytest.mark.parametrize("guidance_scale", [1.0, 2.0])
def test_row_alone_equals_row_among_rows_with_other_readings_or_none(
    reader: ComposerPipeline, guidance_scale: float
) -> None:
    readings = without(readings_of(4, loose=0.4), 2)
    together = compose(reader, readings, *range(4), guidance_scale=guidance_scale)
    for row in range(4):
        own = None if row == 2 else readings.select([row])
        (alone,) = compose(reader, own, row, rows=[row], guidance_scale=guidance_scale)
        np.testing.assert_allclose(places(alone), places(together[row]), atol=1e-4)


def test_scale_of_each_row_is_its_own(reader: ComposerPipeline) -> None:
    none, whole = (compose(reader, None, 0, 1, relation_scale=scale) for scale in (0.0, 1.0))
    mixed = compose(reader, None, 0, 1, relation_scale=torch.tensor([0.0, 1.0]))
    np.testing.assert_allclose(places(mixed[0]), places(none[0]), atol=1e-4)
    np.testing.assert_allclose(places(mixed[1]), places(whole[1]), atol=1e-4)


def test_readings_that_do_not_fit_are_refused(tiny_composer: ComposerPipeline, reader: ComposerPipeline) -> None:
    with pytest.raises(ValueError, match="trained without any"):
        compose(tiny_composer, readings_of(1), 0)
    with pytest.raises(ValueError, match="2 readings for 1 rows"):
        compose(reader, readings_of(2), 0)


def test_composer_that_reads_round_trips(reader: ComposerPipeline, tmp_path: Path) -> None:
    reader.save_pretrained(str(tmp_path))
    loaded = ComposerPipeline.from_pretrained(str(tmp_path), use_safetensors=True)
    loaded.set_progress_bar_config(disable=True)
    assert compose(loaded, readings_of(2), 0, 1) == compose(reader, readings_of(2), 0, 1)


def test_widening_keeps_what_is_there_and_never_picks_new_tokens(
    tiny_composer: ComposerPipeline, able: ComposerPipeline
) -> None:
    new = [37, 1, 1, 3, 16, 6, 1]
    assert new not in tiny_composer.prior.table.tolist()
    wider = widened(Models(tiny_composer.prior, tiny_composer.denoiser), [new], reads=False)
    table, old = wider.prior.table.tolist(), tiny_composer.prior
    assert new in table
    ids = torch.tensor([[3, 0, 7]])
    there = torch.tensor([*(table.index(row) for row in old.table.tolist()), wider.prior.end])
    relation, mask = torch.randn(1, 384, generator=torch.Generator().manual_seed(0)), torch.ones(1, 3, dtype=torch.bool)
    logits = wider.prior.eval()(there[ids], mask, relation)
    torch.testing.assert_close(logits[..., there], old(ids, mask, relation))
    assert logits.softmax(-1)[..., table.index(new)].max() < 1e-4
    kept = able.denoiser.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in tiny_composer.denoiser.state_dict().items())


def test_a_loose_reading_loses_more_the_looser_it_is() -> None:
    elements = [Element("subject", x, y, 0.2) for x in np.linspace(-0.8, 0.8, 6) for y in np.linspace(-0.8, 0.8, 5)]
    one = element_tensors(elements, [0.9] * 30)
    lost, moved = [], []
    for loose in (0.0, 0.3, 0.7, 1.0):
        batch = collate_readings([one] * 8, torch.full((8,), loose))
        made = loosened(batch, [torch.Generator().manual_seed(i) for i in range(8)])
        lost.append(1 - made.mask.float().mean().item())
        moved.append((made.features - batch.features).abs().mean().item())
    assert lost[0] == moved[0] == 0
    assert lost[0] < lost[1] < lost[2] < lost[3] == 1
    assert moved[1] < moved[2]


def test_only_the_surest_elements_of_a_crowd_are_kept() -> None:
    crowd = [Element("subject", 0, 0, 0.1 + i / 1000) for i in range(MAX_ELEMENTS + 9)]
    kept = element_tensors([*crowd, Element("shadow", 0, 0, 0.3)], [*np.linspace(0.1, 1, len(crowd)), 1.0])
    assert len(kept.tokens) == MAX_ELEMENTS
    assert kept.sure.min() == pytest.approx(np.linspace(0.1, 1, len(crowd))[9])


def test_simulated_readings_are_near_the_scene_and_sometimes_wrong() -> None:
    draft = Draft(np.random.default_rng(0))
    RELATIONS["ring"].draw(draft)
    scene = encode(draft.elements)
    things = [e for e in draft.elements if e.is_thing]
    counts, apart = [], []
    for seed in range(60):
        reading = simulate_reading(scene, np.random.default_rng(seed))
        found = [e for e in decode(reading.tokens, reading.features) if e.is_thing]
        counts.append(len(found) - len(things))
        apart += [min(math.dist((e.x, e.y), (t.x, t.y)) for t in things) for e in found]
    assert 0.25 < np.mean(np.array(counts) == 0) < 0.95
    assert np.median(apart) < things[0].size / 2
    again = simulate_reading(scene, np.random.default_rng(3))
    assert np.array_equal(again.features, simulate_reading(scene, np.random.default_rng(3)).features)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, few_selection: Selection) -> SceneSet:
    """Scenes of which the first four have a reference with its reading."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    net = MiniNet(MiniConfig(64, "efficientnet-lite0", dense_dim=16, dim=32, heads=2, depth=1))
    with torch.no_grad():
        net.dense_head.out.bias[:5] = 2.0  # an untrained head that finds something everywhere
    net.save_pretrained(folder)
    CaptionBank(["{subject} in a ring"], ["ring"], np.full((1, 384), 384**-0.5, np.float32), 0.05).save(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "CHUNK", 2)
        return draw_scenes(6, 0, making=ReferenceMaking(folder, few_selection), referenced=3)


def test_references_come_with_what_was_read_of_them(seen: SceneSet, tmp_path: Path) -> None:
    assert seen.drawn.tolist() == [True] * 4 + [False] * 2
    counts = np.diff(seen.readings.offsets)
    assert (counts[:4] > 0).any()
    assert (counts[4:] == 0).all()
    save_scenes(seen, tmp_path / "scenes.npz")
    loaded = load_scenes(tmp_path / "scenes.npz")
    np.testing.assert_array_equal(loaded.readings.features, seen.readings.features)
    np.testing.assert_array_equal(loaded.readings[1].sure, seen.readings[1].sure)


def test_real_and_simulated_readings_and_none_come_as_often_as_set(seen: SceneSet) -> None:
    settings = ComposerSettings(reading_drop=0.25, exact=1.0, real_share=1.0)
    rows = torch.arange(6).repeat(40)
    _, _, readings = Conditions(seen, settings).sample(rows, torch.Generator().manual_seed(0))
    assert readings is not None
    assert (readings.looseness == 0).all()
    longest = int(np.diff(seen.readings.offsets).argmax())
    own = seen.readings[longest]
    for row in torch.nonzero(rows == longest)[:, 0].tolist():
        count = int(readings.mask[row].sum())
        assert count in (0, len(own.sure))
        torch.testing.assert_close(readings.features[row, :count], torch.from_numpy(own.features)[:count])
    simulated = readings.mask[rows >= 4].any(1).float().mean()
    assert 0.55 < simulated < 0.9
    assert Conditions(seen, ComposerSettings(reads=False)).sample(rows, torch.Generator())[2] is None


def test_share_of_references_is_as_set(seen: SceneSet) -> None:
    rows = torch.arange(4).repeat(100)
    settings = ComposerSettings(reference_share=0.75)
    relation, _, _ = Conditions(seen, settings).sample(rows, torch.Generator().manual_seed(0))
    own = (relation * torch.from_numpy(seen.reference)[rows]).sum(-1) > 0.999
    assert 0.68 < own.float().mean() < 0.82


def test_training_learns_from_readings_what_the_relation_does_not_say(tiny_scenes: SceneSet) -> None:
    """One vector for all scenes: which of them is meant, the readings alone can tell."""
    rows = np.argsort(tiny_scenes.lengths, kind="stable")[:8]
    parts = [tiny_scenes[int(row)] for row in rows]
    reference = np.zeros((8, 384), np.float32)
    reference[:, 0] = 1
    scenes = SceneSet(
        tiny_scenes.logics, np.cumsum([0, *(len(p.tokens) for p in parts)]),
        np.concatenate([p.tokens for p in parts]), np.concatenate([p.features for p in parts]),
        tiny_scenes.logic[rows], reference, data.Readings.of([NOTHING_READ] * 8),
    )  # fmt: skip
    settings = ComposerSettings(
        steps=80, batch_size=16, dim=32, depth=1, heads=2, prior_dim=32, prior_depth=1, prior_heads=2, lr=5e-3,
        num_relation_tokens=2, reading_drop=0.0, exact=1.0, reference_share=1.0, drop=0.0, warmup=1, ema=0.8,
        bf16=False, threads=1,
    )  # fmt: skip
    models = train_composer(new_models(scenes, settings), scenes, settings)
    batch = collate(parts)
    ids = torch.zeros(batch.mask.shape, dtype=torch.long)
    ids[batch.mask] = models.prior.ids_of(batch.tokens[batch.mask])
    exact = [ElementTensors(p.tokens, p.features, np.ones(len(p.tokens), np.float32)) for p in parts]

    def loss(readings: list[ElementTensors]) -> float:
        given = collate_readings(readings, torch.zeros(8))
        with torch.no_grad():
            return float(models.prior.loss(ids, batch.mask, torch.from_numpy(reference), 1.0, given))

    assert loss(exact) < 0.7 * loss([*exact[1:], exact[0]])
