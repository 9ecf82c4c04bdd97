"""Embeds many picture files with an encoder; files that cannot be read are listed with the reason."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.data.batching import run_all
from analogen.relsim.encoder import RelationalEncoder
from analogen.relsim.images import read_reference
from analogen.relsim.mini.encoder import MiniEncoder

Vectors = NDArray[np.float32]


class ImageEmbedding(NamedTuple):
    """The embeddings of one picture. known: see `mini.encoder.EncoderOutput`; None if the encoder does not give it."""

    relation: Vectors  # (384,)
    attributes: Vectors  # (dim,)
    known: float | None = None


class FileEmbeddings(NamedTuple):
    """Embeddings of files. embeddings: one for each of `paths`, the files that could be read, in the order given;
    refused: path and reason of the others; notes: path and what was changed when the file was read."""

    embeddings: list[ImageEmbedding]
    paths: list[Path]
    refused: list[dict[str, str]]
    notes: list[tuple[Path, str]]


def embed_files(
    encoder: RelationalEncoder,
    paths: Sequence[Path],
    batch_size: int = 32,
    progress: bool = False,
    as_references: bool = False,
) -> FileEmbeddings:
    """Embeds relations and attributes of many files. Threads decode ahead; a batch is halved when memory runs out.

    as_references: see `embed_images`.
    """
    preprocess = encoder.preprocess if isinstance(encoder, MiniEncoder) else (lambda image: image)
    found: dict[int, ImageEmbedding] = {}
    refused: dict[int, str] = {}
    notes: list[tuple[Path, str]] = []
    lock = threading.Lock()

    def load(path: Path) -> Image.Image:
        picture = read_reference(path)
        with lock:
            notes.extend((path, note) for note in picture.notes)
        return preprocess(picture.image)

    def embed(images: Sequence[Image.Image]) -> list[ImageEmbedding]:
        return embed_images(encoder, images, as_references)

    for pairs in run_all(paths, load, embed, batch_size, refused.__setitem__, progress):
        found.update(pairs)
    kept = sorted(found)
    return FileEmbeddings(
        [found[index] for index in kept],
        [paths[index] for index in kept],
        [{"path": str(paths[index]), "reason": refused[index]} for index in sorted(refused)],
        sorted(notes),
    )


def embed_images(
    encoder: RelationalEncoder, images: Sequence[Image.Image], as_references: bool = False
) -> list[ImageEmbedding]:
    """Embeds relations and attributes of pictures, in one pass if the encoder can.

    as_references: with mini, by `MiniEncoder.encode_references`, which takes twice the time and is surer.
    """
    if isinstance(encoder, MiniEncoder):
        output = encoder.encode_references(images) if as_references else encoder.encode_all(images)
        known = [float(one) for one in output.known]
        return [ImageEmbedding(*row) for row in zip(output.relation, output.attributes, known, strict=True)]
    return [ImageEmbedding(*row) for row in zip(encoder.embed(images), encoder.attributes(images), strict=True)]
