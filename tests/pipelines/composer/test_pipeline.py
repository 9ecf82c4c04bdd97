"""Promises of the composer: every row is its own, the relation decides only as far as its scale says."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from analogen.pipelines.composer import scene_composer as composer
from analogen.pipelines.composer.pipeline import ComposerPipeline, load_composer
from analogen.pipelines.composer.scene_composer import MAX_GROUP, MIN_GROUP, SceneComposer, groups_of_like_length
from analogen.relsim.world.scene import Element, Scene

STEPS = 3


def relations(rows: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, 384, generator=torch.Generator().manual_seed(seed))


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def compose(pipeline: ComposerPipeline, relation: Tensor, *seeds: int, **options: Any) -> list[list[Element]]:
    scenes: list[list[Element]] = pipeline(
        relation, generator=generators(*seeds), **{"num_inference_steps": STEPS, **options}
    ).scenes
    return scenes


def numbers(elements: list[Element]) -> np.ndarray[Any, Any]:
    return np.array([[e.x, e.y, e.size, e.aspect] for e in elements])


def test_scenes_are_valid_and_one_per_row(tiny_composer: ComposerPipeline) -> None:
    scenes = compose(tiny_composer, relations(5), *range(5))
    assert len(scenes) == 5
    for elements in scenes:
        assert elements
        Scene(tuple(elements))  # refuses what is out of range


@pytest.mark.parametrize("guidance_scale", [1.0, 1.5])
def test_row_alone_equals_row_in_a_mixed_batch(tiny_composer: ComposerPipeline, guidance_scale: float) -> None:
    relation = relations(6)
    together = compose(tiny_composer, relation, *range(6), guidance_scale=guidance_scale, settled=False)
    assert len({len(scene) for scene in together}) > 1
    for row in range(6):
        (alone,) = compose(tiny_composer, relation[row : row + 1], row, guidance_scale=guidance_scale, settled=False)
        assert [e.kind for e in alone] == [e.kind for e in together[row]]
        np.testing.assert_allclose(numbers(alone), numbers(together[row]), atol=1e-3)


def test_order_of_rows_does_not_matter(tiny_composer: ComposerPipeline) -> None:
    relation, order = relations(4), [2, 0, 3, 1]
    straight = compose(tiny_composer, relation, *range(4), settled=False)
    shuffled = compose(tiny_composer, relation[order], *order, settled=False)
    for place, row in enumerate(order):
        np.testing.assert_allclose(numbers(shuffled[place]), numbers(straight[row]), atol=1e-3)


def test_same_seed_same_scene_other_seed_another(tiny_composer: ComposerPipeline) -> None:
    first, again, other = (compose(tiny_composer, relations(2), s, s + 1) for s in (0, 0, 5))
    assert first == again
    assert first != other


def test_relations_make_a_difference(tiny_composer: ComposerPipeline) -> None:
    first, second = (compose(tiny_composer, relations(3, seed), 0, 1, 2) for seed in (0, 1))
    assert first != second


def test_scale_zero_equals_any_relation(tiny_composer: ComposerPipeline) -> None:
    first, second = (compose(tiny_composer, relations(3, seed), 0, 1, 2, relation_scale=0.0) for seed in (0, 1))
    assert first == second


def test_length_of_the_relation_does_not_matter(tiny_composer: ComposerPipeline) -> None:
    first, second = (compose(tiny_composer, relations(2) * factor, 0, 1, settled=False) for factor in (1.0, 64.0))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(numbers(a), numbers(b), atol=1e-3)


def test_one_generator_seeds_every_row(tiny_composer: ComposerPipeline) -> None:
    runs = [
        tiny_composer(relations(3), generator=torch.Generator().manual_seed(s), num_inference_steps=2).scenes
        for s in (0, 0, 1)
    ]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert len(tiny_composer(relations(1), num_inference_steps=1).scenes) == 1  # and none is needed


def test_no_rows_give_no_scenes(tiny_composer: ComposerPipeline) -> None:
    assert compose(tiny_composer, torch.zeros(0, 384)) == []


@pytest.mark.parametrize("shape", [(384,), (2, 383), (1, 2, 384)])
def test_relation_of_another_shape_is_refused(tiny_composer: ComposerPipeline, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be \(rows, 384\)"):
        tiny_composer(torch.ones(shape))


def test_wrong_number_of_generators_is_refused(tiny_composer: ComposerPipeline) -> None:
    with pytest.raises(ValueError, match="2 generators for 3 rows"):
        compose(tiny_composer, relations(3), 0, 1)


@pytest.mark.parametrize("steps", [0, -4])
def test_no_steps_are_refused(tiny_composer: ComposerPipeline, steps: int) -> None:
    with pytest.raises(ValueError, match=f"num_inference_steps is {steps}"):
        compose(tiny_composer, relations(1), 0, num_inference_steps=steps)


def test_callback_sees_every_step_in_order(tiny_composer: ComposerPipeline) -> None:
    seen: list[tuple[int, int]] = []

    def note(pipeline: Any, step: int, timestep: int, values: dict[str, Tensor]) -> None:
        assert pipeline is tiny_composer
        assert values["latents"].shape[0] == 2
        seen.append((step, timestep))

    compose(tiny_composer, relations(2), 0, 1, num_inference_steps=4, callback_on_step_end=note)
    assert [step for step, _ in seen] == [0, 1, 2, 3]
    assert seen[0][1] == 1000
    assert [time for _, time in seen] == sorted((time for _, time in seen), reverse=True)


def test_callback_can_change_the_latents(tiny_composer: ComposerPipeline) -> None:
    def clear(pipeline: Any, step: int, timestep: int, values: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"latents": torch.zeros_like(values["latents"])} if step == STEPS - 1 else {}

    for elements in compose(tiny_composer, relations(2), 0, 1, callback_on_step_end=clear):
        assert all((e.x, e.y, e.turn) == (0, 0, 0) for e in elements)


def test_callback_can_stop_the_run_and_the_pipeline_stays_usable(tiny_composer: ComposerPipeline) -> None:
    def stop(pipeline: Any, step: int, timestep: int, values: dict[str, Tensor]) -> None:
        if step == 1:
            raise InterruptedError("enough")

    before = compose(tiny_composer, relations(2), 0, 1)
    with pytest.raises(InterruptedError, match="enough"):
        compose(tiny_composer, relations(2), 0, 1, callback_on_step_end=stop)
    assert compose(tiny_composer, relations(2), 0, 1) == before


def test_settled_scenes_have_the_same_elements(tiny_composer: ComposerPipeline) -> None:
    settled, raw = (compose(tiny_composer, relations(4), *range(4), settled=s) for s in (True, False))
    assert [[e.kind for e in scene] for scene in settled] == [[e.kind for e in scene] for scene in raw]


def test_plain_tuple_without_return_dict(tiny_composer: ComposerPipeline) -> None:
    (scenes,) = tiny_composer(relations(2), generator=generators(0, 1), num_inference_steps=STEPS, return_dict=False)
    assert scenes == compose(tiny_composer, relations(2), 0, 1)


def test_round_trip_composes_the_same(tiny_composer: ComposerPipeline, tiny_composer_folder: Path) -> None:
    for loaded in (ComposerPipeline.from_pretrained(str(tiny_composer_folder)), load_composer(tiny_composer_folder)):
        assert compose(loaded, relations(3), 0, 1, 2) == compose(tiny_composer, relations(3), 0, 1, 2)


def test_mini_without_diffusers_composes_the_same_to_the_bit(
    tiny_composer: ComposerPipeline, tiny_composer_folder: Path
) -> None:
    own = SceneComposer.load(tiny_composer_folder)
    relation = relations(3)
    for options in ({}, {"guidance_scale": 2.0, "settled": False}, {"num_inference_steps": 7}):
        given = {"num_inference_steps": STEPS, **options}
        made = own.sample(relation, generator=generators(0, 1, 2), **given)
        assert made == compose(tiny_composer, relation, 0, 1, 2, **options)
    assert torch.equal(own.denoising_error(made, relation), tiny_composer.denoising_error(made, relation))


@pytest.mark.parametrize("part", ["prior", "denoiser"])
def test_saving_what_was_loaded_writes_the_same_bytes(part: str, tmp_path: Path) -> None:
    pipeline = load_composer()
    getattr(pipeline, part).to(torch.float16)  # as trainings save
    pipeline.save_pretrained(str(tmp_path))
    for name in ("config.json", "diffusion_pytorch_model.safetensors"):
        assert (tmp_path / part / name).read_bytes() == (composer.SHIPPED / part / name).read_bytes()


def test_composer_saved_by_0_2_0_loads(
    tiny_composer: ComposerPipeline, tiny_composer_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_composer_folder, tmp_path / "old")
    parts = json.loads((folder / "model_index.json").read_text())
    parts["denoiser"][0], parts["prior"][0] = "analogen.pipelines.denoiser", "analogen.pipelines.skeleton"
    (folder / "model_index.json").write_text(json.dumps(parts))
    loaded = ComposerPipeline.from_pretrained(str(folder))
    assert compose(loaded, relations(2), 0, 1) == compose(tiny_composer, relations(2), 0, 1)


def test_pipeline_takes_the_precision_that_it_is_asked_for(tiny_composer_folder: Path) -> None:
    pipeline = ComposerPipeline.from_pretrained(str(tiny_composer_folder), torch_dtype=torch.bfloat16)
    assert (pipeline.prior.dtype, pipeline.denoiser.dtype) == (torch.bfloat16, torch.bfloat16)
    assert pipeline.device == torch.device("cpu")


@pytest.mark.filterwarnings("ignore")
def test_half_precision_composes_too(tiny_composer: ComposerPipeline) -> None:
    half = copy.deepcopy(tiny_composer).to(torch.bfloat16)
    half.set_progress_bar_config(disable=True)
    for elements in compose(half, relations(2), 0, 1):
        Scene(tuple(elements))


@given(st.lists(st.integers(1, 30), max_size=100))
def test_groups_hold_every_row_once_and_are_neither_tiny_nor_huge(counts: list[int]) -> None:
    groups = groups_of_like_length(counts)
    assert sorted(row for group in groups for row in group) == list(range(len(counts)))
    assert all(len(group) >= MIN_GROUP for group in groups[:-1])
    assert all(len(group) <= MAX_GROUP for group in groups)
    lengths = [counts[row] for group in groups for row in group]
    assert lengths == sorted(lengths)


def test_rows_of_unlike_length_come_out_as_alone(
    tiny_composer: ComposerPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composer, "MIN_GROUP", 10)
    whole = compose(tiny_composer, relations(6), *range(6), settled=False)
    monkeypatch.setattr(composer, "MIN_GROUP", 1)
    apart = compose(tiny_composer, relations(6), *range(6), settled=False)
    assert len({len(scene) for scene in whole}) > 1
    for mine, other in zip(whole, apart, strict=True):
        np.testing.assert_allclose(numbers(mine), numbers(other), atol=1e-3)


def test_denoising_error_is_of_a_scene_alone(tiny_composer_folder: Path) -> None:
    pipeline, relation = load_composer(tiny_composer_folder), relations(3)
    scenes = compose(pipeline, relation, 1, 2, 3)
    together = pipeline.denoising_error(scenes, relation)
    assert together.shape == (3,)
    alone = pipeline.denoising_error(scenes[1:2], relation[1:2])
    assert alone[0] == pytest.approx(float(together[1]), rel=1e-3)
    assert torch.equal(together, pipeline.denoising_error(scenes, relation))
