"""Loads LoRA adapters of Qwen2.5-VL by folder or hub id; adapter_switching.py switches between them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from analogen.relsim.hub import fetch, is_hub_id
from analogen.relsim.vlm.checkpoint import layout_of, read_adapter
from analogen.relsim.vlm.loading import load_vlm
from analogen.relsim.vlm.model import Vlm

BASE = "Qwen/Qwen2.5-VL-7B-Instruct"


class LoadedAdapter(NamedTuple):
    """A loaded VLM and the name of one of its adapters; None stands for the base model alone."""

    vlm: Vlm
    adapter: str | None


def load_qwen_adapter(
    name_or_path: str | Path,
    role: str,
    device: str = "cpu",
    dtype: str = "auto",
    *,
    base: str | None = None,
    cache_dir: str | None = None,
) -> LoadedAdapter:
    """Loads a PEFT adapter onto its base model. `name_or_path` may also name a base model, used without an adapter.

    role: what the adapter is for, such as "captioner" or "filter"; base: id or folder of the base model, if not the
    adapter's own. Base and adapter are each loaded once per process, for each name, device and dtype.
    Raises ValueError, FileNotFoundError or ImportError with one line.
    """
    folder = _adapter_folder(name_or_path, role, cache_dir)
    if folder is None:
        return LoadedAdapter(_load_base(base or str(name_or_path), None, device, dtype, cache_dir), None)
    if layout_of(folder) is not None:
        raise ValueError(f"{name_or_path}: is a checkpoint of the encoder, expected one of the {role}: name another")
    config, tensors = read_adapter(folder)
    vlm = _load_base(
        base or _base_of(config, folder), None if base else config.get("revision"), device, dtype, cache_dir
    )
    # The same folder gives the same name, unless its file was written again.
    written = (folder / "adapter_model.safetensors").stat().st_mtime_ns
    adapter = f"{role}_{hashlib.sha256(f'{folder.resolve()} {written}'.encode()).hexdigest()[:12]}"
    if adapter not in vlm.adapters:
        # Without a processor of its own: these roles have no tokens that the base lacks.
        vlm.add_adapter(adapter, config, tensors)
    return LoadedAdapter(vlm, adapter)


def load_base_model(
    name_or_path: str | Path = BASE, device: str = "cpu", dtype: str = "auto", *, cache_dir: str | None = None
) -> Vlm:
    """Loads a base model by folder or hub id. The name of an adapter or encoder loads its base alone.

    Raises the same errors as `load_qwen_adapter`.
    """
    folder = _adapter_folder(name_or_path, "base model", cache_dir)
    if folder is None:
        return _load_base(str(name_or_path), None, device, dtype, cache_dir)
    config, _ = read_adapter(folder)
    return _load_base(_base_of(config, folder), config.get("revision"), device, dtype, cache_dir)


def _adapter_folder(name_or_path: str | Path, role: str, cache_dir: str | None) -> Path | None:
    """The local folder of an adapter, or None if the name is that of a base model."""
    folder, name = Path(name_or_path), str(name_or_path)
    if folder.is_dir():
        return folder if (folder / "adapter_config.json").is_file() else None
    if not is_hub_id(name):
        raise FileNotFoundError(f"{role} {name!r}: no such folder and no hub id: expected an adapter or a base model")
    # The small files tell what it is, before gigabytes are fetched.
    if not (fetch(name, files=("*.json",), cache_dir=cache_dir) / "adapter_config.json").is_file():
        return None
    return fetch(name, cache_dir=cache_dir)


def _base_of(config: Mapping[str, Any], folder: Path) -> str:
    named = config.get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise ValueError(f"{folder / 'adapter_config.json'}: names no base model: set base_model_name_or_path")
    return named


def _load_base(base: str, revision: str | None, device: str, dtype: str, cache_dir: str | None) -> Vlm:
    if not Path(base).is_dir():
        # By the repository's own name, so that roles which name it in different ways share one.
        base, _, named = base.partition("@")
        revision = revision or named or None
    return load_vlm(base, revision, device, dtype, cache_dir=cache_dir)
