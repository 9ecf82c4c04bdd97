"""The paper's relational encoder on Qwen2.5-VL: the last hidden state at a query token, through one linear layer.

encoder = load_qwen("checkpoint", device="cuda")
relations = encoder.embed(["a.png", "b.png"])          # (2, 384)
found = encoder.embed_files(Path("photos").iterdir())  # thousands, bad ones listed
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from analogen.relsim.batches import BatchSize, decode_ahead, in_batches
from analogen.relsim.checkpoint import Checkpoint, read_checkpoint
from analogen.relsim.images import as_rgb
from analogen.relsim.text import load_text_tower
from analogen.relsim.vlm import Pixels, Turn, Vlm, load_vlm

Pictures = Sequence["Image.Image | str | Path"]
Vectors = NDArray[np.float32]
Answers = TypeVar("Answers", Vectors, list[str])  # one row per picture

SUBJECT_QUESTION = "Name the main thing that this picture shows, in one to four words, without a sentence."
# Of pictures that are not cropped: 1,280 tokens. The authors' own limit is 16,384, more than most GPUs hold.
MAX_PIXELS = 1280 * 28 * 28
MAX_ASPECT = 200  # beyond it Qwen's own resizing refuses


@dataclass(frozen=True)
class Fitting:
    """How a picture becomes the model's input.

    size: the side in pixels of the square, cut from the middle, that training used. None: the whole picture in its
    own shape, as in the authors' inference, with sides rounded to the model's unit and at most max_pixels.
    """

    size: int | None = 448
    min_pixels: int = 56 * 56
    max_pixels: int = MAX_PIXELS

    def fit(self, image: Image.Image, unit: int) -> Pixels:
        """(height, width, 3), sides multiples of `unit`. Raises ValueError for a picture that is a mere line."""
        if self.size is not None:
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            square = image.crop((left, top, left + side, top + side))
            return np.asarray(square.resize((self.size, self.size), Image.Resampling.LANCZOS))
        return np.asarray(image.resize(self._own_shape(image, unit), Image.Resampling.BICUBIC))

    def _own_shape(self, image: Image.Image, unit: int) -> tuple[int, int]:
        """(width, height) by Qwen's rule: rounded to the unit, then scaled into the limits. Source: Qwen2-VL."""
        width, height = image.size
        if max(width, height) > MAX_ASPECT * min(width, height):
            raise ValueError(f"is {width} x {height} pixels, longer than {MAX_ASPECT} times its width: crop it")
        fitted = round(width / unit) * unit, round(height / unit) * unit
        if fitted[0] * fitted[1] > self.max_pixels:
            scale = math.sqrt(width * height / self.max_pixels)
            return (
                max(unit, math.floor(width / scale / unit) * unit),
                max(unit, math.floor(height / scale / unit) * unit),
            )
        if fitted[0] * fitted[1] < self.min_pixels:
            scale = math.sqrt(self.min_pixels / (width * height))
            return math.ceil(width * scale / unit) * unit, math.ceil(height * scale / unit) * unit
        return fitted


class Refused(NamedTuple):
    """A file that could not be embedded, and why, in one line."""

    path: str
    reason: str


class Embedded(NamedTuple):
    """What became of many files: vectors (n, 384) row by row of `paths`, and the ones refused."""

    vectors: Vectors
    paths: list[str]
    refused: list[Refused]


class QwenEncoder:
    """A RelationalEncoder: `vlm` wearing the hat `hat`, whose adapter and projection are the checkpoint's."""

    def __init__(
        self, vlm: Vlm, checkpoint: Checkpoint, hat: str = "encoder", fitting: Fitting | None = None, name: str = ""
    ) -> None:
        """fitting: None for the square that the checkpoint was trained on. Raises ValueError if something does not
        fit together."""
        self.vlm, self.hat, self.name = vlm, hat, name or checkpoint.base_model
        self.fitting = fitting or Fitting(size=checkpoint.image_size)
        if self.fitting.size is not None and self.fitting.size % vlm.side_unit:
            raise ValueError(f"pictures of {self.fitting.size} px: expected a multiple of {vlm.side_unit}")
        if checkpoint.hidden_size != vlm.hidden_size:
            raise ValueError(
                f"the projection takes {checkpoint.hidden_size} numbers and {vlm.name} has {vlm.hidden_size}: "
                "it was trained on another base model"
            )
        if hat not in vlm.hats:
            vlm.add_hat(hat, checkpoint.adapter_config, checkpoint.adapter, checkpoint.processor_folder)
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
    ) -> Embedded:
        """Relations of many files: good ones are embedded, bad ones listed with the reason, in the order given.

        Files are decoded ahead by `workers` threads, and a batch is halved when memory runs out.
        """
        files = [str(path) for path in paths]
        refused: dict[int, str] = {}
        rows: dict[int, Vectors] = {}

        def refuse(index: int, error: BaseException) -> None:
            refused[index] = " ".join(str(error).split()) or type(error).__name__

        for indices, vectors in self._stream(files, self._relations, batch_size, progress, workers, refuse):
            rows.update(zip(indices, vectors, strict=True))
        kept = sorted(rows)
        table = np.stack([rows[i] for i in kept]) if kept else np.zeros((0, self.relation_dim), np.float32)
        return Embedded(table, [files[i] for i in kept], [Refused(files[i], refused[i]) for i in sorted(refused)])

    def embed_text(self, captions: Sequence[str]) -> Vectors:
        return load_text_tower().embed(captions)

    def embed_subject(self, images: Pictures, batch_size: int = 16) -> Vectors:
        """(n, 384): the plain model names what is shown, and the text tower embeds the name."""
        names = self.name_subjects(images, batch_size)
        return load_text_tower().embed(names)

    def name_subjects(self, images: Pictures, batch_size: int = 16) -> list[str]:
        """What each picture shows in a few words, by the plain model."""
        names = [""] * len(images)
        for indices, answers in self._stream(images, self._names, batch_size):
            for index, answer in zip(indices, answers, strict=True):
                names[index] = answer
        return names

    def attributes(self, images: Pictures, batch_size: int = 16) -> Vectors:
        """(n, hidden): the mean of the vision tower's patches, which no adapter changes: looks and things shown."""
        return self._all(images, self._looks, self.vlm.hidden_size, batch_size)

    def similarity(self, first: Pictures, second: Pictures) -> Vectors:
        return self.embed(first) @ self.embed(second).T

    # One batch of pictures -> one row each

    @torch.inference_mode()
    def _relations(self, pictures: list[Pixels]) -> Vectors:
        with self.vlm.wearing(self.hat):
            turns = [Turn([pixels], self.query_token) for pixels in pictures]
            hidden = self.vlm.last_hidden(self.vlm.inputs(turns, cut_after=self.query_token_id))  # (B, hidden)
        return _unit(F.linear(hidden.float(), self._weight, self._bias))

    @torch.inference_mode()
    def _looks(self, pictures: list[Pixels]) -> Vectors:
        features = self.vlm.picture_features(pictures)
        return _unit(torch.stack([patches.float().mean(0) for patches in features]))

    def _names(self, pictures: list[Pixels]) -> list[str]:
        with self.vlm.wearing(None):
            inputs = self.vlm.inputs([Turn([pixels], SUBJECT_QUESTION) for pixels in pictures])
            answers = self.vlm.generate(inputs, max_new_tokens=16)
        # A model may answer nothing at all, and the text tower embeds no empty name.
        return [" ".join(answer.strip(" .\n").split()) or "thing" for answer in answers]

    # All pictures -> batches

    def _all(
        self,
        images: Pictures,
        run: Callable[[list[Pixels]], Vectors],
        dim: int,
        batch_size: int,
        progress: bool = False,
    ) -> Vectors:
        table = np.zeros((len(images), dim), np.float32)
        for indices, vectors in self._stream(images, run, batch_size, progress):
            table[indices] = vectors
        return table

    def _stream(
        self,
        images: Pictures,
        run: Callable[[list[Pixels]], Answers],
        batch_size: int,
        progress: bool = False,
        workers: int | None = None,
        refuse: Callable[[int, BaseException], None] | None = None,
    ) -> Iterator[tuple[list[int], Answers]]:
        """Indices and results batch by batch. A bad picture goes to `refuse`, or its error is raised."""
        # tqdm itself stays silent where stderr is no terminal.
        with tqdm(total=len(images), unit="img", disable=None if progress else True) as bar:

            def readable() -> Iterator[tuple[int, Pixels]]:
                decoded = decode_ahead(images, self._load, ahead=2 * batch_size + 8, workers=workers)
                for index, found in enumerate(decoded):
                    if not isinstance(found, Exception):
                        yield index, found
                    elif refuse is None or not isinstance(found, ValueError | FileNotFoundError):
                        raise found
                    else:
                        bar.update()
                        refuse(index, found)

            def hopeless(item: tuple[int, Pixels], error: BaseException) -> None:
                if refuse is None:
                    raise error
                bar.update()
                refuse(item[0], error)

            def run_pairs(pairs: list[tuple[int, Pixels]]) -> Answers:
                return run([pixels for _, pixels in pairs])

            for pairs, result in in_batches(readable(), run_pairs, BatchSize(batch_size), hopeless):
                bar.update(len(pairs))
                yield [index for index, _ in pairs], result

    def _load(self, image: Image.Image | str | Path) -> Pixels:
        picture = as_rgb(image)
        try:
            return self.fitting.fit(picture, self.vlm.side_unit)
        except ValueError as error:
            where = "the picture" if isinstance(image, Image.Image) else image
            raise ValueError(f"{where}: {error}") from error


def _unit(vectors: Tensor) -> Vectors:
    return F.normalize(vectors, dim=-1).cpu().numpy()


def load_qwen(
    folder: str | Path,
    device: str = "cpu",
    dtype: str = "auto",
    *,
    name: str = "",
    base: str | None = None,
    fitting: Fitting | None = None,
    cache_dir: str | None = None,
) -> QwenEncoder:
    """The encoder of a folder in either layout. base: id or folder of the base model, if not the checkpoint's own.

    The base is shared with all others of the same name, device and dtype in this process. Raises ValueError,
    FileNotFoundError or ImportError with one line.
    """
    checkpoint = read_checkpoint(folder)
    if base is None:
        vlm = load_vlm(checkpoint.base_model, checkpoint.base_revision, device, dtype, cache_dir=cache_dir)
    else:
        vlm = load_vlm(base, None, device, dtype, cache_dir=cache_dir)
    # A hat's name: the same folder asks for the same hat, unless it was written anew.
    written = (Path(folder) / "adapter_model.safetensors").stat().st_mtime_ns
    mark = hashlib.sha256(f"{Path(folder).resolve()} {written}".encode()).hexdigest()[:12]
    return QwenEncoder(vlm, checkpoint, f"encoder_{mark}", fitting, name or str(folder))
