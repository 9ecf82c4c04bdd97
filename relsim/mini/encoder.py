"""The encoder relsim-mini: embeds pictures as relations, in the text tower's space of anonymous captions."""

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
from analogen.relsim.mini.probabilities import Calibration, log_odds
from analogen.relsim.tensors import read_tensors
from analogen.relsim.text import load_text_tower

SHIPPED = Path(__file__).parent / "weights"
LOW_CONFIDENCE = 0.35  # below which a picture is taken for no relation of the catalogue
MARGIN = 0.06  # of a side, on each side, of the second view of a reference
Pictures = Sequence["Image.Image | str | Path"]
Vectors = NDArray[np.float32]


class CaptionMatch(NamedTuple):
    """A caption of the catalogue and its cosine to a relation."""

    caption: str
    relation: str
    score: float


class EncoderOutput(NamedTuple):
    """All outputs for n pictures, from one pass. known: (n,), the probability in [0, 1] that a picture shows any
    relation of the kind that the encoder was trained on; patches: (n, P, dim), the trunk's features of each patch,
    which hold counts, places and directions, or (n, 0, dim) if they were not requested."""

    relation: Vectors
    subject: Vectors
    attributes: Vectors
    structure: Vectors
    known: Vectors
    patches: Vectors

    def select(self, rows: Sequence[int]) -> EncoderOutput:
        """The outputs for these pictures alone."""
        return EncoderOutput(*(part[list(rows)] for part in self))


class MiniEncoder:
    """relsim-mini, a `RelationalEncoder`. `folder` holds config.json, model.safetensors, captions.json and
    captions.safetensors: the catalogue's captions with their embeddings, and the temperature of `confidence`."""

    name = "mini"

    def __init__(self, folder: str | Path = SHIPPED, device: str = "cpu") -> None:
        self.folder = Path(folder)
        self.device = torch.device(device)
        self.net = MiniNet.from_pretrained(self.folder).to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def encode_all(self, images: Pictures, batch_size: int = 32, patches: bool = False) -> EncoderOutput:
        """Computes all outputs in one pass. images: pictures or paths; patches: whether to return patches too."""
        size = self.net.config.image_size
        rows: list[list[Vectors]] = [[], [], [], [], [], []]
        for start in range(0, len(images), batch_size):
            stack = np.stack([square_pixels(as_rgb(image), size) for image in images[start : start + batch_size]])
            batch = torch.from_numpy(stack).permute(0, 3, 1, 2).float().div_(255)
            out = self.net(batch.to(self.device).contiguous(memory_format=torch.channels_last))
            seen = out.patches if patches else out.patches[:, :0]
            for kept, found in zip(rows, (*out[:4], out.known.sigmoid(), seen), strict=True):
                kept.append(found.float().cpu().numpy())
        config = self.net.config
        dims = (config.relation_dim, config.subject_dim, config.looks_dim, config.structure_dim)
        tokens = (size // 16) ** 2 if patches else 0
        shapes = (*((0, dim) for dim in dims), (0,), (0, tokens, config.dim))
        return EncoderOutput(
            *(np.concatenate([np.zeros(s, np.float32), *r]) for r, s in zip(rows, shapes, strict=True))
        )

    @property
    def min_px(self) -> int:
        """The length in pixels to which a decoder may reduce the longer side of a picture. The relation changes by less
        than .002 in cosine."""
        return 3 * self.net.config.image_size

    def preprocess(self, image: Image.Image) -> Image.Image:
        """A small square picture whose outputs are those of the whole one; what is read in pictures needs it twice as
        large as the network sees it."""
        factor = 2 if self.net.config.dense_dim else 1
        return Image.fromarray(square_pixels(as_rgb(image), factor * self.net.config.image_size))

    def encode_references(self, images: Pictures, batch_size: int = 32) -> EncoderOutput:
        """All outputs for pictures by others, from two views of each: as it is, and with a margin around it.

        The vectors are the means of both. `known` is their mean too, times the share in which the views agree on the
        relation: a reading that changes when a picture is framed is not sure.
        """
        whole = self.encode_all(images, batch_size)
        size = self.net.config.image_size
        framed = self.encode_all([with_margin(as_rgb(image), size) for image in images], batch_size)
        relation, subject, attributes, structure = (
            (a + b) / np.maximum(np.linalg.norm(a + b, axis=1, keepdims=True), 1e-9)
            for a, b in zip(whole[:4], framed[:4], strict=True)
        )
        shares = zip(self._shares(whole.relation), self._shares(framed.relation), strict=True)
        agreement = np.array([np.minimum(a, b).sum() for a, b in shares], np.float32)
        known = ((whole.known + framed.known) / 2 * agreement).astype(np.float32)
        return EncoderOutput(relation, subject, attributes, structure, known, whole.patches)

    def embed(self, images: Pictures, batch_size: int = 32) -> Vectors:
        return self.encode_all(images, batch_size).relation

    def embed_subject(self, images: Pictures, batch_size: int = 32) -> Vectors:
        return self.encode_all(images, batch_size).subject

    def attributes(self, images: Pictures, batch_size: int = 32) -> Vectors:
        return self.encode_all(images, batch_size).attributes

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

    def taken_for(self, relation: Vectors, confidence: float) -> Vectors:
        """What the relation (384,) of a picture is taken for: the centroid of the captions of its nearest relation.

        Below LOW_CONFIDENCE it is returned as it is. Embeddings of hard pictures lie between relations, and the
        composer would make neither of them (docs/experiments.md, 27).
        """
        if confidence < LOW_CONFIDENCE:
            return relation
        return self.centre(self.nearest_captions(relation, 1)[0].relation)

    def confidence(self, relation: Vectors, known: float) -> float:
        """The probability that the nearest caption is the picture's logic, [0, 1].

        relation: (384,); known: `EncoderOutput.known` of the picture, best of `encode_references`. It is `known` times
        the softmax share of the nearest relation in the catalogue, calibrated (see `relsim.mini.calibration`).
        """
        share = float(known) * float(self._shares(relation[None]).max())
        return share if self.calibration is None else float(self.calibration.confidence(log_odds(share)))

    def _shares(self, relation: Vectors) -> NDArray[np.float64]:
        """The softmax shares of the relations of the catalogue, (n, relations), for (n, 384)."""
        bank = self._bank
        logits = (relation @ bank.vectors.T).astype(np.float64) / bank.temperature
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        sums = np.add.reduceat(weights[:, bank.order], bank.starts, axis=1)
        return np.asarray(sums / sums.sum(axis=1, keepdims=True))

    @cached_property
    def calibration(self) -> Calibration | None:
        """What turns its outputs into probabilities; None for encoders of 0.2."""
        return Calibration.load(self.folder)

    @cached_property
    def _bank(self) -> CaptionBank:
        return CaptionBank.load(self.folder)


class CaptionBank(NamedTuple):
    """The captions of the catalogue, embedded. vectors: (captions, 384); temperature: of `confidence`."""

    captions: list[str]
    relations: list[str]
    vectors: Vectors
    temperature: float

    @classmethod
    def load(cls, folder: Path) -> CaptionBank:
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

    @property
    def order(self) -> NDArray[np.int64]:
        """The captions, those of one relation together."""
        return np.argsort(self.relations, kind="stable")

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each relation's captions begin in `order`."""
        names = np.array(self.relations)[self.order]
        return np.flatnonzero(np.r_[True, names[1:] != names[:-1]])

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        data = {k: getattr(self, k) for k in ("captions", "relations", "temperature")}
        (folder / "captions.json").write_text(json.dumps(data, indent=0) + "\n")
        save_file({"vectors": self.vectors.astype(np.float16)}, str(folder / "captions.safetensors"))


def with_margin(image: Image.Image, size: int) -> Image.Image:
    """The picture of (size, size) pixels with a margin in its mean colour."""
    inner = size - 2 * round(MARGIN * size)
    canvas = Image.new("RGB", (size, size), image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)))
    canvas.paste(Image.fromarray(square_pixels(image, inner)), ((size - inner) // 2, (size - inner) // 2))
    return canvas


def square_pixels(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """(size, size, 3): the whole picture, padded to a square with the mean colour of its border."""
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
