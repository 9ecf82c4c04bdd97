"""Promises of plus tokens: patches of a reference say what its vector does not, and nothing where there are none."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from analogen.pipelines.composer import data
from analogen.pipelines.composer.data import SceneSet, draw_scenes, load_scenes, save_scenes
from analogen.pipelines.composer.features import collate
from analogen.pipelines.composer.layers import PlusTokens, row_scale
from analogen.pipelines.composer.pipeline import ComposerPipeline
from analogen.pipelines.composer.train import (
    ComposerSettings,
    Conditions,
    Models,
    new_models,
    run,
    train_composer,
    with_plus,
)
from analogen.relsim.mini.model import Head, MiniConfig, MiniNet
from analogen.relsim.world.dataset import Selection
from analogen.relsim.world.scene import Element

PATCHES, PATCH_DIM = 4, 320


def patches_of(rows: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, PATCHES, PATCH_DIM, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def widened(tiny_composer: ComposerPipeline) -> ComposerPipeline:
    """The tiny composer with new plus tokens, as training starts."""
    models = with_plus(Models(tiny_composer.prior, tiny_composer.denoiser), 3, Head(PATCH_DIM, 8)).eval()
    pipeline = ComposerPipeline(models.prior, models.denoiser, tiny_composer.scheduler)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def plus_composer(widened: ComposerPipeline) -> ComposerPipeline:
    """The same, with plus tokens that do something."""
    pipeline = copy.deepcopy(widened)
    torch.manual_seed(3)
    for layer in (*pipeline.prior.layers, *pipeline.denoiser.layers):
        torch.nn.init.normal_(layer.attention.to_kv_plus.weight, std=0.3)
    return pipeline


def compose(
    pipeline: ComposerPipeline, patches: Tensor | None, *seeds: int, rows: list[int] | None = None, **options: Any
) -> list[list[Element]]:
    relation = torch.randn(8, 384, generator=torch.Generator().manual_seed(0))[rows or list(range(len(seeds)))]
    scenes: list[list[Element]] = pipeline(
        relation,
        patches,
        [torch.Generator().manual_seed(seed) for seed in seeds],
        **{"num_inference_steps": 3, "settled": False, **options},
    ).scenes
    return scenes


def places(elements: list[Element]) -> np.ndarray[Any, Any]:
    return np.array([[e.x, e.y, e.size, e.aspect] for e in elements])


def test_tokens_are_normed_and_scaled_by_what_is_there() -> None:
    patches = patches_of(3)
    patches[1] = 0
    plus = PlusTokens(PATCH_DIM, 16, 5)(patches, row_scale(0.5, 3, patches))
    assert plus.tokens.shape == (3, 5, 16)
    assert plus.scale.flatten().tolist() == [0.5, 0.0, 0.5]


def test_new_plus_tokens_change_nothing(tiny_composer: ComposerPipeline, widened: ComposerPipeline) -> None:
    assert widened.takes_patches
    assert compose(widened, patches_of(3), 0, 1, 2) == compose(tiny_composer, None, 0, 1, 2)


def test_patches_decide_and_their_absence_does_not(
    tiny_composer: ComposerPipeline, plus_composer: ComposerPipeline
) -> None:
    bare = compose(tiny_composer, None, 0, 1, 2)
    assert compose(plus_composer, None, 0, 1, 2) == bare
    assert compose(plus_composer, torch.zeros(3, PATCHES, PATCH_DIM), 0, 1, 2) == bare
    first, second = (compose(plus_composer, patches_of(3, seed), 0, 1, 2) for seed in (0, 1))
    assert first != bare
    assert first != second


def test_scale_zero_ignores_patches(plus_composer: ComposerPipeline) -> None:
    first, second = (compose(plus_composer, p, 0, 1, relation_scale=0.0) for p in (patches_of(2), None))
    assert first == second


@pytest.mark.parametrize("guidance_scale", [1.0, 1.5])
def test_row_alone_equals_row_among_rows_with_other_patches_or_none(
    plus_composer: ComposerPipeline, guidance_scale: float
) -> None:
    patches = patches_of(4)
    patches[2] = 0
    together = compose(plus_composer, patches, *range(4), guidance_scale=guidance_scale)
    for row in range(4):
        own = None if row == 2 else patches[row : row + 1]
        (alone,) = compose(plus_composer, own, row, rows=[row], guidance_scale=guidance_scale)
        assert [e.kind for e in alone] == [e.kind for e in together[row]]
        np.testing.assert_allclose(places(alone), places(together[row]), atol=1e-3)


def test_patches_that_do_not_fit_are_refused(tiny_composer: ComposerPipeline, plus_composer: ComposerPipeline) -> None:
    with pytest.raises(ValueError, match="without plus tokens"):
        compose(tiny_composer, patches_of(1), 0)
    for wrong in (patches_of(2), patches_of(1)[..., :7], patches_of(1)[0]):
        with pytest.raises(ValueError, match=r"must be \(1, patches, 320\)"):
            compose(plus_composer, wrong, 0)


def test_composer_with_plus_tokens_round_trips(plus_composer: ComposerPipeline, tmp_path: Path) -> None:
    plus_composer.save_pretrained(str(tmp_path))
    loaded = ComposerPipeline.from_pretrained(str(tmp_path))
    loaded.set_progress_bar_config(disable=True)
    assert compose(loaded, patches_of(2), 0, 1) == compose(plus_composer, patches_of(2), 0, 1)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, few_selection: Selection) -> SceneSet:
    """Scenes of which the first four have a reference with its patches."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    MiniNet(MiniConfig(image_size=64, widths=(16, 16, 16), blocks=(1, 1, 1), dim=16, depth=1, heads=2)).save_pretrained(
        folder
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "CHUNK", 2)
        return draw_scenes(6, 0, encoder=folder, selection=few_selection, referenced=3, patches=True)


def test_patches_are_kept_of_drawn_references_only(seen: SceneSet, tmp_path: Path) -> None:
    assert seen.patches is not None
    assert seen.drawn.tolist() == [True] * 4 + [False] * 2
    assert seen.patches.shape == (4, 16, 16)
    save_scenes(seen, tmp_path / "scenes.npz")
    loaded = load_scenes(tmp_path / "scenes.npz")
    np.testing.assert_array_equal(loaded.patches, seen.patches)


def test_patches_stay_with_their_scenes_when_some_are_left_out(seen: SceneSet) -> None:
    assert seen.patches is not None
    kept_rows = {tuple(row) for i in (1, 3, 4) for row in seen[i].tokens.tolist()}
    kept = seen.restricted_to(np.array(sorted(kept_rows)))
    assert kept.patches is not None
    for reference, patches in zip(kept.reference[kept.drawn], kept.patches, strict=True):
        (row,) = np.flatnonzero((seen.reference == reference).all(axis=1))
        np.testing.assert_array_equal(patches, seen.patches[row])


def test_patches_come_with_their_own_reference_and_sometimes_not_at_all(seen: SceneSet) -> None:
    assert seen.patches is not None
    settings = ComposerSettings(num_plus_tokens=2, plus_drop=0.5)
    rows = torch.arange(6).repeat(40)
    relation, patches = Conditions(seen, settings).sample(rows, torch.Generator().manual_seed(0))
    assert patches is not None
    shown = patches.flatten(1).any(1)
    assert not shown[rows >= 4].any()
    assert 0.15 < shown[rows < 4].float().mean() < 0.35  # half are references, half of these show their patches
    for row, vector, patch in zip(rows[shown].tolist(), relation[shown], patches[shown], strict=True):
        torch.testing.assert_close(vector, torch.from_numpy(seen.reference[row]), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(patch, torch.from_numpy(seen.patches[row]).float())
    assert Conditions(seen, ComposerSettings()).sample(rows, torch.Generator())[1] is None


def test_share_of_references_is_as_set(seen: SceneSet) -> None:
    rows = torch.arange(4).repeat(100)
    settings = ComposerSettings(reference_share=0.75)
    relation, _ = Conditions(seen, settings).sample(rows, torch.Generator().manual_seed(0))
    own = (relation * torch.from_numpy(seen.reference)[rows]).sum(-1) > 0.999
    assert 0.68 < own.float().mean() < 0.82


def test_training_learns_from_patches_what_the_vector_does_not_say(tiny_scenes: SceneSet) -> None:
    """One vector for all scenes: which of them is meant, the patches alone can tell."""
    rows = np.argsort(tiny_scenes.lengths, kind="stable")[:8]
    parts = [tiny_scenes[int(row)] for row in rows]
    reference = np.zeros((8, 384), np.float32)
    reference[:, 0] = 1
    scenes = SceneSet(
        tiny_scenes.relations, np.cumsum([0, *(len(p.tokens) for p in parts)]),
        np.concatenate([p.tokens for p in parts]), np.concatenate([p.features for p in parts]),
        tiny_scenes.relation[rows], reference, patches_of(8).half().numpy(),
    )  # fmt: skip
    settings = ComposerSettings(
        steps=60, batch_size=16, dim=32, depth=1, heads=2, prior_dim=32, prior_depth=1, prior_heads=2, lr=5e-3,
        num_relation_tokens=2, num_plus_tokens=2, plus_drop=0.0, warmup=1, ema=0.8, bf16=False, threads=1,
    )  # fmt: skip
    models = with_plus(new_models(scenes, settings), 2, Head(PATCH_DIM, 8))
    models = train_composer(models, scenes, settings)
    batch = collate(parts)
    ids = torch.zeros(batch.mask.shape, dtype=torch.long)
    ids[batch.mask] = models.prior.ids_of(batch.tokens[batch.mask])

    def loss(patches: Tensor) -> float:
        with torch.no_grad():
            return float(models.prior.loss(ids, batch.mask, torch.from_numpy(reference), 1.0, patches))

    assert loss(patches_of(8)) < 0.6 * loss(patches_of(8).roll(1, 0))


def test_widening_keeps_what_is_there(tiny_composer: ComposerPipeline, plus_composer: ComposerPipeline) -> None:
    models = Models(plus_composer.prior, plus_composer.denoiser)
    assert with_plus(models, 5, Head(PATCH_DIM, 8)) is models
    bare = Models(tiny_composer.prior, tiny_composer.denoiser).state_dict()
    assert all(torch.equal(kept, models.state_dict()[name]) for name, kept in bare.items())


def test_new_plus_tokens_look_where_the_head_of_the_encoder_looks() -> None:
    head, tokens = Head(PATCH_DIM, 8), PlusTokens(PATCH_DIM, 16, 5)
    torch.nn.init.normal_(head.norm.weight)
    tokens.start_from(head)
    patches = patches_of(2)

    def pooled(one: Head) -> Tensor:
        """(B, queries, dim): the patches in the mix of each query."""
        x = one.norm(patches)
        return (one.query @ one.key(x).transpose(1, 2)).mul(PATCH_DIM**-0.5).softmax(-1) @ x

    queries = len(head.query)
    torch.testing.assert_close(pooled(tokens.pool)[:, :queries], pooled(head))
    width = queries * PATCH_DIM
    torch.testing.assert_close(tokens.pool.mlp[0].weight[:, :width], head.mlp[0].weight)


def test_plus_tokens_without_an_encoder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="num_plus_tokens needs the encoder"):
        run(None, {"num_plus_tokens": "2", "output": str(tmp_path)})
