"""The encoder relsim-mini: pictures to relations, in the anonymous-caption space of the text tower."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.images import as_rgb
from analogen.relsim.mini.model import MiniNet
from analogen.relsim.tensors import read_tensors
from analogen.relsim.text import load_text_tower

SHIPPED = Path(__file__).parent / "weights"
Pictures = Sequence["Image.Image | str | Path"]
Vectors = NDArray[np.float32]


class CaptionMatch(NamedTuple):
    """A caption of the catalogue and its cosine to a relation."""

    caption: str
    relation: str
    score: float


class Looked(NamedTuple):
    """The four embeddings of the same pictures from one pass. known: (n,), the probability in [0, 1] that a
    picture has a logic of the kind that training knew, whichever it is; patches: (n, P, dim), what the trunk says of
    each patch, where count, places and directions live, or (n, 0, dim) where nobody asked for them."""

    relation: Vectors
    subject: Vectors
    attributes: Vectors
    structure: Vectors
    known: Vectors
    patches: Vectors

    def of(self, rows: Sequence[int]) -> Looked:
        """What it says of some of the pictures."""
        return Looked(*(part[list(rows)] for part in self))


class MiniEncoder:
    """relsim-mini. `folder` holds config.json, model.safetensors and captions.json + captions.safetensors, the
    catalogue's captions with their embeddings and what calibrates `confidence`."""

    name = "mini"

    def __init__(self, folder: str | Path = SHIPPED, device: str = "cpu") -> None:
        self.folder = Path(folder)
        self.device = torch.device(device)
        self.net = MiniNet.from_pretrained(self.folder).to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def look(self, images: Pictures, batch_size: int = 32, patches: bool = False) -> Looked:
        """All that the network says, in one pass; files are read by the checked reader. patches: keep those too."""
        size = self.net.config.image_size
        rows: list[list[Vectors]] = [[], [], [], [], [], []]
        for start in range(0, len(images), batch_size):
            stack = np.stack([_square(as_rgb(image), size) for image in images[start : start + batch_size]])
            batch = torch.from_numpy(stack).permute(0, 3, 1, 2).float().div_(255)
            out = self.net(batch.to(self.device).contiguous(memory_format=torch.channels_last))
            seen = out.patches if patches else out.patches[:, :0]
            for kept, found in zip(rows, (*out[:4], out.known.sigmoid(), seen), strict=True):
                kept.append(found.float().cpu().numpy())
        config = self.net.config
        dims = (config.relation_dim, config.subject_dim, config.looks_dim, config.structure_dim)
        tokens = (size // 16) ** 2 if patches else 0
        shapes = (*((0, dim) for dim in dims), (0,), (0, tokens, config.dim))
        return Looked(*(np.concatenate([np.zeros(s, np.float32), *r]) for r, s in zip(rows, shapes, strict=True)))

    @property
    def least_px(self) -> int:
        """The longer side that a picture may be shrunk to by its decoder, in pixels: what it costs is under .002 of
        the cosine to the relation of the whole picture."""
        return 3 * self.net.config.image_size

    def reduced(self, image: Image.Image) -> Image.Image:
        """The picture as the network sees it: `look` says the same of either, and this one is small."""
        return Image.fromarray(_square(as_rgb(image), self.net.config.image_size))

    def embed(self, images: Pictures, batch_size: int = 32) -> Vectors:
        return self.look(images, batch_size).relation

    def embed_subject(self, images: Pictures, batch_size: int = 32) -> Vectors:
        return self.look(images, batch_size).subject

    def attributes(self, images: Pictures, batch_size: int = 32) -> Vectors:
        return self.look(images, batch_size).attributes

    def embed_text(self, captions: Sequence[str]) -> Vectors:
        return load_text_tower().embed(captions)

    def similarity(self, first: Pictures, second: Pictures) -> Vectors:
        return self.embed(first) @ self.embed(second).T

    def nearest_captions(self, relation: Vectors, top_k: int = 1) -> list[CaptionMatch]:
        """The catalogue's captions nearest to one relation (384,), best first, one per relational logic."""
        return self._bank.nearest(relation, top_k)

    def centre(self, relation: str) -> Vectors:
        """The unit mean (384,) of the captions of one logic, by its id in the catalogue."""
        return self._bank.centre(relation)

    def confidence(self, relation: Vectors, known: float) -> float:
        """The probability that the nearest caption is the picture's logic, [0, 1].

        relation: (384,); known: `Looked.known` of the picture. It is `known` times the share of the nearest relation
        among all of the catalogue, a softmax whose temperature `calibrate` fitted on pictures of held-out subjects.
        """
        bank = self._bank
        logits = (bank.vectors @ relation) / bank.temperature
        weights = np.exp(logits - logits.max())
        shares: dict[str, float] = {}
        for name, weight in zip(bank.relations, weights, strict=True):
            shares[name] = shares.get(name, 0.0) + float(weight)
        return float(known) * max(shares.values()) / sum(shares.values())

    @cached_property
    def _bank(self) -> Bank:
        return Bank.load(self.folder)


class Bank(NamedTuple):
    """The catalogue in an encoder's space. vectors: (captions, 384); temperature: of `confidence`."""

    captions: list[str]
    relations: list[str]
    vectors: Vectors
    temperature: float

    @classmethod
    def load(cls, folder: Path) -> Bank:
        try:
            data: dict[str, Any] = json.loads((folder / "captions.json").read_text(encoding="utf-8"))
            vectors = read_tensors(folder / "captions.safetensors")["vectors"].numpy()
            return cls(data["captions"], data["relations"], vectors.astype(np.float32), data["temperature"])
        except (KeyError, OSError, TypeError) as error:
            raise ValueError(f"{folder}: its catalogue of captions is incomplete: fetch or save it again") from error

    def nearest(self, relation: Vectors, top_k: int = 1) -> list[CaptionMatch]:
        """The captions nearest to one relation (384,), best first, one per relational logic."""
        scores = self.vectors @ relation
        best: dict[str, CaptionMatch] = {}
        for index in np.argsort(-scores):
            name = self.relations[index]
            if name not in best:
                # The first caption of a relation is its name in the catalogue.
                best[name] = CaptionMatch(self.captions[self.relations.index(name)], name, float(scores[index]))
        return list(best.values())[:top_k]

    def centre(self, relation: str) -> Vectors:
        """The unit mean (384,) of one logic's captions."""
        mean = self.vectors[[name == relation for name in self.relations]].mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean), np.float32)

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        data = {k: getattr(self, k) for k in ("captions", "relations", "temperature")}
        (folder / "captions.json").write_text(json.dumps(data, indent=0) + "\n")
        save_file({"vectors": self.vectors.astype(np.float16)}, str(folder / "captions.safetensors"))


def _square(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """(size, size, 3): fitted whole, the rest filled with the mean colour of the border."""
    scale = size / max(image.size)
    small = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BOX
    )
    pixels = np.asarray(small)
    if pixels.shape[:2] == (size, size):
        return pixels
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    canvas = np.empty((size, size, 3), np.uint8)
    canvas[:] = border.mean(0).round().astype(np.uint8)
    top, left = (size - pixels.shape[0]) // 2, (size - pixels.shape[1]) // 2
    canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return canvas
