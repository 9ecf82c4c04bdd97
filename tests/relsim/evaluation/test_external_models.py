"""Promises of other people's measures: their own classes at tiny size; stand-ins where a package is not installed."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from analogen.relsim.evaluation import external_models
from analogen.relsim.evaluation.external_models import Clip, Dino, Lpips, load_external_measure
from analogen.relsim.evaluation.similarity_measures import check_measures, load_measures


def noise(seed: int, size: tuple[int, int] = (50, 40)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


IMAGES = [noise(0), noise(1, (33, 70)), noise(2)]


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random CLIP whose tokens are letters."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizerFast
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder = tmp_path_factory.mktemp("clip")
    signs = [*ascii_lowercase, *(f"{letter}</w>" for letter in ascii_lowercase), "<|startoftext|>", "<|endoftext|>"]
    CLIPTokenizerFast(vocab={sign: i for i, sign in enumerate(signs)}, merges=[]).save_pretrained(folder)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": len(signs) - 2, "eos_token_id": len(signs) - 1}
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={**sizes, **ends, "vocab_size": len(signs), "max_position_embeddings": 16},
        vision_config={**sizes, "image_size": 32, "patch_size": 8},
        projection_dim=24,
    )
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def dino_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import Dinov2Config, Dinov2Model
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    folder = tmp_path_factory.mktemp("dino")
    torch.manual_seed(0)
    config = Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=14)
    Dinov2Model(config).save_pretrained(folder)
    BitImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}).save_pretrained(folder)
    return folder


def test_clip_rows_are_those_of_its_own_call(clip_folder: Path) -> None:
    clip = Clip(str(clip_folder))
    rows = clip.embed(IMAGES)
    assert rows.shape == (3, 24)
    pixels = clip.processor(images=IMAGES, return_tensors="pt")
    with torch.inference_mode():
        own = clip.model.get_image_features(**pixels).pooler_output
        words = clip.model.get_text_features(**clip.tokenizer(["a ring"], return_tensors="pt")).pooler_output
    np.testing.assert_allclose(rows, torch.nn.functional.normalize(own, dim=-1), atol=1e-5)
    np.testing.assert_allclose(clip.embed_text(["a ring"]), torch.nn.functional.normalize(words, dim=-1), atol=1e-5)


def test_clip_row_does_not_depend_on_the_rows_beside_it(clip_folder: Path) -> None:
    clip = Clip(str(clip_folder))
    np.testing.assert_allclose(clip.embed(IMAGES)[1:2], clip.embed(IMAGES[1:2]), atol=1e-5)
    texts = ["ring", "a very long text that is cut to what the model takes"]
    np.testing.assert_allclose(clip.embed_text(texts)[:1], clip.embed_text(texts[:1]), atol=1e-5)


def test_dino_rows_are_the_pooled_class_tokens(dino_folder: Path) -> None:
    dino = Dino(str(dino_folder))
    rows = dino.embed(IMAGES)
    with torch.inference_mode():
        hidden = dino.model(**dino.processor(images=IMAGES, return_tensors="pt")).last_hidden_state
    np.testing.assert_allclose(rows, torch.nn.functional.normalize(hidden[:, 0], dim=-1), atol=1e-5)


def test_named_measures_load_from_a_folder(clip_folder: Path, dino_folder: Path) -> None:
    measures = load_measures((f"clip-i={clip_folder}", f"dino={dino_folder}"))
    assert [measure.name for measure in measures] == ["clip-i", "dino"]
    for measure in measures:
        rows = measure.embed_queries(IMAGES)
        assert measure.similarity_pairwise(rows, rows) == pytest.approx([1, 1, 1], abs=1e-5)


def test_clip_t_compares_text_with_images_and_qwen_t_text_with_text(
    clip_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_models, "CLIP", str(clip_folder))

    def describe(images: list[Image.Image]) -> list[str]:
        return [f"a picture of width {'abc'[image.width % 3]}" for image in images]

    clip = Clip(str(clip_folder))
    across, within = (load_external_measure(name, None, describe=describe) for name in ("clip-t", "qwen-t"))
    words = clip.embed_text(describe(IMAGES))
    assert (across.symmetric, within.symmetric) == (False, True)
    np.testing.assert_allclose(across.embed_queries(IMAGES), words, atol=1e-5)
    np.testing.assert_allclose(across.embed_gallery(IMAGES), clip.embed(IMAGES), atol=1e-5)
    np.testing.assert_allclose(within.embed_gallery(IMAGES), words, atol=1e-5)
    assert within.similarity_pairwise(
        within.embed_queries(IMAGES[:1]), within.embed_gallery(IMAGES[2:])
    ) == pytest.approx([1], abs=1e-5)


def test_qwen_describes_through_the_vlm(
    clip_folder: Path, tiny_vlm_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analogen.relsim.evaluation import judging

    monkeypatch.setattr(external_models, "CLIP", str(clip_folder))
    # A random model may say nothing at all.
    monkeypatch.setattr(judging, "read_description", lambda answer: answer or "nothing")
    measure = load_external_measure("qwen-t", str(tiny_vlm_folder))
    assert measure.embed_queries(IMAGES[:2]).shape == (2, 24)


class FakeLpips(torch.nn.Module):
    """The package's call: pictures in [-1, 1] of one size -> (n, 1, 1, 1)."""

    def __init__(self, net: str, verbose: bool) -> None:
        super().__init__()
        assert (net, verbose) == ("alex", False)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        assert first.shape == second.shape
        assert -1 <= float(first.min()) < float(first.max()) <= 1
        return (first - second).abs().mean(dim=(1, 2, 3), keepdim=True)


@pytest.fixture
def fake_lpips(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("lpips")
    module.LPIPS = FakeLpips
    monkeypatch.setitem(sys.modules, "lpips", module)


def test_lpips_is_a_distance_between_pictures_of_any_size(fake_lpips: None) -> None:
    lpips = Lpips(size_px=32)
    rows = lpips.embed_queries(IMAGES)
    assert lpips.similarity_pairwise(rows, rows) == pytest.approx([0, 0, 0])
    apart = lpips.similarity_pairwise(rows, rows[[1, 2, 0]], batch_size=2)
    assert (apart > 0).all()
    table = lpips.similarity(rows, rows)
    assert table.argmax(axis=1).tolist() == [0, 1, 2]
    assert -table[[0, 1, 2], [1, 2, 0]] == pytest.approx(apart)


def test_lpips_is_small_where_everything_is_compared_with_everything(fake_lpips: None) -> None:
    (search,), (pairs,) = (load_measures(("lpips",), search=flag) for flag in (True, False))
    assert isinstance(search, Lpips)
    assert isinstance(pairs, Lpips)
    assert (search.size_px, pairs.size_px) == (64, 256)


def test_dreamsim_is_called_as_its_package_wants(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Model:
        def embed(self, pixels: torch.Tensor) -> torch.Tensor:
            assert pixels.shape[1:] == (3, 224, 224)
            return pixels.mean(dim=(2, 3)).squeeze()  # as the package does: a batch of one loses its first axis

    def dreamsim(pretrained: bool, device: str, cache_dir: str, dreamsim_type: str) -> tuple[Model, Any]:
        assert (pretrained, dreamsim_type) == (True, "ensemble")
        assert Path(cache_dir).is_relative_to(Path.home())

        def preprocess(image: Image.Image) -> torch.Tensor:
            small = torch.from_numpy(np.array(image.resize((224, 224)))).permute(2, 0, 1)
            return small.unsqueeze(0) / 255

        return Model(), preprocess

    module: Any = types.ModuleType("dreamsim")
    module.dreamsim = dreamsim
    monkeypatch.setitem(sys.modules, "dreamsim", module)
    (measure,) = load_measures(("dreamsim",))
    rows = measure.embed_queries(IMAGES)
    assert rows.shape == (3, 3)
    np.testing.assert_allclose(measure.embed_queries(IMAGES[:1]), rows[:1], atol=1e-5)


@pytest.mark.parametrize("name", ["lpips", "dreamsim"])
def test_missing_extra_is_one_clear_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r'pip install "analogen\[baselines\]"'):
        check_measures((name,))
    monkeypatch.setitem(sys.modules, name, None)  # installed, but its torchvision does not fit
    with pytest.raises(ImportError, match=rf"{name}.*analogen\[baselines\]") as caught:
        load_external_measure(name, None)
    assert "\n" not in str(caught.value)


def test_wrong_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder and no hub id"):
        load_external_measure("clip-i", str(tmp_path / "absent"))
    with pytest.raises(ValueError, match="cannot be loaded as CLIPModel"):
        load_external_measure("clip-i", str(tmp_path))
