"""Runs one Qwen2.5-VL with several LoRA adapters: `Vlm.using_adapter` switches between them for each call.

vlm = load_vlm("Qwen/Qwen2.5-VL-7B-Instruct", device="cuda")
vlm.add_adapter("encoder", adapter_config, adapter, processor_folder)
with vlm.using_adapter("encoder"):
    hidden = vlm.last_hidden(vlm.inputs([UserMessage([pixels], "<|query|>")], cut_after=query_id))
with vlm.using_adapter(None):  # the base model alone
    answers = vlm.generate(vlm.inputs([UserMessage([pixels], "What is shown?")]), max_new_tokens=20)
"""

from __future__ import annotations

import itertools
import re
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import LogitsProcessorList
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLVisionAttention

from analogen.relsim.vlm.attention import WindowedAttention
from analogen.relsim.vlm.lora_settings import check_lora_settings, import_peft
from analogen.relsim.vlm.processor import Processor, load_processor

Pixels = NDArray[np.uint8]  # (height, width, 3), sides multiples of `Vlm.side_unit`


class UserMessage(NamedTuple):
    """One user message: images, all shown before the text."""

    images: Sequence[Pixels]
    text: str


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


class Vlm:
    """A loaded base model and its adapters; none is active at first.

    `using_adapter` holds a lock, so that threads which use different adapters wait for each other.
    """

    def __init__(self, model: Any, processor: Processor, name: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.name = name
        self.processor = processor
        self.adapters: dict[str, Adapter] = {}
        self.peft_model: Any = None  # from the first adapter on; its get_base_model() is `model`
        self._active: str | None = None
        self._lock = threading.RLock()
        for block in model.model.visual.blocks:
            if type(block.attn) is Qwen2_5_VLVisionAttention:
                block.attn.__class__ = WindowedAttention

    @property
    def device(self) -> torch.device:
        return self.model.get_input_embeddings().weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def hidden_size(self) -> int:
        return int(self.model.config.get_text_config().hidden_size)

    @property
    def side_unit(self) -> int:
        """The unit of pictures' sides in pixels, 28: the patch size times the merge size."""
        vision = self.model.config.vision_config
        return int(vision.patch_size * vision.spatial_merge_size)

    # Adapters

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
    def using_adapter(self, name: str | None) -> Iterator[Vlm]:
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

    def enable_gradient_checkpointing(self) -> None:
        """Saves memory in training: activations of the language model are computed again in the backward pass."""
        # Not in the vision tower, through which no gradient passes. The call's name changed in transformers 5.
        language = self.model.model.language_model
        enable = getattr(language, "activation_checkpointing_enable", None) or language.gradient_checkpointing_enable
        enable({"use_reentrant": False})

    # Inputs

    def inputs(
        self, messages: Sequence[UserMessage], cut_after: int | None = None, answers: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """Builds one batch for the model, on its device. Rows are padded on the left, so that the last position is each
        row's last token.

        messages: one conversation per row. cut_after: end every row at this token, which must be in it exactly once;
        later tokens could not change its hidden state. Without it, the row ends where the assistant's answer starts.
        answers: the assistant's answers, one per row, each followed by the end token; `labels` then holds their tokens,
        and -100 elsewhere, for `answer_logits`.
        Raises ValueError if the text holds special tokens that would be taken for pictures.
        """
        processor = self.adapters[self._active].processor if self._active else self.processor
        rows = [self._token_ids(processor, message, cut_after) for message in messages]
        said = [self.answer_ids(answer) for answer in answers] if answers is not None else [[] for _ in messages]
        rows = [[*row, *ids] for row, ids in zip(rows, said, strict=True)]
        pictures = [pixels for message in messages for pixels in message.images]
        length, pad = max(map(len, rows)), processor.tokenizer.pad_token_id or 0
        ids = torch.tensor([[pad] * (length - len(row)) + row for row in rows])  # (B, T)
        mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
        batch = {"input_ids": ids, "attention_mask": mask}
        # Qwen counts positions in three directions, and finds the pictures' by this.
        batch["mm_token_type_ids"] = ((ids == processor.image_token_id) & (mask == 1)).int()
        if answers is not None:
            spoken = torch.tensor([[0] * (length - len(answer)) + [1] * len(answer) for answer in said])
            batch["labels"] = ids.masked_fill(spoken == 0, -100)
        batch = {key: value.to(self.device) for key, value in batch.items()}
        if pictures:
            batch["pixel_values"], batch["image_grid_thw"] = self._patches(processor, pictures)
        return batch

    def answer_ids(self, answer: str) -> list[int]:
        """The tokens of an answer, and the end token. The answer is tokenised apart from the question, as it is when
        the model generates it."""
        tokenizer = (self.adapters[self._active].processor if self._active else self.processor).tokenizer
        return [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]

    def _token_ids(self, processor: Processor, message: UserMessage, cut_after: int | None) -> list[int]:
        shown: list[Any] = [{"type": "image"} for _ in message.images]
        content = [*shown, {"type": "text", "text": message.text}]
        chat: list[dict[str, Any]] = [{"role": "user", "content": content}]
        text = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=cut_after is None)
        ids: list[int] = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        if ids.count(processor.image_token_id) != len(message.images):
            raise ValueError(
                f"the text {message.text[:60]!r} holds {processor.image_token}, which stands for pictures: remove it"
            )
        counts = iter([pixels.shape[0] * pixels.shape[1] // self.side_unit**2 for pixels in message.images])
        ids = [i for token in ids for i in ([token] * next(counts) if token == processor.image_token_id else [token])]
        if cut_after is None:
            return ids
        if ids.count(cut_after) != 1:
            raise ValueError(f"token {cut_after} is {ids.count(cut_after)} times in the prompt, expected once")
        return ids[: ids.index(cut_after) + 1]

    def _patches(self, processor: Processor, pictures: Sequence[Pixels]) -> tuple[Tensor, Tensor]:
        """pixel_values (patches, 3 * 2 * 14 * 14) and image_grid_thw (n, 3), as Qwen's own processor makes them."""
        settings = processor.image_processor
        mean = torch.tensor(settings.image_mean, device=self.device) * 255
        deviation = torch.tensor(settings.image_std, device=self.device) * 255
        patch, merge = int(settings.patch_size), int(settings.merge_size)
        parts, grids = [], []
        for (height, width, _), group in itertools.groupby(pictures, key=lambda pixels: pixels.shape):
            if height % (patch * merge) or width % (patch * merge):
                raise ValueError(f"a picture of {width} x {height} pixels: sides must be multiples of {patch * merge}")
            stack = torch.from_numpy(np.stack(list(group))).to(self.device)  # (n, height, width, 3), bytes on the way
            values = ((stack.float() - mean) / deviation).to(self.dtype)
            rows, columns = height // patch, width // patch
            values = values.view(
                len(stack), rows // merge, merge, patch, columns // merge, merge, patch, 3
            ).permute(0, 1, 4, 2, 5, 7, 3, 6)  # (n, rows/m, columns/m, m, m, 3, p, p)  # fmt: skip
            flat = values.reshape(-1, 3, 1, patch * patch)
            # The model takes a still picture as a video of equal frames.
            flat = flat.expand(-1, -1, int(settings.temporal_patch_size), -1).reshape(len(flat), -1)
            parts.append(flat)
            grids += [[1, rows, columns]] * len(stack)
        return torch.cat(parts), torch.tensor(grids, device=self.device)

    # Outputs, with the active adapter

    def last_hidden(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The last layer's hidden state at each row's last token, (B, hidden), without the language head."""
        return self.model.model(**inputs, use_cache=False).last_hidden_state[:, -1]

    def answer_logits(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Logits (N, vocabulary), fp32, and tokens (N,) of all answers in `inputs`, concatenated.

        The language head runs on their positions only: for whole rows its output would be the largest tensor.
        """
        rest = {key: value for key, value in inputs.items() if key != "labels"}
        hidden = self.model.model(**rest, use_cache=False).last_hidden_state  # (B, T, hidden)
        labels = inputs["labels"][:, 1:]  # what position t says is token t + 1
        spoken = labels != -100
        return self.model.lm_head(hidden[:, :-1][spoken]).float(), labels[spoken]

    def next_token_logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Logits of the next token, (B, vocabulary), fp32; the language head runs on one position only."""
        return self.model.lm_head(self.last_hidden(inputs)).float()

    def image_features(self, pictures: Sequence[Pixels]) -> list[Tensor]:
        """The vision tower's merged patches of each picture, (tokens, hidden); adapters do not change them."""
        patches, grids = self._patches(self.processor, pictures)
        return list(self.model.model.get_image_features(patches, grids, return_dict=True).pooler_output)

    @torch.inference_mode()
    def generate(
        self,
        inputs: Mapping[str, Tensor],
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        processors: Sequence[Any] = (),
    ) -> list[str]:
        """Generates answers as text, one per row. Temperature 0 is greedy; equal seeds give equal draws.

        processors: transformers' LogitsProcessors, applied at every step.
        """
        processor = self.adapters[self._active].processor if self._active else self.processor
        tokenizer = processor.tokenizer
        # All set here: the base's own generation_config.json differs from release to release.
        sampling = {"temperature": temperature, "top_p": top_p, "top_k": 0} if temperature > 0 else {}
        plain = {"temperature": None, "top_p": None, "top_k": None}
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices, enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            out = self.model.generate(
                **inputs,
                max_new_tokens=max_new_tokens,
                do_sample=temperature > 0,
                repetition_penalty=1.0,
                pad_token_id=tokenizer.pad_token_id or 0,
                eos_token_id=self._end_tokens(tokenizer),
                logits_processor=LogitsProcessorList(processors),
                **{**plain, **sampling},
            )
        new = out[:, inputs["input_ids"].shape[1] :]
        return [text.strip() for text in tokenizer.batch_decode(new, skip_special_tokens=True)]

    def _end_tokens(self, tokenizer: Any) -> list[int]:
        own = self.model.generation_config.eos_token_id
        named = [own] if isinstance(own, int) else list(own or [])
        return sorted({*named, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])})
