"""Loads base models by folder or hub id, once per process; all adapters share them."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from transformers import Qwen2_5_VLForConditionalGeneration

from analogen.relsim.hub import BASE_FILES, TEXTS, fetch, is_hub_id
from analogen.relsim.loading_lock import loading_lock
from analogen.relsim.text import quiet_transformers
from analogen.relsim.vlm.lora_settings import import_peft
from analogen.relsim.vlm.model import Vlm
from analogen.relsim.vlm.processor import load_processor

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_dtype(name: str, device: str) -> torch.dtype:
    """Chooses the dtype of the weights. "auto": bf16 if the device supports it, else fp16 on GPUs and fp32 on CPUs."""
    if name != "auto":
        if name not in DTYPES:
            raise ValueError(f"dtype is {name!r}: expected auto, {', '.join(DTYPES)}")
        return DTYPES[name]
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.startswith("mps"):
        return torch.float16
    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16") else torch.float32


def load_vlm(
    base: str,
    revision: str | None = None,
    device: str = "cpu",
    dtype: str = "auto",
    attention: str = "sdpa",
    cache_dir: str | None = None,
    shared: bool = True,
) -> Vlm:
    """Loads a base model by folder or hub id, once per process, so that all adapters share it.

    shared: False loads a separate copy, for trainings, which leave gradients and dropout on.
    Raises ValueError or FileNotFoundError with one line.
    """
    if not Path(base).is_dir() and not is_hub_id(base):
        raise FileNotFoundError(f"base model {base!r}: no such folder and no hub id: name one that is here")
    import_peft()  # raises before gigabytes are downloaded
    if device == "cuda":
        device = f"cuda:{torch.cuda.current_device()}"
    load = _load_vlm if shared else _load_vlm.__wrapped__
    return load(base, revision, device, pick_dtype(dtype, device), attention, cache_dir)


class Base(NamedTuple):
    """A base model: its name, its commit if it is from the hub, and the folder of its small files."""

    name: str
    revision: str | None
    folder: Path


def find_base(name: str) -> Base:
    """Finds a base by folder or hub id ("org/name@revision") without downloading its weights.

    Raises ValueError or FileNotFoundError with one line.
    """
    if Path(name).is_dir():
        base = Base(name, None, Path(name))
    elif is_hub_id(name):
        folder = fetch(name, files=TEXTS)
        base = Base(name.partition("@")[0], folder.name, folder)
    else:
        raise FileNotFoundError(f"base model {name!r}: no such folder and no hub id: name one that is here")
    _check_kind(base.folder)
    return base


@lru_cache(maxsize=2)
def _load_vlm(
    base: str, revision: str | None, device: str, dtype: torch.dtype, attention: str, cache_dir: str | None
) -> Vlm:
    folder = Path(base) if Path(base).is_dir() else fetch(base, revision, BASE_FILES, cache_dir)
    _check_base(folder)
    with loading_lock, quiet_transformers():
        processor = load_processor(folder)
        try:
            model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
                folder,
                dtype=dtype,
                attn_implementation=attention,
                use_safetensors=True,
                trust_remote_code=False,
                # Directly to the device, without 15 GiB of main memory.
                device_map=None if device == "cpu" else {"": device},
            )
        except SafetensorError as error:
            raise ValueError(f"{folder}: a file of weights is damaged ({error}): fetch it again") from error
    return Vlm(model, processor, base)


def _check_base(folder: Path) -> None:
    _check_kind(folder)
    if not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(f"{folder} has no *.safetensors: weights in pickles are not opened, convert them")


def _check_kind(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} has no config.json: not the folder of a model")
    kind = json.loads((folder / "config.json").read_text()).get("model_type")
    if kind != "qwen2_5_vl":
        raise ValueError(f"{folder}: its model type is {kind!r}, expected 'qwen2_5_vl'")
