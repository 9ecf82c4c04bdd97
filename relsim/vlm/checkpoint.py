"""Reads, writes and converts checkpoints of the Qwen encoder in two layouts, ours and the authors'.

authors   adapter_config.json + adapter_model.safetensors (PEFT), the processor's files, and
          projection_and_config.pt, a pickle of which only plain tensors and numbers are read
analogen  the same adapter and processor files, config.json and projection.safetensors: no pickle
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors.torch import save_file
from torch import Tensor

from analogen.relsim.tensors import read_tensors

Layout = Literal["authors", "analogen"]
LAYOUTS: tuple[str, ...] = get_args(Layout)
PICKLE = "projection_and_config.pt"
KIND = "relsim-qwen"
FORMAT = 1
# Copied unchanged, because older versions of transformers cannot read a tokenizer that a newer version saved.
PROCESSOR_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt", "preprocessor_config.json", "processor_config.json", "chat_template.json", "chat_template.jinja",
)  # fmt: skip
DOCUMENTS = ("README.md", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE")


@dataclass(frozen=True)
class Checkpoint:
    """What turns a base VLM into the relational encoder. `processor_folder` holds the processor's files."""

    processor_folder: Path
    base_model: str
    adapter_config: Mapping[str, Any]
    adapter: Mapping[str, Tensor]
    projection_weight: Tensor  # (384, hidden)
    projection_bias: Tensor  # (384,)
    query_token: str
    query_token_id: int
    base_revision: str | None = None
    image_size: int = 448  # pixels of the square that it was trained on

    @property
    def hidden_size(self) -> int:
        return int(self.projection_weight.shape[1])

    @property
    def relation_dim(self) -> int:
        return int(self.projection_weight.shape[0])


def layout_of(folder: str | Path) -> Layout | None:
    """Detects the layout of a folder; None if it is not a checkpoint of the Qwen encoder."""
    folder = Path(folder)
    if not (folder / "adapter_config.json").is_file():
        return None
    if (folder / "projection.safetensors").is_file() and (folder / "config.json").is_file():
        return "analogen"
    return "authors" if (folder / PICKLE).is_file() else None


def read_checkpoint(folder: str | Path) -> Checkpoint:
    """Reads either layout. Raises FileNotFoundError or ValueError with one line. Code in pickles is never executed."""
    folder = Path(folder)
    layout = layout_of(folder)
    if layout is None:
        wanted = f"adapter_config.json and {PICKLE} (authors), or config.json and projection.safetensors (analogen)"
        raise FileNotFoundError(f"{folder}: not a checkpoint of the Qwen encoder: expected {wanted}")
    config, adapter = read_adapter(folder)
    facts: dict[str, Any] = {
        "base_model": config.get("base_model_name_or_path"),
        "base_revision": config.get("revision"),
        "image_size": 448,
    }
    if layout == "authors":
        weight, bias, facts["query_token_id"] = _read_pickle(folder / PICKLE)
    else:
        facts |= _read_config(folder / "config.json")
        weight, bias = _projection(read_tensors(folder / "projection.safetensors"), folder)
    names = _added_tokens(folder)
    token_id = facts["query_token_id"]
    token = facts.get("query_token", next((name for name, i in names.items() if i == token_id), None))
    if token is None or names.get(token) != token_id:
        raise ValueError(
            f"{folder}: its tokenizer has no token {token_id}, the query's: its files are not of one model"
        )
    if not isinstance(facts["base_model"], str) or not facts["base_model"]:
        raise ValueError(f"{folder / 'adapter_config.json'}: names no base model: set base_model_name_or_path")
    revision, size = facts["base_revision"], facts["image_size"]
    return Checkpoint(folder, facts["base_model"], config, adapter, weight, bias, token, token_id, revision, size)


def write_checkpoint(checkpoint: Checkpoint, folder: str | Path, layout: Layout = "analogen") -> None:
    """Writes a folder of the layout, atomically. Raises ValueError if it exists and is not empty."""
    folder = Path(folder)
    if layout not in LAYOUTS:
        raise ValueError(f"layout is {layout!r}: expected {' or '.join(LAYOUTS)}")
    with atomic_folder(folder) as temporary:
        _write(checkpoint, temporary, layout)


@contextmanager
def atomic_folder(folder: str | Path) -> Iterator[Path]:
    """A temporary folder that is renamed to `folder` at the end of the block, if there was no error.

    Raises ValueError if `folder` exists and holds anything, or cannot be written.
    """
    folder = Path(folder)
    check_target(folder)
    temporary = folder.absolute().with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if folder.exists():
            folder.rmdir()
        os.replace(temporary, folder)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ValueError(f"{folder}: cannot be written ({reason}): choose another place") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_target(folder: str | Path) -> None:
    """Raises ValueError unless `folder` is free for a checkpoint: missing, or an empty folder."""
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: exists and is not an empty folder: name another")


def convert(source: str | Path, target: str | Path, layout: Layout, base: str | None = None) -> Checkpoint:
    """Converts the checkpoint in `source` to `target` in a layout. base: another id or folder of the base model.

    Raises FileNotFoundError or ValueError with one line.
    """
    checkpoint = read_checkpoint(source)
    if base is not None:
        checkpoint = dataclasses.replace(checkpoint, base_model=base, base_revision=None)
    write_checkpoint(checkpoint, target, layout)
    return checkpoint


def read_adapter(folder: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Reads configuration and tensors of a PEFT folder. Raises FileNotFoundError or ValueError with one line."""
    folder = Path(folder)
    path = folder / "adapter_config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no adapter_config.json: not the folder of an adapter")
    if not (folder / "adapter_model.safetensors").is_file():
        if (folder / "adapter_model.bin").is_file():
            raise ValueError(f"{folder / 'adapter_model.bin'} is a pickle and not opened: save it as safetensors")
        raise FileNotFoundError(f"{folder} has no adapter_model.safetensors: fetch it again")
    return _read_json(path), read_tensors(folder / "adapter_model.safetensors")


def write_qwen_adapter(folder: str | Path, config: Mapping[str, Any], adapter: Mapping[str, Tensor]) -> None:
    """Writes adapter_config.json and adapter_model.safetensors, as PEFT does. Raises OSError."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "adapter_config.json", config)
    _write_tensors(folder / "adapter_model.safetensors", adapter)


def _write(checkpoint: Checkpoint, folder: Path, layout: Layout) -> None:
    for name in (*PROCESSOR_FILES, *DOCUMENTS):
        if (checkpoint.processor_folder / name).is_file():
            shutil.copyfile(checkpoint.processor_folder / name, folder / name)
    config = {**checkpoint.adapter_config, "base_model_name_or_path": checkpoint.base_model}
    config["revision"] = checkpoint.base_revision
    write_qwen_adapter(folder, config, checkpoint.adapter)
    projection = {"weight": checkpoint.projection_weight, "bias": checkpoint.projection_bias}
    if layout == "authors":
        torch.save({"projection": projection, "query_token_id": checkpoint.query_token_id}, folder / PICKLE)
        return
    _write_tensors(folder / "projection.safetensors", projection)
    names = (
        "base_model",
        "base_revision",
        "hidden_size",
        "relation_dim",
        "query_token",
        "query_token_id",
        "image_size",
    )
    _write_json(folder / "config.json", {"kind": KIND, "format": FORMAT} | {n: getattr(checkpoint, n) for n in names})


def _read_pickle(path: Path) -> tuple[Tensor, Tensor, int]:
    """Reads the authors' projection and query token id, with torch's reader for tensors and plain values only."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a newer pickle protocol, which is refused anyway
            data = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile or damaged file raises anything; the reason would be pages long
        raise ValueError(
            f"{path}: is damaged or a pickle that holds more than tensors and numbers, so it was not opened: "
            "ask its author for safetensors"
        ) from error
    if not isinstance(data, dict) or not isinstance(data.get("projection"), dict):
        raise ValueError(f"{path}: has no projection: expected a dictionary with projection and query_token_id")
    token_id = data.get("query_token_id")
    if type(token_id) is not int or token_id < 0:
        raise ValueError(f"{path}: query_token_id is {token_id!r}: expected the number of a token")
    return *_projection(data["projection"], path.parent), token_id


def _projection(state: Mapping[str, Any], folder: Path) -> tuple[Tensor, Tensor]:
    weight, bias = state.get("weight"), state.get("bias")
    if not isinstance(weight, Tensor) or weight.ndim != 2 or not weight.is_floating_point():
        raise ValueError(f"{folder}: its projection has no weight of (relation, hidden): it is damaged")
    bias = torch.zeros(len(weight), dtype=weight.dtype) if bias is None else bias
    if not isinstance(bias, Tensor) or bias.shape != weight.shape[:1]:
        raise ValueError(f"{folder}: its projection's bias does not fit the weight: it is damaged")
    return weight, bias


def _read_config(path: Path) -> dict[str, Any]:
    config = _read_json(path)
    if config.get("kind") != KIND:
        raise ValueError(f"{path}: kind is {config.get('kind')!r}, expected {KIND!r}")
    if config.get("format") != FORMAT:
        raise ValueError(f"{path}: format {config.get('format')!r} is newer than this version reads ({FORMAT}): update")
    wanted = {"base_model": str, "query_token": str, "query_token_id": int, "image_size": int}
    for name, kind in wanted.items():
        if type(config.get(name)) is not kind:
            raise ValueError(f"{path}: {name} is {config.get(name)!r}: expected {kind.__name__}")
    return {name: config.get(name) for name in (*wanted, "base_revision")}


def _added_tokens(folder: Path) -> dict[str, int]:
    """Special tokens by name, from the tokenizer's file that has them."""
    names: dict[str, int] = {}
    if (folder / "added_tokens.json").is_file():
        names |= _read_json(folder / "added_tokens.json")
    if (folder / "tokenizer.json").is_file():
        tokens = _read_json(folder / "tokenizer.json").get("added_tokens", [])
        names |= {token["content"]: token["id"] for token in tokens}
    if not names:
        raise FileNotFoundError(f"{folder} has no tokenizer.json: fetch it again")
    return names


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{path}: is damaged ({' '.join(str(error).split())[:100]}): fetch or save it again"
        ) from error
    if not isinstance(data, dict):
        raise ValueError(f"{path}: expected a JSON object")
    return data


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    # Marked as from PyTorch, or older versions of transformers do not open the file.
    save_file({name: value.contiguous() for name, value in tensors.items()}, str(path), metadata={"format": "pt"})
