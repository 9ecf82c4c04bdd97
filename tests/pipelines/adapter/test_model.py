"""Promises of the relational adapter as a file, and of its shapes at the full size of published models."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_families import MODELS, adapter_of, pipeline_of

from analogen.pipelines.adapter.attach import AdapterModules, attach, denoiser_of
from analogen.pipelines.adapter.families import FAMILIES
from analogen.pipelines.adapter.model import (
    CONFIG,
    WEIGHTS,
    RelationalAdapter,
    build_adapter,
    load_adapter,
    parameter_counts,
    save_adapter,
)
from analogen.pipelines.diffusion.full_size import meta_denoiser


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_adapter(adapter_of("sd15"), tmp_path / "adapter")
    return tmp_path / "adapter"


def assert_equal(first: RelationalAdapter, second: RelationalAdapter) -> None:
    assert first.config == second.config
    assert first.weights.keys() == second.weights.keys()
    for part, weights in first.weights.items():
        assert weights.keys() == second.weights[part].keys()
        for name, value in weights.items():
            assert torch.equal(value, second.weights[part][name]), name


@pytest.mark.parametrize("model", MODELS)
def test_saved_adapter_loads_as_it_was(model: str, tmp_path: Path) -> None:
    save_adapter(adapter_of(model), tmp_path / "a")
    assert_equal(load_adapter(tmp_path / "a"), adapter_of(model))


@pytest.mark.parametrize("model", MODELS)
def test_weights_come_out_of_a_model_as_they_went_in(model: str) -> None:
    modules = AdapterModules(denoiser_of(pipeline_of(model)), adapter_of(model))
    try:
        assert_equal(modules.adapter(), adapter_of(model))
    finally:
        modules.remove()


def test_file_is_an_ip_adapter_with_a_description_beside_it(saved: Path) -> None:
    names = load_file(saved / WEIGHTS).keys()
    assert {name.split(".")[0] for name in names} == {"image_proj", "ip_adapter"}
    described = json.loads((saved / CONFIG).read_text())
    assert described["kind"] == "relational-adapter"
    assert (described["tokens"], described["relation_dim"], described["encoder"]) == (4, 384, "mini")


def test_file_of_any_number_of_tokens_loads_in_stock_diffusers(tmp_path: Path) -> None:
    pipeline: Any = pipeline_of("sdxl")
    save_adapter(build_adapter(pipeline.unet, tokens=5), tmp_path / "a")
    pipeline.load_ip_adapter(str(tmp_path / "a"), subfolder="", weight_name=WEIGHTS, image_encoder_folder=None)
    tokens = pipeline.unet.encoder_hid_proj([torch.zeros(2, 1, 384)])
    pipeline.unload_ip_adapter()
    assert tokens[0].shape == (2, 1, 5, 64)


@pytest.mark.parametrize("model", MODELS)
def test_fresh_adapter_hangs_on_the_seed_alone(model: str) -> None:
    denoiser = denoiser_of(pipeline_of(model))
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = build_adapter(denoiser, width=64 if model == "sd35" else None, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert_equal(first, build_adapter(denoiser, width=64 if model == "sd35" else None, seed=3))


def test_fresh_unet_adapter_starts_from_the_texts_own_keys_and_values() -> None:
    unet: Any = denoiser_of(pipeline_of("sd15"))
    weights = build_adapter(unet).weights["ip_adapter"]
    attention = unet.down_blocks[0].attentions[0].transformer_blocks[0].attn2
    assert torch.equal(weights["1.to_k_ip.weight"], attention.to_k.weight)
    assert torch.equal(weights["1.to_v_ip.weight"], attention.to_v.weight)


def _write_config(**changes: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text()) | changes
        (folder / CONFIG).write_text(json.dumps(config))

    return spoil


def _only_a_pickle(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    torch.save({"image_proj": {}}, folder / "ip_adapter.bin")


def _other_width(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["image_proj.proj.0.weight"] = torch.zeros(1024, 1024)
    save_file(tensors, folder / WEIGHTS)


SPOILED: dict[str, tuple[Callable[[Path], None], str]] = {
    "unknown kind": (_write_config(kind="face-adapter"), "kind is 'face-adapter', expected 'relational-adapter'"),
    "LoRA": (_write_config(kind=None, peft_type="LORA"), "is of a LoRA"),
    "newer format": (_write_config(format=9), "format 9 is not one that this version reads"),
    "unknown family": (_write_config(family="video"), "family is 'video': expected one of unet, sd3, flux"),
    "other dims": (_write_config(relation_dim=768), "relation_dim is 768: relations have 384"),
    "bad tokens": (_write_config(tokens="4"), "tokens is '4': expected int"),
    "no description": (lambda folder: (folder / CONFIG).unlink(), "an IP-Adapter for looks is loaded by diffusers"),
    "damaged description": (lambda folder: (folder / CONFIG).write_text("{"), "is damaged"),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), "has no ip_adapter.safetensors: fetch it again"),
    "cut weights": (lambda folder: (folder / WEIGHTS).write_bytes(b"\x00" * 40), "is damaged"),
    "pickle": (_only_a_pickle, "holds a pickle, .* was not opened: save the adapter as safetensors"),
    "weights for CLIP": (_other_width, "takes embeddings of 1024 numbers, a relation has 384"),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_what_is_no_adapter_is_refused_in_one_line(kind: str, saved: Path) -> None:
    spoil, match = SPOILED[kind]
    spoil(saved)
    with pytest.raises((ValueError, FileNotFoundError), match=match) as caught:
        load_adapter(saved)
    assert "\n" not in str(caught.value)


def test_files_and_missing_folders_are_refused(saved: Path) -> None:
    with pytest.raises(ValueError, match="is a file: give the folder"):
        load_adapter(saved / WEIGHTS)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load_adapter(saved / "absent")
    with pytest.raises(ValueError, match="holds a pickle"):
        load_adapter(saved / "ip_adapter.bin")


def test_adapter_of_another_base_is_refused() -> None:
    with pytest.raises(ValueError, match=r"for SD 1\.5.*family unet.*the model is a FluxTransformer2DModel"):
        attach(pipeline_of("flux"), adapter_of("sd15"))
    adapter = adapter_of("sd15")
    named = RelationalAdapter(dataclasses.replace(adapter.config, base_model="org/small"), adapter.weights)
    with pytest.raises(ValueError, match=r"is for org/small, and not for this model: .* is \(.*\), the model needs"):
        attach(pipeline_of("sdxl"), named)


def test_namesake_of_the_same_shape_is_told(caplog: pytest.LogCaptureFixture) -> None:
    pipeline: Any = pipeline_of("sd15")
    adapter = adapter_of("sd15")
    named = RelationalAdapter(dataclasses.replace(adapter.config, base_model="org/base"), adapter.weights)
    pipeline.register_to_config(_name_or_path="other/tune")
    attach(pipeline, named).detach()
    assert "trained on org/base, the model is other/tune" in caplog.text
    caplog.clear()
    pipeline.register_to_config(_name_or_path="mirror/base")
    attach(pipeline, named).detach()
    assert not caplog.text


@pytest.mark.parametrize(
    ("model", "sizes", "match"),
    [
        ("sd15", {"width": 500}, "width is 500: expected a multiple of 384"),
        ("sd35", {"width": 100}, "width is 100: expected a multiple of 64"),
        ("flux", {"tokens": 8}, "tokens is 8: expected 4, which diffusers' loader knows"),
        ("sd15", {"tokens": 0}, "expected 1 or more"),
    ],
)
def test_sizes_that_the_format_cannot_hold_are_refused(model: str, sizes: dict[str, int], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        build_adapter(denoiser_of(pipeline_of(model)), **sizes)


def test_existing_folder_is_not_overwritten(saved: Path) -> None:
    with pytest.raises(ValueError, match="not an empty folder"):
        save_adapter(adapter_of("sd15"), saved)


def test_every_family_says_what_it_covers() -> None:
    assert [family.name for family in FAMILIES.values()] == list(FAMILIES)
    assert all(family.covers for family in FAMILIES.values())


# Of the published models: parameters of the denoiser, of the projection, and of the keys and values at its sites.
COUNTS = {
    "sd15": (859_520_964, 9_746_688, 19_169_280, 16),
    "sdxl": (2_567_463_684, 25_498_368, 340_787_200, 70),
    "sd35-medium": (2_243_171_520, 109_443_328, 320_198_592, 37),
    "sd35": (8_056_627_520, 110_592_896, 686_288_512, 38),
    "flux": (11_901_408_320, 6_316_032, 478_267_392, 19),
}


@pytest.mark.parametrize("model", COUNTS)
def test_adapter_fits_the_published_model_at_full_size(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attached and called on the meta device: nothing is computed, but every shape must agree."""
    denoiser: Any = meta_denoiser(model)
    counts = parameter_counts(denoiser)
    adapter = build_adapter(denoiser)
    modules = AdapterModules(denoiser, adapter)
    assert (counts["base"], counts["image_proj"], counts["ip_adapter"], len(modules.names)) == COUNTS[model]
    relation, config = torch.empty(2, 1, 384, device="meta"), denoiser.config

    def empty(*shape: int) -> torch.Tensor:
        return torch.empty(*shape, device="meta")

    if modules.family.name == "unet":
        more = {"text_embeds": empty(2, 1280), "time_ids": empty(2, 6)} if model == "sdxl" else {}
        text = empty(2, 77, config.cross_attention_dim)
        given = {"image_embeds": [relation], **more}
        found = denoiser(empty(2, 4, 64, 64), empty(2), text, added_cond_kwargs=given, return_dict=False)[0]
        assert found.shape == (2, 4, 64, 64)
    elif modules.family.name == "sd3":
        attend = torch.nn.functional.scaled_dot_product_attention

        def laid_out(*parts: torch.Tensor, **options: Any) -> torch.Tensor:
            """As on real devices, heads inside: diffusers takes a view of it."""
            return attend(*parts, **options).transpose(1, 2).contiguous().transpose(1, 2)

        monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", laid_out)
        text, pooled = empty(2, 20, 4096), empty(2, 2048)
        given = {"ip_adapter_image_embeds": relation}
        found = denoiser(empty(2, 16, 64, 64), text, pooled, empty(2), joint_attention_kwargs=given)[0]
        assert found.shape == (2, 16, 64, 64)
    else:
        found = denoiser(
            empty(2, 64, 64), empty(2, 20, 4096), empty(2, 768), empty(2), empty(64, 3), empty(20, 3), empty(2),
            {"ip_adapter_image_embeds": [relation]},
        )[0]  # fmt: skip
        assert found.shape == (2, 64, 64)


def test_published_models_without_a_loader_are_refused_and_counted() -> None:
    qwen = meta_denoiser("qwen-edit")
    assert sum(parameter.numel() for parameter in qwen.parameters()) == 20_430_401_088
    with pytest.raises(ValueError, match="QwenImageTransformer2DModel takes no relational adapter"):
        parameter_counts(qwen)
    with pytest.raises(ValueError, match="no shapes of 'dalle'"):
        meta_denoiser("dalle")
