"""The paper's relational encoder on Qwen2.5-VL: the last hidden state at a query token, through one linear layer.

encoder = load_qwen("checkpoint", device="cuda")
relations = encoder.embed(["a.png", "b.png"])          # (2, 384)
found = encoder.embed_files(Path("photos").iterdir())  # thousands, bad ones listed
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from analogen.relsim.data.batching import run_all
from analogen.relsim.text import load_text_tower
from analogen.relsim.vlm.checkpoint import Checkpoint, read_checkpoint
from analogen.relsim.vlm.loading import load_vlm
from analogen.relsim.vlm.model import Pixels, UserMessage, Vlm
from analogen.relsim.vlm.preprocessing import Pictures, Preprocessing, check_preprocessing, load_pixels

Vectors = NDArray[np.float32]
Row = TypeVar("Row")

SUBJECT_QUESTION = "Name the main thing that this picture shows, in one to four words, without a sentence."


class RefusedFile(NamedTuple):
    """A file that could not be embedded, and the reason in one line."""

    path: str
    reason: str


class EmbeddedFiles(NamedTuple):
    """Vectors (n, 384), one row for each of `paths`, and the files that could not be embedded."""

    vectors: Vectors
    paths: list[str]
    refused: list[RefusedFile]


class QwenEncoder:
    """A RelationalEncoder: `vlm` with the adapter and the projection of a checkpoint."""

    def __init__(
        self,
        vlm: Vlm,
        checkpoint: Checkpoint,
        adapter: str = "encoder",
        preprocessing: Preprocessing | None = None,
        name: str = "",
    ) -> None:
        """preprocessing: None takes the square that the checkpoint was trained on. Raises ValueError if checkpoint,
        base model and preprocessing do not fit together."""
        self.vlm, self.adapter, self.name = vlm, adapter, name or checkpoint.base_model
        self.preprocessing = check_preprocessing(preprocessing or Preprocessing(size=checkpoint.image_size), vlm)
        if checkpoint.hidden_size != vlm.hidden_size:
            raise ValueError(
                f"the projection takes {checkpoint.hidden_size} numbers and {vlm.name} has {vlm.hidden_size}: "
                "it was trained on another base model"
            )
        if adapter not in vlm.adapters:
            vlm.add_adapter(adapter, checkpoint.adapter_config, checkpoint.adapter, checkpoint.processor_folder)
        self.query_token, self.query_token_id = checkpoint.query_token, checkpoint.query_token_id
        self.relation_dim = checkpoint.relation_dim
        # In fp32 on purpose: the head is tiny, and rounding it would cost more than it saves.
        self._weight = checkpoint.projection_weight.float().to(vlm.device)
        self._bias = checkpoint.projection_bias.float().to(vlm.device)

    def embed(self, images: Pictures, batch_size: int = 16, progress: bool = False) -> Vectors:
        """(n, 384). Raises ValueError or FileNotFoundError for the first picture that cannot be read, MemoryError
        for one that does not fit in memory even alone."""
        return self._all(images, self._relations, self.relation_dim, batch_size, progress)

    def embed_files(
        self, paths: Iterable[str | Path], batch_size: int = 16, workers: int | None = None, progress: bool = True
    ) -> EmbeddedFiles:
        """Embeds many files, in the order given. Files that cannot be read are listed with the reason.

        Files are decoded ahead by `workers` threads, and a batch is halved when memory runs out.
        """
        files = [str(path) for path in paths]
        refused: dict[int, str] = {}
        rows: dict[int, Vectors] = {}
        for pairs in self._run(files, self._relations, batch_size, refused.__setitem__, progress, workers):
            rows.update(pairs)
        kept = sorted(rows)
        table = np.stack([rows[i] for i in kept]) if kept else np.zeros((0, self.relation_dim), np.float32)
        return EmbeddedFiles(
            table, [files[i] for i in kept], [RefusedFile(files[i], refused[i]) for i in sorted(refused)]
        )

    def embed_text(self, captions: Sequence[str]) -> Vectors:
        return load_text_tower().embed(captions)

    def embed_subject(self, images: Pictures, batch_size: int = 16) -> Vectors:
        """(n, 384): the base model names what is shown, and the text tower embeds the name."""
        names = self.name_subjects(images, batch_size)
        return load_text_tower().embed(names)

    def name_subjects(self, images: Pictures, batch_size: int = 16) -> list[str]:
        """Names what each picture shows in a few words, by the base model."""
        names = [""] * len(images)
        for pairs in self._run(images, self._names, batch_size):
            for index, name in pairs:
                names[index] = name
        return names

    def attributes(self, images: Pictures, batch_size: int = 16) -> Vectors:
        """(n, hidden): the mean of the vision tower's patches, which adapters do not change: looks and things shown."""
        return self._all(images, self._attributes, self.vlm.hidden_size, batch_size)

    def similarity(self, first: Pictures, second: Pictures) -> Vectors:
        return self.embed(first) @ self.embed(second).T

    # One batch of pictures -> one row each

    @torch.inference_mode()
    def _relations(self, pictures: list[Pixels]) -> list[Vectors]:
        with self.vlm.using_adapter(self.adapter):
            messages = [UserMessage([pixels], self.query_token) for pixels in pictures]
            hidden = self.vlm.last_hidden(self.vlm.inputs(messages, cut_after=self.query_token_id))  # (B, hidden)
        return _unit(F.linear(hidden.float(), self._weight.to(hidden.device), self._bias.to(hidden.device)))

    @torch.inference_mode()
    def _attributes(self, pictures: list[Pixels]) -> list[Vectors]:
        features = self.vlm.image_features(pictures)
        return _unit(torch.stack([patches.float().mean(0) for patches in features]))

    def _names(self, pictures: list[Pixels]) -> list[str]:
        with self.vlm.using_adapter(None):
            inputs = self.vlm.inputs([UserMessage([pixels], SUBJECT_QUESTION) for pixels in pictures])
            answers = self.vlm.generate(inputs, max_new_tokens=16)
        # A model may answer nothing at all, and the text tower embeds no empty name.
        return [" ".join(answer.strip(" .\n").split()) or "thing" for answer in answers]

    # All pictures -> batches

    def _all(
        self,
        images: Pictures,
        run: Callable[[list[Pixels]], list[Vectors]],
        dim: int,
        batch_size: int,
        progress: bool = False,
    ) -> Vectors:
        table = np.zeros((len(images), dim), np.float32)
        for pairs in self._run(images, run, batch_size, progress=progress):
            for index, vector in pairs:
                table[index] = vector
        return table

    def _run(
        self,
        images: Pictures,
        run: Callable[[list[Pixels]], Sequence[Row]],
        batch_size: int,
        on_refused: Callable[[int, str], None] | None = None,
        progress: bool = False,
        workers: int | None = None,
    ) -> Iterator[list[tuple[int, Row]]]:
        load = partial(load_pixels, preprocessing=self.preprocessing, unit=self.vlm.side_unit)
        return run_all(images, load, run, batch_size, on_refused, progress, workers)


def _unit(vectors: Tensor) -> list[Vectors]:
    return list(F.normalize(vectors, dim=-1).cpu().numpy())


def load_qwen(
    folder: str | Path,
    device: str = "cpu",
    dtype: str = "auto",
    *,
    name: str = "",
    base: str | None = None,
    preprocessing: Preprocessing | None = None,
    cache_dir: str | None = None,
) -> QwenEncoder:
    """Loads the encoder of a folder in either layout. base: id or folder of the base model, if not the checkpoint's.

    The base is shared with all roles that use the same name, device and dtype in this process. Raises ValueError,
    FileNotFoundError or ImportError with one line.
    """
    checkpoint = read_checkpoint(folder)
    if base is None:
        vlm = load_vlm(checkpoint.base_model, checkpoint.base_revision, device, dtype, cache_dir=cache_dir)
    else:
        vlm = load_vlm(base, None, device, dtype, cache_dir=cache_dir)
    # The adapter's name: the same folder gives the same name, unless its file was written again.
    written = (Path(folder) / "adapter_model.safetensors").stat().st_mtime_ns
    mark = hashlib.sha256(f"{Path(folder).resolve()} {written}".encode()).hexdigest()[:12]
    return QwenEncoder(vlm, checkpoint, f"encoder_{mark}", preprocessing, name or str(folder))
