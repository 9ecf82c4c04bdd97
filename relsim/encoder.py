"""The interface of relational encoders, and loading one by name, folder or hub id."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from analogen.relsim.mini.encoder import SHIPPED, MiniEncoder, Pictures, Vectors
from analogen.relsim.old_paths import present_path


class RelationalEncoder(Protocol):
    """The interface of all encoders. All returned rows are unit vectors in fp32."""

    name: str

    def embed(self, images: Pictures, batch_size: int = 32) -> Vectors:
        """Embeds the relations of pictures, (n, 384)."""

    def embed_text(self, captions: Sequence[str]) -> Vectors:
        """Embeds anonymous captions in the same space, (n, 384)."""

    def embed_subject(self, images: Pictures, batch_size: int = 32) -> Vectors:
        """Embeds what pictures show, (n, 384), in the text tower's space of names."""

    def attributes(self, images: Pictures, batch_size: int = 32) -> Vectors:
        """Embeds the looks of pictures, (n, dim): colours and things, independent of the relation."""

    def similarity(self, first: Pictures, second: Pictures) -> Vectors:
        """The cosines of the relations, (len(first), len(second))."""


@lru_cache(maxsize=4)
def load_encoder(
    name_or_path: str = "mini", device: str = "cpu", dtype: str = "auto", unresized: bool = False
) -> RelationalEncoder:
    """Loads an encoder by name, folder or hub id ("org/name", "org/name@revision"), once per process.

    A folder is of mini's kind or a checkpoint of the Qwen encoder in either layout; dtype is for the latter, and
    unresized: pictures keep their shape, as in the authors' own inference, instead of the square of the training.
    Raises FileNotFoundError, ValueError or ImportError with the reason in one line, such as an unknown name.
    """
    if name_or_path == "mini":
        return _mini(SHIPPED, device, unresized)
    folder = present_path(name_or_path)
    if not folder.is_dir():
        # Imported here, so that mini starts without the libraries of big encoders.
        from analogen.relsim.hub import fetch, is_hub_id

        if not is_hub_id(name_or_path):
            raise ValueError(
                f"unknown encoder {name_or_path!r}: expected 'mini' or a folder with config.json, "
                "or a hub id such as thaoshibe/relsim-qwenvl25-lora"
            )
        folder = fetch(name_or_path)
    if (folder / "adapter_config.json").is_file():
        from analogen.relsim.vlm.encoder import load_qwen

        preprocessing = None
        if unresized:
            from analogen.relsim.vlm.preprocessing import Preprocessing

            preprocessing = Preprocessing(size=None)
        return load_qwen(folder, device, dtype, name=name_or_path, preprocessing=preprocessing)
    return _mini(folder, device, unresized)


def _mini(folder: Path, device: str, unresized: bool) -> MiniEncoder:
    if unresized:
        raise ValueError("--unresized is for encoders on Qwen2.5-VL: encoders of mini's kind see whole pictures anyway")
    return MiniEncoder(folder, device)


def load_mini(name_or_path: str = "mini", device: str = "cpu") -> MiniEncoder:
    """Loads an encoder of mini's kind, the only kind with a catalogue of captions.

    Raises ValueError for an encoder of another kind.
    """
    encoder = load_encoder(name_or_path, device)
    if not isinstance(encoder, MiniEncoder):
        raise ValueError(
            f"encoder {name_or_path!r} has no catalogue of captions: expected 'mini' or a folder of its kind"
        )
    return encoder


def load_reader(name_or_path: str = "mini", device: str = "cpu") -> MiniEncoder:
    """Loads an encoder that can read scenes: one of mini's kind with a dense head.

    Raises ValueError for an encoder without one.
    """
    encoder = load_mini(name_or_path, device)
    if not encoder.net.config.dense_dim:
        raise ValueError(
            f"the encoder {name_or_path!r} has no dense head, so it cannot read scenes: take one that was trained with "
            "a trunk (docs/reading.md), or leave --encoder out"
        )
    return encoder
