"""The relational adapter: relation tokens for the cross-attention of a diffusion model, as a file and in memory.

The weights are in the format of an IP-Adapter whose image embedding is the relation, so that diffusers' own
`load_ip_adapter` reads them; adapter_config.json beside them states what such a file does not.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from analogen.pipelines.adapter.families import FAMILIES, Family, attention_at, family_of, fresh
from analogen.relsim.text import TEXT_DIM
from analogen.relsim.vlm.checkpoint import atomic_folder

KIND = "relational-adapter"
FORMAT = 1
CONFIG = "adapter_config.json"
WEIGHTS = "ip_adapter.safetensors"
PARTS = ("image_proj", "ip_adapter")  # in the order that diffusers wants
PICKLES = (".bin", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True)
class AdapterConfig:
    """What an adapter is. family: of `FAMILIES`; tokens: per relation; width: of the projection's inner layer, 0 where
    the family has none; base_model, encoder: what it was trained on and with."""

    family: str
    tokens: int
    width: int
    base_model: str = ""
    encoder: str = "mini"
    relation_dim: int = TEXT_DIM


@dataclass(frozen=True)
class RelationalAdapter:
    """weights: "image_proj" and "ip_adapter", each tensors by their names in an IP-Adapter file."""

    config: AdapterConfig
    weights: Mapping[str, Mapping[str, Tensor]]

    @property
    def parameters(self) -> int:
        return sum(tensor.numel() for part in self.weights.values() for tensor in part.values())


def build_adapter(
    denoiser: nn.Module, *, tokens: int | None = None, width: int | None = None, base_model: str = "",
    encoder: str = "mini", seed: int = 0,
) -> RelationalAdapter:  # fmt: skip
    """A fresh adapter for a denoiser, in fp32 on the CPU, or on meta where the denoiser is: then only its shapes count.

    tokens, width: None = the family's own. Raises ValueError for a model or numbers that cannot have one.
    """
    family = family_of(denoiser)
    tokens = family.tokens if tokens is None else tokens
    width = family.width if width is None else width
    if tokens < 1 or (family.width and width < 1):
        raise ValueError(f"tokens={tokens}, width={width}: expected 1 or more")
    family.check(denoiser, tokens, width)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        projection = fresh(lambda: family.projection(denoiser, tokens, width), denoiser)
        processors = []
        for site in family.sites(denoiser):
            processor = fresh(lambda site=site: family.processor(denoiser, site, tokens, width), denoiser)  # type: ignore[misc]
            family.start(attention_at(denoiser, site), processor)
            processors.append(processor)
    config = AdapterConfig(family.name, tokens, width, base_model, encoder)
    return RelationalAdapter(config, weights_of(family, projection, processors))


def weights_of(family: Family, projection: nn.Module, processors: list[nn.Module]) -> dict[str, dict[str, Tensor]]:
    """Modules' weights under their names in the file: the inverse of diffusers' loading."""
    image_proj = {family.file_name(name): value.detach() for name, value in projection.state_dict().items()}
    ip_adapter = {
        f"{family.first + family.step * number}.{name.replace('_ip.0.', '_ip.')}": value.detach()
        for number, processor in enumerate(processors)
        for name, value in processor.state_dict().items()
    }
    return {"image_proj": image_proj, "ip_adapter": ip_adapter}


def parameter_counts(denoiser: nn.Module, tokens: int | None = None, width: int | None = None) -> dict[str, int]:
    """How many parameters the base and an adapter for it have, by part; works on the meta device."""
    adapter = build_adapter(denoiser, tokens=tokens, width=width)
    counts = {part: sum(tensor.numel() for tensor in adapter.weights[part].values()) for part in PARTS}
    return {"base": sum(parameter.numel() for parameter in denoiser.parameters()), **counts}


def check_fits(adapter: RelationalAdapter, denoiser: nn.Module) -> Family:
    """The family of both. Raises ValueError if the adapter was made for a model of another family or shape."""
    family, config = family_of(denoiser), adapter.config
    made_for = config.base_model or FAMILIES[config.family].covers
    if config.family != family.name:
        raise ValueError(
            f"this adapter is for {made_for} (family {config.family}), the model is a {type(denoiser).__name__} "
            f"(family {family.name}): take an adapter made for it"
        )
    family.check(denoiser, config.tokens, config.width)
    with torch.device("meta"):
        projection = family.projection(denoiser, config.tokens, config.width)
        processors = [family.processor(denoiser, s, config.tokens, config.width) for s in family.sites(denoiser)]
    expected = weights_of(family, projection, processors)
    for part in PARTS:
        theirs = {name: tuple(tensor.shape) for name, tensor in expected[part].items()}
        ours = {name: tuple(tensor.shape) for name, tensor in adapter.weights[part].items()}
        for name in sorted(theirs.keys() | ours.keys()):
            if theirs.get(name) != ours.get(name):
                raise ValueError(
                    f"this adapter is for {made_for}, and not for this model: {part}.{name} is {ours.get(name)}, the "
                    f"model needs {theirs.get(name)}: take an adapter made for it"
                )
    return family


def save_adapter(adapter: RelationalAdapter, folder: str | Path) -> None:
    """Write adapter_config.json and the weights into a new folder, whole or not at all.

    Raises ValueError if the folder exists and holds anything, or cannot be written.
    """
    with atomic_folder(folder) as temporary:
        write_adapter(adapter, temporary)


def write_adapter(adapter: RelationalAdapter, folder: Path) -> None:
    """Write an adapter's two files into an existing folder. Raises OSError."""
    described = {"kind": KIND, "format": FORMAT, **dataclasses.asdict(adapter.config)}
    (folder / CONFIG).write_text(json.dumps(described, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    tensors = {
        f"{part}.{name}": tensor.detach().cpu().contiguous().clone()
        for part in PARTS
        for name, tensor in adapter.weights[part].items()
    }
    save_file(tensors, str(folder / WEIGHTS), metadata={"format": "pt", "kind": KIND})


def load_adapter(folder: str | Path) -> RelationalAdapter:
    """Read what `save_adapter` wrote. Raises FileNotFoundError or ValueError with one line; pickles stay closed."""
    folder, config = Path(folder), check_adapter(folder)
    adapter = RelationalAdapter(config, _read_weights(folder / WEIGHTS))
    dims = {tensor.shape[1] for name, tensor in adapter.weights["image_proj"].items() if name in _FIRST_LAYERS}
    if dims != {TEXT_DIM}:
        found = ", ".join(map(str, sorted(dims))) or "none"
        raise ValueError(f"{folder / WEIGHTS}: takes embeddings of {found} numbers, a relation has {TEXT_DIM}")
    return adapter


def check_adapter(folder: str | Path) -> AdapterConfig:
    """The config of an adapter's folder that holds weights too, which are not read. Raises as `load_adapter` does."""
    folder = Path(folder)
    if folder.suffix in PICKLES or (folder.is_dir() and _only_pickles(folder)):
        raise ValueError(
            f"{folder}: holds a pickle, which could run any code, and was not opened: save the adapter as safetensors"
        )
    if folder.is_file():
        raise ValueError(f"{folder}: is a file: give the folder that holds {CONFIG} and {WEIGHTS}")
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder: expected one with {CONFIG} and {WEIGHTS}")
    if not (folder / CONFIG).is_file():
        raise ValueError(
            f"{folder}: has no {CONFIG}, so it is no relational adapter: an IP-Adapter for looks is loaded by diffusers"
        )
    config = _read_config(folder / CONFIG)
    if not (folder / WEIGHTS).is_file():
        raise FileNotFoundError(f"{folder}: has no {WEIGHTS}: fetch it again")
    return config


_FIRST_LAYERS = ("proj.weight", "proj.0.weight", "proj_in.weight")


def _only_pickles(folder: Path) -> bool:
    names = [path.suffix for path in folder.iterdir() if path.is_file()]
    return ".safetensors" not in names and any(suffix in PICKLES for suffix in names)


def _read_config(path: Path) -> AdapterConfig:
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: is damaged ({' '.join(str(error).split())[:100]}): fetch it again") from error
    if not isinstance(data, dict) or data.get("kind") != KIND:
        if isinstance(data, dict) and "peft_type" in data:
            raise ValueError(f"{path}: is of a LoRA, not of a relational adapter: load it by load_lora_weights")
        kind = data.get("kind") if isinstance(data, dict) else None
        raise ValueError(f"{path}: kind is {kind!r}, expected {KIND!r}")
    if data.get("format") != FORMAT:
        raise ValueError(f"{path}: format {data.get('format')!r} is not one that this version reads ({FORMAT}): update")
    fields = {field.name: field for field in dataclasses.fields(AdapterConfig)}
    wanted = {name: (int if name in ("tokens", "width", "relation_dim") else str) for name in fields}
    for name, kind in wanted.items():
        if type(data.get(name)) is not kind:
            raise ValueError(f"{path}: {name} is {data.get(name)!r}: expected {kind.__name__}")
    if data["family"] not in FAMILIES:
        raise ValueError(f"{path}: family is {data['family']!r}: expected one of {', '.join(FAMILIES)}")
    if data["relation_dim"] != TEXT_DIM:
        raise ValueError(f"{path}: relation_dim is {data['relation_dim']}: relations have {TEXT_DIM} numbers")
    return AdapterConfig(**{name: data[name] for name in wanted})


def _read_weights(path: Path) -> dict[str, dict[str, Tensor]]:
    weights: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    try:
        with safe_open(str(path), "pt") as file:
            for key in file.keys():  # noqa: SIM118 - not a dict
                part, _, name = key.partition(".")
                if part not in weights:
                    raise ValueError(f"unknown tensor {key}")
                weights[part][name] = file.get_tensor(key)
    except Exception as error:  # safetensors raises a class of its own
        raise ValueError(f"{path}: is damaged ({' '.join(str(error).split())[:100]}): fetch it again") from error
    return weights
