"""Promises of an adapter on a pipeline, in every family: equal to diffusers' own, row by row, gone without trace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import QwenImageTransformer2DModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_families import MODELS, PROMPTS, adapter_of, draw, pipeline_of, relations
from torch import nn

from analogen.pipelines.adapter.attach import Attachment, attach, denoiser_of
from analogen.pipelines.adapter.strength import Strength
from analogen.pipelines.relation_arithmetic import combine_relations
from analogen.relsim.text import load_text_tower


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def attached(model: str) -> Iterator[Attachment]:
    found = attach(pipeline_of(model), adapter_of(model))
    yield found
    found.detach()


def differ(first: Any, second: Any) -> float:
    return float(np.abs(np.asarray(first) - np.asarray(second)).max())


def test_scale_zero_is_the_stock_pipeline_bit_for_bit(model: str) -> None:
    stock = draw(model)
    found = attach(pipeline_of(model), adapter_of(model))
    try:
        found.set_strength(0)
        np.testing.assert_array_equal(draw(model, **found.inputs(relations(2))), stock)
    finally:
        found.detach()


def test_adapter_and_its_relation_change_the_picture(model: str, attached: Attachment) -> None:
    first = draw(model, **attached.inputs(relations(2)))
    other = draw(model, **attached.inputs(relations(2, seed=1)))
    attached.set_strength(0)
    base = draw(model, **attached.inputs(relations(2)))
    assert min(differ(first, other), differ(first, base)) > 0.01


def test_detaching_leaves_no_trace(model: str) -> None:
    pipeline = pipeline_of(model)
    denoiser = denoiser_of(pipeline)

    def state() -> Any:
        parts = dict(denoiser.named_modules())
        return list(parts), dict(denoiser.config), [type(m) for m in denoiser.attn_processors.values()], vars(pipeline)

    before, picture = state(), draw(model)
    before = (*before[:3], dict(before[3]))
    attach(pipeline, adapter_of(model)).detach()
    assert state() == before
    np.testing.assert_array_equal(draw(model), picture)


def test_stock_loader_and_embeddings_give_the_same_picture(model: str) -> None:
    """One reference: with several in a batch, stock diffusers gives every row all of them."""
    pipeline, weights, relation = pipeline_of(model), adapter_of(model).weights, relations(1)
    found = attach(pipeline, adapter_of(model))
    ours = draw(model, PROMPTS[:1], **found.inputs(relation))
    found.detach()
    state = {part: dict(weights[part]) for part in ("image_proj", "ip_adapter")}
    if model in ("flux", "kontext"):
        pipeline.load_ip_adapter(state, weight_name="", image_encoder_pretrained_model_name_or_path=None)
        negative = {"negative_ip_adapter_image_embeds": [torch.zeros(1, 1, 384)]}
        stock = draw(model, PROMPTS[:1], ip_adapter_image_embeds=[relation[:, None]], **negative)
    else:
        pipeline.load_ip_adapter(state, subfolder="", weight_name="", image_encoder_folder=None)
        pipeline.set_ip_adapter_scale(1.0)
        embeds = torch.cat([torch.zeros(1, 1, 384), relation[:, None]])
        stock = draw(model, PROMPTS[:1], ip_adapter_image_embeds=embeds if model == "sd35" else [embeds])
    pipeline.unload_ip_adapter()
    np.testing.assert_array_equal(ours, stock)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_row_alone_equals_row_in_a_batch(model: str, attached: Attachment, data: st.DataObject) -> None:
    rows, each = data.draw(st.integers(2, 4), "rows"), data.draw(st.integers(1, 2), "pictures of a prompt")
    guided, several = data.draw(st.booleans(), "guided"), data.draw(st.integers(1, 2), "relations of a row")
    seed, avoid = data.draw(st.integers(0, 99), "seed"), data.draw(st.booleans(), "negative")
    if model == "kontext":
        each = 1  # that pipeline repeats its picture for one picture of a prompt only
    prompts = [PROMPTS[(seed + row) % 4] for row in range(rows)]
    wanted = relations(rows * several, seed).view(rows, several, 384)
    negative = relations(rows, seed + 100) if avoid else None
    seeds = list(range(seed, seed + rows * each))
    together = draw(
        model, prompts, seeds, guided=guided, num_images_per_prompt=each, **attached.inputs(wanted, negative)
    )
    row = data.draw(st.integers(0, rows - 1), "row")
    own = slice(row * each, (row + 1) * each)
    inputs = attached.inputs(wanted[row : row + 1], None if negative is None else negative[row])
    alone = draw(model, prompts[row : row + 1], seeds[own], guided=guided, num_images_per_prompt=each, **inputs)
    np.testing.assert_allclose(together[own], alone, atol=1e-4)


def test_one_relation_serves_all_prompts(model: str, attached: Attachment) -> None:
    relation = relations(1)
    shared = draw(model, **attached.inputs(relation[0]))
    np.testing.assert_allclose(draw(model, **attached.inputs(relation.expand(2, -1))), shared, atol=1e-5)


def test_embeddings_in_the_form_of_diffusers_are_kept_row_by_row(model: str, attached: Attachment) -> None:
    wanted = relations(2)
    ours = attached.inputs(wanted)
    plain = torch.cat([torch.zeros(2, 1, 384), wanted[:, None]])
    stock: Any = plain if model == "sd35" else [plain]
    given = ours if model in ("flux", "kontext") else {"ip_adapter_image_embeds": stock}
    np.testing.assert_allclose(draw(model, **ours), draw(model, **given), atol=1e-4)


def test_negative_relation_changes_guided_pictures_only(model: str, attached: Attachment) -> None:
    plain, avoiding = attached.inputs(relations(2)), attached.inputs(relations(2), relations(1, seed=9))
    assert differ(draw(model, **plain), draw(model, **avoiding)) > 1e-3
    np.testing.assert_array_equal(draw(model, guided=False, **plain), draw(model, guided=False, **avoiding))


def test_several_relations_at_once_are_all_attended_to(model: str, attached: Attachment) -> None:
    pair = relations(4).view(2, 2, 384)
    both = draw(model, **attached.inputs(pair))
    assert differ(both, draw(model, **attached.inputs(pair[:, 0]))) > 1e-3
    np.testing.assert_allclose(both, draw(model, **attached.inputs(pair.flip(1))), atol=1e-3)


def test_words_and_references_mix_into_one_relation(attached: Attachment, model: str) -> None:
    words = load_text_tower().embed(["{Subject} in a ring around nothing"])
    mixed = combine_relations(np.concatenate([words, relations(1).numpy()]), [1.0, 0.5])
    inputs = attached.inputs(mixed)["ip_adapter_image_embeds"]
    np.testing.assert_allclose(inputs[0][0, 0].numpy(), mixed, atol=1e-6)


def test_strength_of_a_block_is_its_own(model: str, attached: Attachment) -> None:
    inputs = attached.inputs(relations(2))
    block = ".".join(attached.modules.names[0].split(".")[:2])
    whole = draw(model, **inputs)
    attached.set_strength(Strength(blocks={"": 0.0}))
    none = draw(model, **inputs)
    attached.set_strength(Strength(blocks={"": 0.0, block: 1.0}))
    part = draw(model, **inputs)
    attached.set_strength(0)
    np.testing.assert_array_equal(draw(model, **inputs), none)
    assert min(differ(part, none), differ(part, whole)) > 1e-4


def test_strength_follows_the_timestep(model: str, attached: Attachment) -> None:
    seen: list[tuple[float, float]] = []
    processor = attached.modules.processors[0]

    def look(denoiser: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        timestep = kwargs.get("timestep", args[1] if len(args) > 1 else None)
        scale = processor.scale if isinstance(processor.scale, float) else processor.scale[0]
        seen.append((1 - float(timestep.reshape(-1)[0]) / attached.family.span, scale))

    strength = Strength(0.8, start=0.5, ease="in")
    attached.set_strength(strength)
    watch = attached.modules.denoiser.register_forward_pre_hook(look, with_kwargs=True)
    picture = draw(model, steps=6, **attached.inputs(relations(2)))
    watch.remove()
    assert len({scale for _, scale in seen}) >= 3
    for progress, scale in seen:
        assert scale == pytest.approx(strength.at(progress), abs=1e-6)
    attached.set_strength(0.8)
    assert differ(picture, draw(model, steps=6, **attached.inputs(relations(2)))) > 1e-4


def test_whole_time_equals_constant_strength(model: str, attached: Attachment) -> None:
    inputs = attached.inputs(relations(2))
    attached.set_strength(0.7)
    constant = draw(model, **inputs)
    attached.set_strength(Strength(0.7, end=0.9999))  # through the hook; no step is as late as that
    np.testing.assert_array_equal(draw(model, **inputs), constant)


@pytest.mark.parametrize(
    ("given", "negative", "match"),
    [
        (torch.ones(512), None, r"shape \(512,\): expected \(384,\)"),
        (torch.ones(0, 384), None, "expected"),
        (torch.full((384,), float("nan")), None, "not numbers"),
        (torch.ones(2, 384), torch.ones(3, 384), "3 negative relations for 2"),
        (torch.ones(2, 3, 384), torch.ones(2, 2, 384), "2 negative relations a row beside 3"),
    ],
)
def test_relations_of_a_wrong_form_are_refused(given: torch.Tensor, negative: torch.Tensor | None, match: str) -> None:
    found = attach(pipeline_of("sd15"), adapter_of("sd15"))
    try:
        with pytest.raises(ValueError, match=match):
            found.inputs(given, negative)
    finally:
        found.detach()


@pytest.mark.parametrize("model", ["sd15", "sd35", "flux"])
def test_other_numbers_of_relations_than_prompts_are_refused(model: str) -> None:
    found = attach(pipeline_of(model), adapter_of(model))
    try:
        with pytest.raises(ValueError, match="3 relations for 2 pictures"):
            draw(model, **found.inputs(relations(3)))
    finally:
        found.detach()


def test_second_adapter_is_refused() -> None:
    found = attach(pipeline_of("sdxl"), adapter_of("sdxl"))
    try:
        with pytest.raises(ValueError, match="adapter already: detach it first"):
            attach(pipeline_of("sdxl"), adapter_of("sdxl"))
    finally:
        found.detach()


def test_attention_slicing_is_refused() -> None:
    pipeline: Any = pipeline_of("sd15")
    pipeline.enable_attention_slicing()
    with pytest.raises(ValueError, match="disable_attention_slicing"):
        attach(pipeline, adapter_of("sd15"))
    pipeline.disable_attention_slicing()


def test_other_models_are_refused() -> None:
    class Holder:
        transformer = QwenImageTransformer2DModel.__new__(QwenImageTransformer2DModel)

    with pytest.raises(ValueError, match=r"takes no relational adapter; these do: SD 1\.5"):
        denoiser_of(Holder())  # type: ignore[arg-type]


def test_lora_beside_the_adapter_is_kept_through_attaching() -> None:
    from peft import LoraConfig

    pipeline = pipeline_of("sdxl")
    unet: Any = denoiser_of(pipeline)
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_k", "to_v"], init_lora_weights=False))
    with_lora = draw("sdxl")
    found = attach(pipeline, adapter_of("sdxl"))
    found.set_strength(0)
    np.testing.assert_array_equal(draw("sdxl", **found.inputs(relations(2))), with_lora)
    found.detach()
    unet.unload_lora()
