"""Similarity measures of published models: CLIP, DINOv2, LPIPS, DreamSim, and captions by a VLM.

Weights come from the hub, or from a folder; LPIPS and DreamSim fetch their own. A model is loaded when it is first
used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.evaluation.similarity_measures import Cosine, Rows, SimilarityMeasure, Vectors
from analogen.relsim.hub import BASE_FILES, fetch, is_hub_id
from analogen.relsim.text import quiet_transformers

# The models of the paper's comparison.
CLIP, DINO, DREAMSIM, LPIPS_NET = "openai/clip-vit-large-patch14", "facebook/dinov2-large", "ensemble", "alex"
LPIPS_PX, LPIPS_SEARCH_PX = 256, 64
Describe = Callable[[list[Image.Image]], list[str]]


def load_external_measure(
    name: str, source: str | None, device: str = "cpu", *, search: bool = False, describe: Describe | None = None
) -> SimilarityMeasure:
    """Loads one of `similarity_measures.EXTERNAL_MEASURES` by name.

    source: a folder or hub id to use instead of the paper's model; for LPIPS the net (alex, vgg, squeeze), for
    DreamSim the type of model, for qwen-t the VLM that describes the pictures, unless `describe` does.

    Raises ValueError, FileNotFoundError or ImportError with one line.
    """
    if name == "clip-i":
        return Cosine(name, Clip(source or CLIP, device).embed)
    if name == "dino":
        return Cosine(name, Dino(source or DINO, device).embed)
    if name == "lpips":
        return Lpips(source or LPIPS_NET, device, LPIPS_SEARCH_PX if search else LPIPS_PX)
    if name == "dreamsim":
        return Cosine(name, DreamSim(source or DREAMSIM, device).embed)
    if name == "clip-t":
        # The query's description against what pictures show: text to image.
        clip, words = Clip(source or CLIP, device), describe or describe_by_vlm(None, device)
        return Cosine(name, lambda images: clip.embed_text(words(images)), clip.embed)
    if name == "qwen-t":
        # Descriptions against descriptions: text to text.
        clip, words = Clip(CLIP, device), describe or describe_by_vlm(source, device)
        return Cosine(name, lambda images: clip.embed_text(words(images)))
    raise ValueError(f"unknown measure {name!r}: expected one of clip-i, clip-t, dino, lpips, dreamsim, qwen-t")


class Clip:
    """CLIP by transformers. All rows are unit vectors."""

    def __init__(self, source: str = CLIP, device: str = "cpu") -> None:
        from transformers import CLIPModel, CLIPTokenizer
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        folder = _folder(source)
        self.device = device
        with quiet_transformers():
            self.model: Any = _load(CLIPModel, folder, use_safetensors=True).to(device).eval()
            self.processor: Any = _load(CLIPImageProcessorPil, folder)
            self.tokenizer: Any = _load(CLIPTokenizer, folder)
        self.max_tokens = int(self.model.config.text_config.max_position_embeddings)

    @torch.inference_mode()
    def embed(self, images: Sequence[Image.Image]) -> Vectors:
        """(n, projection) of pictures."""
        pixels = self.processor(images=list(images), return_tensors="pt")["pixel_values"].to(self.device)
        pooled = self.model.vision_model(pixel_values=pixels).pooler_output
        return _unit(self.model.visual_projection(pooled))

    @torch.inference_mode()
    def embed_text(self, texts: Sequence[str]) -> Vectors:
        """(n, projection) of texts, cut to what CLIP takes."""
        tokens = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
        ).to(self.device)
        return _unit(self.model.text_projection(self.model.text_model(**tokens).pooler_output))


class Dino:
    """DINOv2 by transformers: the class token of the last layer, normed."""

    def __init__(self, source: str = DINO, device: str = "cpu") -> None:
        from transformers import Dinov2Model
        from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

        folder = _folder(source)
        self.device = device
        with quiet_transformers():
            self.model: Any = _load(Dinov2Model, folder, use_safetensors=True).to(device).eval()
            self.processor: Any = _load(BitImageProcessorPil, folder)

    @torch.inference_mode()
    def embed(self, images: Sequence[Image.Image]) -> Vectors:
        pixels = self.processor(images=list(images), return_tensors="pt")["pixel_values"].to(self.device)
        return _unit(self.model(pixel_values=pixels).pooler_output)


class DreamSim:
    """DreamSim by its own package, which fetches its weights to ~/.cache/dreamsim."""

    def __init__(self, kind: str = DREAMSIM, device: str = "cpu") -> None:
        library = _library("dreamsim")
        self.device = device
        cache = Path.home() / ".cache" / "dreamsim"
        cache.mkdir(parents=True, exist_ok=True)
        self.model, self.preprocess = library.dreamsim(
            pretrained=True, device=device, cache_dir=str(cache), dreamsim_type=kind
        )

    @torch.inference_mode()
    def embed(self, images: Sequence[Image.Image]) -> Vectors:
        pixels = torch.cat([self.preprocess(image) for image in images]).to(self.device)  # (n, 3, 224, 224)
        return _unit(self.model.embed(pixels).reshape(len(images), -1))


class Lpips:
    """LPIPS by its own package: a distance of two pictures of the same size, 0 for the same picture.

    A row is the picture itself, a square of size_px, (3 * size_px * size_px,) uint8.
    """

    name, symmetric, higher_is_closer = "lpips", True, False

    def __init__(self, net: str = LPIPS_NET, device: str = "cpu", size_px: int = LPIPS_PX) -> None:
        self.device, self.size_px = device, size_px
        self.model: Any = _library("lpips").LPIPS(net=net, verbose=False).to(device).eval()

    def embed_queries(self, images: list[Image.Image]) -> Rows:
        size = (self.size_px, self.size_px)
        small = [np.asarray(i.convert("RGB").resize(size, Image.Resampling.BICUBIC)) for i in images]
        return np.stack(small).transpose(0, 3, 1, 2).reshape(len(images), -1)

    embed_gallery = embed_queries

    def similarity(self, queries: Rows, gallery: Rows) -> Vectors:
        return np.stack([-self.similarity_pairwise(np.broadcast_to(row, gallery.shape), gallery) for row in queries])

    @torch.inference_mode()
    def similarity_pairwise(self, queries: Rows, gallery: Rows, batch_size: int = 64) -> Vectors:
        found = [np.zeros(0, np.float32)]
        for start in range(0, len(queries), batch_size):
            first, second = (self._pixels(side[start : start + batch_size]) for side in (queries, gallery))
            found.append(self.model(first, second).reshape(-1).float().cpu().numpy())
        return np.concatenate(found)

    def _pixels(self, rows: NDArray[np.uint8]) -> torch.Tensor:
        """(n, 3, size, size) in [-1, 1], as the package expects."""
        flat = torch.tensor(rows, device=self.device)
        return flat.reshape(-1, 3, self.size_px, self.size_px).float() / 127.5 - 1


def describe_by_vlm(source: str | None, device: str) -> Describe:
    """Descriptions by the plain Qwen2.5-VL, which is loaded when the first picture comes."""
    from analogen.relsim.evaluation.judging import AnswerCache, describe_all

    judges: list[Any] = []

    def describe(images: list[Image.Image]) -> list[str]:
        if not judges:
            from analogen.relsim.evaluation.vlm_judge import load_vlm_judge
            from analogen.relsim.vlm.adapter_loading import BASE

            judges.append(load_vlm_judge(source or BASE, device))
        return describe_all(judges[0], images, AnswerCache(None))

    return describe


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError, OSError) as error:
        # A torchvision that does not fit this torch fails in the same place, with an error of its own.
        missing = isinstance(error, ModuleNotFoundError) and error.name == name
        why = f"needs {name}" if missing else f"cannot import {name} ({' '.join(str(error).split())[:120]})"
        raise ImportError(f'this measure {why}: pip install "analogen[baselines]"') from error


def _folder(source: str) -> str:
    if Path(source).is_dir():
        return source
    if not is_hub_id(source):
        raise FileNotFoundError(f"{source!r}: no such folder and no hub id such as {CLIP}: check the name")
    return str(fetch(source, files=BASE_FILES))


def _load(kind: Any, folder: str, **settings: Any) -> Any:
    try:
        return kind.from_pretrained(folder, **settings)
    except (OSError, ValueError, KeyError, TypeError) as error:
        line = " ".join(str(error).split())[:160]
        raise ValueError(f"{folder}: cannot be loaded as {kind.__name__}: {line}") from error


def _unit(rows: torch.Tensor) -> Vectors:
    return torch.nn.functional.normalize(rows.float(), dim=-1).cpu().numpy()
