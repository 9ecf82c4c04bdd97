"""Training data of adapters: rows of a corpus, the relations that each may be conditioned on, and a cache on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from safetensors.torch import load_file, save_file
from torch import Tensor

from analogen.pipelines.diffusion.image_spec import ImageSpec
from analogen.pipelines.diffusion.loading import LoadedPipeline
from analogen.pipelines.diffusion.sampler import DiffusionSampler
from analogen.relsim.data.corpus import Corpus, Entry
from analogen.relsim.encoder import load_encoder
from analogen.relsim.english import with_article
from analogen.relsim.text import TEXT_DIM, load_text_tower

SHARD = 256  # rows or prompts in a file of the cache
TRIES = 16  # draws of another picture of the same logic, before a caption is used
Vectors = NDArray[np.float32]


def open_corpus(data: str | Path) -> Corpus:
    """An index of `analogen corpus`, or a folder of `analogen world` whose pictures are read here.

    Raises ValueError or FileNotFoundError with one line.
    """
    path = Path(data)
    if path.is_dir():
        if not (path / "data.jsonl").is_file():
            raise FileNotFoundError(
                f"{path}: has no data.jsonl: give a folder of `analogen world`, or an index of `analogen corpus`"
            )
        return Corpus.build(path / "data.jsonl", path)
    return Corpus.load(path)


def prompt_of(entry: Entry) -> str:
    """The text prompt of a row: its own prompt, else its subject, else nothing. Never its caption, whose logic has to
    come from the adapter."""
    return entry.prompt or (with_article(entry.subject) if entry.subject else "")


class Condition(NamedTuple):
    """The relation that a row is conditioned on. row: of the picture that it was read from, None for a caption."""

    relation: Vectors
    row: int | None


class Conditions:
    """The relations that a row may be conditioned on, none of them from its own picture.

    captions: (captions, 384), the embeddings of the distinct captions; caption_of: (n,) which of them is a row's.
    pictures: (n, 384), the relations of the pictures, or None: captions alone. share: how many of the conditions are
    pictures. near: how like (cosine) two captions are whose pictures are taken to share a logic, beyond the groups.
    """

    def __init__(
        self, corpus: Corpus, captions: Vectors, caption_of: NDArray[np.int64], pictures: Vectors | None,
        share: float, near: float,
    ) -> None:  # fmt: skip
        self.entries, self.captions, self.caption_of = corpus.entries, captions, caption_of
        self.pictures, self.share = pictures, share
        self.members = [np.array(rows, np.int64) for rows in corpus.members()]
        self.group_of = np.zeros(len(self.entries), np.int64)
        for number, rows in enumerate(self.members):
            self.group_of[rows] = number
        self._near: dict[int, NDArray[np.int64]] = {}
        self._threshold = near

    def choose(self, row: int, rng: np.random.Generator) -> Condition:
        """Draws another picture of the same logic, or the row's caption."""
        if self.pictures is not None and rng.random() < self.share:
            other = self.other_picture(row, rng)
            if other is not None:
                return Condition(self.pictures[other], other)
        return Condition(self.captions[self.caption_of[row]], None)

    def other_picture(self, row: int, rng: np.random.Generator) -> int | None:
        """Draws the row of a picture with the same logic and another subject; None if there is none."""
        for rows in (self.members[self.group_of[row]], self._neighbours(row)):
            for other in rng.choice(rows, min(TRIES, len(rows)), replace=False).tolist() if len(rows) else ():
                if self._can_replace(other, row):
                    return int(other)
        return None

    def _can_replace(self, other: int, row: int) -> bool:
        theirs, own = self.entries[other], self.entries[row]
        if other == row or theirs.stored == own.stored:
            return False
        return not own.subject or theirs.subject != own.subject

    def _neighbours(self, row: int) -> NDArray[np.int64]:
        """Rows of other groups whose captions say nearly the same."""
        caption = int(self.caption_of[row])
        if caption not in self._near:
            similarity = self.captions @ self.captions[caption]
            similarity[caption] = -1
            found = np.argsort(-similarity)[:8]
            found = found[similarity[found] >= self._threshold]
            self._near[caption] = np.flatnonzero(np.isin(self.caption_of, found))
        near = self._near[caption]
        return near[self.group_of[near] != self.group_of[row]]


class Batch(NamedTuple):
    """latents: (B, ...) scaled; words: arguments of the denoiser's call by name."""

    latents: Tensor
    words: dict[str, Any]


class Cache:
    """Latents, embedded prompts and relations of a corpus, computed once by the frozen models and kept on disk.

    Files of SHARD rows appear whole, so that an interrupted run continues with the next one. `fill` computes what is
    missing; several processes share the work by (number, of), and all must have finished before anything is read.
    """

    def __init__(self, corpus: Corpus, folder: Path, facts: dict[str, Any]) -> None:
        self.corpus = corpus
        mark = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = folder / f"cache-{mark}"  # other facts, other numbers
        self.prompts = sorted({"", *(prompt_of(entry) for entry in corpus.entries)})
        self._number = {prompt: number for number, prompt in enumerate(self.prompts)}
        self._latents: dict[int, NDArray[np.float16]] = {}
        self._words: dict[int, dict[str, Tensor]] = {}

    def fill(
        self, sampler: DiffusionSampler, size: int, share: tuple[int, int], progress: Callable[[str], None]
    ) -> None:
        """Latents are those of the picture's centre square at size x size, the mean of what the autoencoder gives."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in self._own_shards(len(self.prompts), share):
            path = self.folder / f"words-{number:05d}.safetensors"
            if not path.is_file():
                prompts = self.prompts[number * SHARD : (number + 1) * SHARD]
                _write(path, embed_prompts(sampler, prompts, size))
                progress(f"prompts: {number * SHARD + len(prompts)} of {len(self.prompts)}")
        for number in self._own_shards(len(self.corpus), share):
            path = self.folder / f"latents-{number:05d}.npy"
            if not path.is_file():
                entries = self.corpus.entries[number * SHARD : (number + 1) * SHARD]
                found = encode_pictures(sampler.loaded, [entry.stored.read().image for entry in entries], size)
                temporary = path.with_suffix(".tmp")
                with temporary.open("wb") as file:
                    np.save(file, found.half().numpy())
                temporary.replace(path)
                progress(f"pictures: {number * SHARD + len(entries)} of {len(self.corpus)}")

    def relations(self, encoder: str, device: str) -> Vectors:
        """(n, 384) of the pictures, by the encoder; made in one process while the others wait."""
        path = self.folder / "relations.npy"
        if not path.is_file():
            model = load_encoder(encoder, device)
            parts = [np.zeros((0, TEXT_DIM), np.float32)]
            for start in range(0, len(self.corpus), SHARD):
                entries = self.corpus.entries[start : start + SHARD]
                parts.append(model.embed([entry.stored.read().image for entry in entries]))
            temporary = path.with_suffix(".tmp")
            with temporary.open("wb") as file:
                np.save(file, np.concatenate(parts).astype(np.float32))
            temporary.replace(path)
        found: Vectors = np.load(path)
        return found

    def latents(self, rows: Sequence[int]) -> Tensor:
        """(rows, ...) fp32."""
        parts = []
        for row in rows:
            number, place = divmod(int(row), SHARD)
            if number not in self._latents:
                self._latents[number] = np.load(self.folder / f"latents-{number:05d}.npy", mmap_mode="r")
            parts.append(torch.from_numpy(self._latents[number][place].astype(np.float32)))
        return torch.stack(parts)

    def prompt_embeddings(self, prompt: str) -> dict[str, Tensor | str]:
        """As `DiffusionSampler.encode_prompts` gives them for one row."""
        number, place = divmod(self._number[prompt], SHARD)
        if number not in self._words:
            self._words[number] = load_file(str(self.folder / f"words-{number:05d}.safetensors"))
        held = self._words[number]
        lengths = {name: int(held[f"length.{name}"][place]) for name in held if f"length.{name}" in held}
        return {
            name: value[place : place + 1, : lengths[name]] if name in lengths else value[place : place + 1]
            for name, value in held.items()
            if not name.startswith("length.")
        }

    def _own_shards(self, count: int, share: tuple[int, int]) -> Iterator[int]:
        number, of = share
        return iter(range(number, -(-count // SHARD), of))


def embed_captions(corpus: Corpus) -> tuple[Vectors, NDArray[np.int64]]:
    """(captions, 384) of the distinct captions, and (n,) which of them is a row's."""
    distinct = {caption: number for number, caption in enumerate(dict.fromkeys(corpus.captions))}
    return load_text_tower().embed(list(distinct)), np.array([distinct[c] for c in corpus.captions], np.int64)


def embed_prompts(sampler: DiffusionSampler, prompts: Sequence[str], size: int) -> dict[str, Tensor]:
    """The prompts' embeddings by the name that the pipeline gives them, each (prompts, ...), sequences filled up with
    zeros; `length.NAME` says how long they were."""
    rows = [ImageSpec(prompt, 0, size, size) for prompt in prompts]
    with torch.inference_mode():
        found = sampler.encode_prompts(sampler.loaded.pipeline, rows, 0.0)
    columns: dict[str, Tensor] = {}
    for name in found[0]:
        values = [found[row][name] for row in range(len(rows))]
        tensors = [value.cpu() for value in values if isinstance(value, Tensor)]
        if len(tensors) != len(values):
            raise ValueError(
                f"{sampler.kind.title} embeds its prompts inside its call: adapters cannot be trained on it"
            )
        if tensors[0].ndim > 2:
            lengths = torch.tensor([tensor.shape[1] for tensor in tensors])
            longest = int(lengths.max())
            if int(lengths.min()) < longest:
                columns[f"length.{name}"] = lengths
            tensors = [torch.cat([t, t.new_zeros(1, longest - t.shape[1], *t.shape[2:])], 1) for t in tensors]
        columns[name] = torch.cat(tensors).contiguous()
    return columns


@torch.inference_mode()
def encode_pictures(loaded: LoadedPipeline, pictures: Sequence[Image.Image], size: int, batch_size: int = 8) -> Tensor:
    """(n, channels, h, w) fp32 on the CPU, scaled as the denoiser wants them. In fp32: some autoencoders overflow in
    less."""
    vae = loaded.pipeline.vae
    before = vae.dtype
    if before != torch.float32:
        vae.to(torch.float32)
    parts = []
    for start in range(0, len(pictures), batch_size):
        fitted = [
            np.asarray(ImageOps.fit(picture.convert("RGB"), (size, size), Image.Resampling.LANCZOS))
            for picture in pictures[start : start + batch_size]
        ]
        pixels = torch.from_numpy(np.stack(fitted)).permute(0, 3, 1, 2).float() / 127.5 - 1
        found = vae.encode(pixels.to(loaded.placement.device)).latent_dist.mode()
        parts.append(((found - (vae.config.shift_factor or 0.0)) * vae.config.scaling_factor).cpu())
    if before != torch.float32:
        vae.to(before)
    return torch.cat(parts)


def _write(path: Path, tensors: dict[str, Tensor]) -> None:
    temporary = path.with_suffix(".tmp")
    save_file(tensors, str(temporary))
    temporary.replace(path)
