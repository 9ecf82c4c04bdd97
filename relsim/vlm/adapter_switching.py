"""Adds LoRA adapters to one base model and switches between them: `AdapterSwitching.using_adapter`."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from analogen.relsim.vlm.lora_settings import check_lora_settings, import_peft
from analogen.relsim.vlm.processor import Processor, load_processor


class TokenRows(NamedTuple):
    """Rows of a token embedding that an adapter replaces while it is active."""

    weight: str  # "embed_tokens" or "lm_head"
    ids: Tensor  # (k,)
    adapted: Tensor  # (k, hidden)
    base: Tensor  # (k, hidden)


@dataclass
class Adapter:
    """What a role adds to the base: a peft adapter of this name, its processor, and rows of token embeddings."""

    name: str
    processor: Processor
    rows: list[TokenRows] = field(default_factory=list)
    trainable: bool = False


class AdapterSwitching:
    """A base model, frozen, and its adapters; none is active at first.

    `using_adapter` holds a lock, so that threads which use different adapters wait for each other.
    """

    def __init__(self, model: Any, processor: Processor, name: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.processor = processor
        self.name = name
        self.adapters: dict[str, Adapter] = {}
        self.peft_model: Any = None  # from the first adapter on; its get_base_model() is `model`
        self._active: str | None = None
        self._lock = threading.RLock()

    def add_adapter(
        self,
        name: str,
        adapter_config: Mapping[str, Any],
        adapter: Mapping[str, Tensor] | None = None,
        processor_folder: str | Path | None = None,
        trainable: bool = False,
    ) -> Adapter:
        """Loads a LoRA adapter beside the others, without making it active.

        adapter_config: as in adapter_config.json; adapter: tensors by peft's names, None for a fresh adapter (which
        changes nothing until it is trained). embed_tokens and lm_head, whole or as trained rows, may be among them:
        the rows that differ from the base's are kept and put in place while the adapter is active. trainable: leave
        gradients on, and trained rows to peft. Raises ValueError if the adapter does not fit the base.
        """
        peft = import_peft()
        if name in self.adapters or not name.isidentifier():
            raise ValueError(f"adapter {name!r}: expected a new name of letters, digits and _")
        state = dict(adapter or {})
        settings = check_lora_settings(adapter_config)
        processor = self.processor if processor_folder is None else load_processor(processor_folder)
        with self._lock, self.using_adapter(None):
            self._grow_embeddings(len(processor.tokenizer))
            rows = [] if trainable else self._take_rows(state, settings)
            config = peft.LoraConfig(**settings, inference_mode=not trainable)
            loaded_before = self.peft_model is not None
            with warnings.catch_warnings():
                # peft asks transformers by a name that is going out of use; nothing that a user could change.
                warnings.simplefilter("ignore", FutureWarning)
                if loaded_before:
                    self.peft_model.add_adapter(name, config)
                else:
                    self.peft_model = peft.get_peft_model(self.model, config, adapter_name=name)
            if adapter is not None:
                try:
                    self._load_adapter(name, state)
                except ValueError:
                    if loaded_before:
                        self.peft_model.delete_adapter(name)
                    else:  # peft does not delete the last one: leave the base as it was
                        self.peft_model, _ = None, self.peft_model.unload()
                    raise
            self.adapters[name] = Adapter(name, processor, rows, trainable)
            self.peft_model.eval()
            self.peft_model.base_model.disable_adapter_layers()
        return self.adapters[name]

    def adapter_state(self, name: str) -> dict[str, Tensor]:
        """An adapter's LoRA weights and trained token rows, by the names that `add_adapter` and PEFT folders use."""
        return {key: value.detach().cpu().clone() for key, value in self.adapter_parameters(name).items()}

    def adapter_parameters(self, name: str) -> dict[str, nn.Parameter]:
        """The parameters of one adapter, by the names under which peft saves them: without the adapter's name.

        Peft's own function fails for all other adapters as soon as one adapter has trained token rows.
        """
        end = re.compile(rf"\.{name}(\.weight)?$")
        return {
            end.sub(r"\1", key): parameter
            for key, parameter in self.peft_model.named_parameters()
            if end.search(key) and (".lora_" in key or ".trainable_tokens_delta" in key)
        }

    def _load_adapter(self, name: str, state: dict[str, Tensor]) -> None:
        own = self.adapter_parameters(name)
        # Before transformers 4.52 the language model lay one level higher.
        old, new = "base_model.model.model.layers.", "base_model.model.model.language_model.layers."
        found = {key if key in own else key.replace(old, new): value for key, value in state.items()}
        missing, strange = sorted(own.keys() - found.keys()), sorted(found.keys() - own.keys())
        if missing or strange:
            what = f"lacks {missing[0]}" if missing else f"holds {strange[0]}"
            raise ValueError(
                f"the adapter does not fit {self.name}: it {what} ({len(missing)} missing, {len(strange)} too many)"
            )
        for key, value in found.items():
            if value.shape != own[key].shape:
                shapes = f"{tuple(value.shape)}, expected {tuple(own[key].shape)}"
                raise ValueError(f"the adapter does not fit {self.name}: its {key} is {shapes}")
        with torch.no_grad():
            for key, value in found.items():
                own[key].copy_(value)

    def _take_rows(self, state: dict[str, Tensor], settings: dict[str, Any]) -> list[TokenRows]:
        """Removes the token rows from an adapter's tensors and returns them; the LoRA weights remain."""
        indices = settings.pop("trainable_token_indices", None) or {}
        named = indices if isinstance(indices, dict) else {"embed_tokens": indices}
        found: list[TokenRows] = []
        for key in list(state):
            weight = next((w for w in ("embed_tokens", "lm_head") if f".{w}." in key and ".lora_" not in key), None)
            if weight is None:
                continue
            values, target = state.pop(key), self._weight(weight)
            if key.endswith("trainable_tokens_delta"):
                ids = torch.tensor(next((i for n, i in named.items() if n.endswith(weight)), []), dtype=torch.long)
                fits = len(ids) == len(values) and (not len(ids) or int(ids.max()) < len(target))
            else:
                ids, fits = torch.arange(min(len(values), len(target))), True
                values = values[: len(ids)]
            if not fits or values.shape[1:] != target.shape[1:]:
                raise ValueError(f"the adapter does not fit {self.name}: its {key} is {tuple(values.shape)}")
            bare = target[ids.to(target.device)].detach().cpu()
            # Equal where the coarser of the two types cannot tell them apart.
            coarse = min(values.dtype, bare.dtype, key=lambda dtype: torch.finfo(dtype).bits)
            differs = (values.to(coarse) != bare.to(coarse)).any(1)
            if differs.any():
                where = target.device
                worn, bare = values[differs].to(target.dtype).to(where), bare[differs].to(where)
                found.append(TokenRows(weight, ids[differs].to(where), worn, bare))
        return found

    def _weight(self, name: str) -> Tensor:
        if name == "embed_tokens":
            return self.model.get_input_embeddings().weight
        return self.model.get_output_embeddings().weight

    def _grow_embeddings(self, tokens: int) -> None:
        """Enlarges the embeddings if a tokenizer has more tokens. They never shrink: adapters share them."""
        have = self.model.get_input_embeddings().weight.shape[0]
        if tokens <= have:
            return
        self.model.resize_token_embeddings(tokens, mean_resizing=False)
        for name in ("embed_tokens", "lm_head"):
            weight = self._weight(name)
            with torch.no_grad():  # the mean, not a random draw: the same every time
                weight[have:] = weight[:have].float().mean(0).to(weight.dtype)

    @contextmanager
    def using_adapter(self, name: str | None) -> Iterator[Self]:
        """Makes an adapter active within the block, or None for the base model; then restores the previous one."""
        if name is not None and name not in self.adapters:
            raise ValueError(f"no adapter {name!r}: known are {', '.join(self.adapters) or 'none yet'}")
        with self._lock:
            before = self._active
            self._activate(name)
            try:
                yield self
            finally:
                self._activate(before)

    def _activate(self, name: str | None) -> None:
        if name == self._active:
            return
        with torch.no_grad():
            for rows in self.adapters[self._active].rows if self._active else []:
                self._write(rows, rows.base)
            for rows in self.adapters[name].rows if name else []:
                self._write(rows, rows.adapted)
        tuner = self.peft_model.base_model
        if name is None:
            tuner.disable_adapter_layers()
        else:
            tuner.enable_adapter_layers()
            tuner.set_adapter(name, inference_mode=not self.adapters[name].trainable)
        self._active = name

    def _write(self, rows: TokenRows, values: Tensor) -> None:
        weight = self._weight(rows.weight)  # the model may have moved since the rows were read
        weight[rows.ids.to(weight.device)] = values.to(weight.device)
