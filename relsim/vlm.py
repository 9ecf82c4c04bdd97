"""One Qwen2.5-VL in memory, several hats: LoRA adapters over one loaded base, switched per call.

vlm = load_vlm("Qwen/Qwen2.5-VL-7B-Instruct", device="cuda")
vlm.add_hat("encoder", adapter_config, adapter, processor_folder)
with vlm.wearing("encoder"):
    hidden = vlm.last_hidden(vlm.inputs([Turn([pixels], "<|query|>")], cut_after=query_id))
with vlm.wearing(None):  # the plain model
    answers = vlm.generate(vlm.inputs([Turn([pixels], "What is shown?")]), max_new_tokens=20)
"""

from __future__ import annotations

import itertools
import json
import re
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoTokenizer, LogitsProcessorList, ProcessorMixin, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VLVisionAttention,
    apply_rotary_pos_emb_vision,
)
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from analogen.relsim.hub import BASE_FILES, TEXTS, fetch, is_hub_id
from analogen.relsim.one_load import one_load
from analogen.relsim.text import quiet_transformers

Pixels = NDArray[np.uint8]  # (height, width, 3), sides multiples of `Vlm.side_unit`
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# What an adapter may set. Left out on purpose: settings that make peft import or fetch what a file names.
LORA_SETTINGS = frozenset({
    "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "bias", "use_rslora", "use_dora",
    "rank_pattern", "alpha_pattern", "layers_to_transform", "layers_pattern", "fan_in_fan_out",
    "trainable_token_indices", "task_type",
})  # fmt: skip
_ABOUT_THE_FILE = frozenset({
    "peft_type", "auto_mapping", "base_model_name_or_path", "revision", "inference_mode", "init_lora_weights",
    "modules_to_save", "peft_version", "loftq_config", "runtime_config", "megatron_core", "qalora_group_size",
    "save_embedding_layers",
})  # fmt: skip


class Processor(Qwen2_5_VLProcessor):
    """Qwen's processor without its video half, which torchvision would be needed for."""

    attributes = ["image_processor", "tokenizer"]  # noqa: RUF012

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **_: Any
    ) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


# The class name goes into the files that `save_pretrained` writes; by this one others can load them.
Processor.__name__ = Processor.__qualname__ = "Qwen2_5_VLProcessor"


def load_processor(folder: str | Path) -> Processor:
    """Tokenizer, chat template and picture settings of a folder. Raises ValueError if they cannot be used."""
    folder = Path(folder)
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            pictures = Qwen2VLImageProcessorPil.from_pretrained(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        line = " ".join(str(error).split())[:160]
        raise ValueError(f"{folder}: its tokenizer or picture settings cannot be read: {line}") from error
    template = _chat_template(folder) or tokenizer.chat_template
    if not template:
        raise ValueError(f"{folder}: has no chat template: copy chat_template.jinja from the base model")
    processor = Processor(pictures, tokenizer, chat_template=template)
    if processor.image_token_id in (None, tokenizer.unk_token_id):
        raise ValueError(f"{folder}: its tokenizer lacks {processor.image_token}: it is not one of Qwen2.5-VL")
    return processor


def _chat_template(folder: Path) -> str | None:
    """Newer folders hold chat_template.jinja, older ones chat_template.json."""
    jinja, old = folder / "chat_template.jinja", folder / "chat_template.json"
    if jinja.is_file():
        return jinja.read_text()
    return json.loads(old.read_text()).get("chat_template") if old.is_file() else None


class Turn(NamedTuple):
    """One user message: pictures, all shown before the words."""

    pictures: Sequence[Pixels]
    words: str


class Rows(NamedTuple):
    """Rows of a weight that a hat replaces while it is worn."""

    weight: str  # "embed_tokens" or "lm_head"
    ids: Tensor  # (k,)
    worn: Tensor  # (k, hidden)
    bare: Tensor  # (k, hidden), of the base


@dataclass
class Hat:
    """What a role adds to the base: an adapter of peft by this name, its processor, and rows of tokens."""

    name: str
    processor: Processor
    rows: list[Rows] = field(default_factory=list)
    trainable: bool = False


class Vlm:
    """A loaded base and its hats. Bare at first, which is the plain model.

    `wearing` holds a lock, so that threads which wear different hats take turns.
    """

    def __init__(self, model: Any, processor: Processor, name: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.name = name
        self.processor = processor
        self.hats: dict[str, Hat] = {}
        self.peft_model: Any = None  # from the first hat on; its get_base_model() is `model`
        self._worn: str | None = None
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
        """What the sides of pictures must be multiples of: a patch times the merge, 28 pixels."""
        vision = self.model.config.vision_config
        return int(vision.patch_size * vision.spatial_merge_size)

    # Hats

    def add_hat(
        self,
        name: str,
        adapter_config: Mapping[str, Any],
        adapter: Mapping[str, Tensor] | None = None,
        processor_folder: str | Path | None = None,
        trainable: bool = False,
    ) -> Hat:
        """Load a LoRA adapter beside the others; nothing is switched.

        adapter_config: as in adapter_config.json; adapter: tensors by peft's names, None for a fresh adapter (which
        changes nothing until it is trained). embed_tokens and lm_head, whole or as trained rows, may be among them:
        the rows that differ from the base's are kept and put in place while the hat is worn. trainable: leave
        gradients on, and trained rows to peft. Raises ValueError if the adapter does not fit the base.
        """
        peft = _peft()
        if name in self.hats or not name.isidentifier():
            raise ValueError(f"hat {name!r}: expected a new name of letters, digits and _")
        state = dict(adapter or {})
        settings = _lora_settings(adapter_config)
        processor = self.processor if processor_folder is None else load_processor(processor_folder)
        with self._lock, self.wearing(None):
            self._make_room(len(processor.tokenizer))
            rows = [] if trainable else self._take_rows(state, settings)
            config = peft.LoraConfig(**settings, inference_mode=not trainable)
            worn_before = self.peft_model is not None
            with warnings.catch_warnings():
                # peft asks transformers by a name that is going out of use; nothing that a user could change.
                warnings.simplefilter("ignore", FutureWarning)
                if worn_before:
                    self.peft_model.add_adapter(name, config)
                else:
                    self.peft_model = peft.get_peft_model(self.model, config, adapter_name=name)
            if adapter is not None:
                try:
                    self._load_adapter(name, state)
                except ValueError:
                    if worn_before:
                        self.peft_model.delete_adapter(name)
                    else:  # peft does not delete the last one: leave the base as it was
                        self.peft_model, _ = None, self.peft_model.unload()
                    raise
            self.hats[name] = Hat(name, processor, rows, trainable)
            self.peft_model.eval()
            self.peft_model.base_model.disable_adapter_layers()
        return self.hats[name]

    def hat_state(self, name: str) -> dict[str, Tensor]:
        """A hat's LoRA and, if peft trains them, its token rows, by the names that `add_hat` and PEFT folders use."""
        return {key: value.detach().cpu().clone() for key, value in self.hat_parameters(name).items()}

    def hat_parameters(self, name: str) -> dict[str, nn.Parameter]:
        """The parameters of one adapter by the names under which peft saves them: without the adapter's name.

        Peft's own function for it fails for every other adapter as soon as one has rows of tokens.
        """
        end = re.compile(rf"\.{name}(\.weight)?$")
        return {
            end.sub(r"\1", key): parameter
            for key, parameter in self.peft_model.named_parameters()
            if end.search(key) and (".lora_" in key or ".trainable_tokens_delta" in key)
        }

    def _load_adapter(self, name: str, state: dict[str, Tensor]) -> None:
        own = self.hat_parameters(name)
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

    def _take_rows(self, state: dict[str, Tensor], settings: dict[str, Any]) -> list[Rows]:
        """Take token rows out of an adapter's tensors; what is left is LoRA alone."""
        indices = settings.pop("trainable_token_indices", None) or {}
        named = indices if isinstance(indices, dict) else {"embed_tokens": indices}
        found: list[Rows] = []
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
                found.append(Rows(weight, ids[differs].to(where), worn, bare))
        return found

    def _weight(self, name: str) -> Tensor:
        if name == "embed_tokens":
            return self.model.get_input_embeddings().weight
        return self.model.get_output_embeddings().weight

    def _make_room(self, tokens: int) -> None:
        """Grow the embeddings if a tokenizer has more tokens; never shrink them, the hats share the base."""
        have = self.model.get_input_embeddings().weight.shape[0]
        if tokens <= have:
            return
        self.model.resize_token_embeddings(tokens, mean_resizing=False)
        for name in ("embed_tokens", "lm_head"):
            weight = self._weight(name)
            with torch.no_grad():  # the mean, not a random draw: the same every time
                weight[have:] = weight[:have].float().mean(0).to(weight.dtype)

    @contextmanager
    def wearing(self, name: str | None) -> Iterator[Vlm]:
        """Wear a hat, or none (the plain base), within the block; afterwards the one before is back on."""
        if name is not None and name not in self.hats:
            raise ValueError(f"no hat {name!r}: known are {', '.join(self.hats) or 'none yet'}")
        with self._lock:
            before = self._worn
            self._put_on(name)
            try:
                yield self
            finally:
                self._put_on(before)

    def _put_on(self, name: str | None) -> None:
        if name == self._worn:
            return
        with torch.no_grad():
            for rows in self.hats[self._worn].rows if self._worn else []:
                self._write(rows, rows.bare)
            for rows in self.hats[name].rows if name else []:
                self._write(rows, rows.worn)
        tuner = self.peft_model.base_model
        if name is None:
            tuner.disable_adapter_layers()
        else:
            tuner.enable_adapter_layers()
            tuner.set_adapter(name, inference_mode=not self.hats[name].trainable)
        self._worn = name

    def _write(self, rows: Rows, values: Tensor) -> None:
        weight = self._weight(rows.weight)  # the model may have moved since the rows were read
        weight[rows.ids.to(weight.device)] = values.to(weight.device)

    def checkpoint_activations(self) -> None:
        """Trade time for memory in training: the language model's activations are computed again on the way back."""
        # Not in the vision tower, through which no gradient passes. The call's name changed in transformers 5.
        language = self.model.model.language_model
        enable = getattr(language, "activation_checkpointing_enable", None) or language.gradient_checkpointing_enable
        enable({"use_reentrant": False})

    # Inputs

    def inputs(
        self, turns: Sequence[Turn], cut_after: int | None = None, answers: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """One batch for the model, on its device, padded on the left: the last position is each row's own last token.

        turns: one conversation per row. cut_after: end every row at this token, which must be in it once; nothing
        after it can change what the model makes of it. Otherwise the assistant's turn is opened. answers: what it says
        there, one per row, each followed by the sign that ends it; `labels` then holds their tokens, and -100
        elsewhere, for `answer_logits`.
        Raises ValueError if the words hold special tokens that would be taken for pictures.
        """
        processor = self.hats[self._worn].processor if self._worn else self.processor
        rows = [self._token_ids(processor, turn, cut_after) for turn in turns]
        said = [self.answer_ids(answer) for answer in answers] if answers is not None else [[] for _ in turns]
        rows = [[*row, *ids] for row, ids in zip(rows, said, strict=True)]
        pictures = [pixels for turn in turns for pixels in turn.pictures]
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
        """The tokens of an answer with the one that ends it. They are split apart from the question's, as they are
        when the model says them."""
        tokenizer = (self.hats[self._worn].processor if self._worn else self.processor).tokenizer
        return [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]

    def _token_ids(self, processor: Processor, turn: Turn, cut_after: int | None) -> list[int]:
        shown: list[Any] = [{"type": "image"} for _ in turn.pictures]
        content = [*shown, {"type": "text", "text": turn.words}]
        message: list[dict[str, Any]] = [{"role": "user", "content": content}]
        text = processor.apply_chat_template(message, tokenize=False, add_generation_prompt=cut_after is None)
        ids: list[int] = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        if ids.count(processor.image_token_id) != len(turn.pictures):
            raise ValueError(
                f"the words {turn.words[:60]!r} hold {processor.image_token}, a sign for pictures: leave it out"
            )
        counts = iter([pixels.shape[0] * pixels.shape[1] // self.side_unit**2 for pixels in turn.pictures])
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
            # A still picture is shown as a film of equal frames.
            flat = flat.expand(-1, -1, int(settings.temporal_patch_size), -1).reshape(len(flat), -1)
            parts.append(flat)
            grids += [[1, rows, columns]] * len(stack)
        return torch.cat(parts), torch.tensor(grids, device=self.device)

    # What the model makes of them, wearing whatever is worn

    def last_hidden(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The last layer's hidden state at each row's last token, (B, hidden); no language head is computed."""
        return self.model.model(**inputs, use_cache=False).last_hidden_state[:, -1]

    def answer_logits(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Logits (N, vocabulary), fp32, and tokens (N,) of all answers of `inputs`, one after the other.

        The head runs on their positions only: over whole rows its output would be the largest tensor of a training.
        """
        rest = {key: value for key, value in inputs.items() if key != "labels"}
        hidden = self.model.model(**rest, use_cache=False).last_hidden_state  # (B, T, hidden)
        labels = inputs["labels"][:, 1:]  # what position t says is token t + 1
        spoken = labels != -100
        return self.model.lm_head(hidden[:, :-1][spoken]).float(), labels[spoken]

    def next_token_logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Logits of the token that would follow, (B, vocabulary), fp32: the head runs on one position only."""
        return self.model.lm_head(self.last_hidden(inputs)).float()

    def picture_features(self, pictures: Sequence[Pixels]) -> list[Tensor]:
        """The vision tower's merged patches of each picture, (tokens, hidden); hats do not change them."""
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
        """The answers as text, one per row; temperature 0 is greedy. With a seed the same draws come again.

        processors: transformers' LogitsProcessors, applied at every step.
        """
        processor = self.hats[self._worn].processor if self._worn else self.processor
        tokenizer = processor.tokenizer
        # All said here: the base's own generation_config.json differs from release to release.
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
                eos_token_id=self._ends(tokenizer),
                logits_processor=LogitsProcessorList(processors),
                **{**plain, **sampling},
            )
        new = out[:, inputs["input_ids"].shape[1] :]
        return [text.strip() for text in tokenizer.batch_decode(new, skip_special_tokens=True)]

    def _ends(self, tokenizer: Any) -> list[int]:
        own = self.model.generation_config.eos_token_id
        named = [own] if isinstance(own, int) else list(own or [])
        return sorted({*named, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])})


class WindowedAttention(Qwen2_5_VLVisionAttention):
    """Vision attention that takes windows of equal length in one call.

    The original calls the kernel once per window: 16 times per picture of 448 px and layer, which leaves a GPU idle.
    """

    def forward(
        self,
        hidden_states: Tensor,
        cu_seqlens: Tensor,
        position_embeddings: tuple[Tensor, Tensor] | None = None,
        max_seqlen: int | None = None,
        **kwargs: Any,
    ) -> Tensor:
        tokens, length = len(hidden_states), _even_length(cu_seqlens)
        if length is None or position_embeddings is None or self.config._attn_implementation != "sdpa":
            return super().forward(
                hidden_states, cu_seqlens, position_embeddings=position_embeddings, max_seqlen=max_seqlen, **kwargs
            )
        query, key, value = self.qkv(hidden_states).view(tokens, 3, self.num_heads, -1).unbind(1)  # each (N, nh, hs)
        query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        windows = tokens // length
        query, key, value = (x.view(windows, length, self.num_heads, -1).transpose(1, 2) for x in (query, key, value))
        found = F.scaled_dot_product_attention(query, key, value, scale=self.scaling)  # (windows, nh, length, hs)
        return self.proj(found.transpose(1, 2).reshape(tokens, -1))


def _even_length(cu_seqlens: Tensor) -> int | None:
    """The length of all windows if they are equal. Kept on the tensor, which all layers share: the question makes
    a GPU wait."""
    if not hasattr(cu_seqlens, "even_length"):
        lengths = set((cu_seqlens[1:] - cu_seqlens[:-1]).tolist())
        cu_seqlens.even_length = lengths.pop() if len(lengths) == 1 else None  # type: ignore[attr-defined]
    return cu_seqlens.even_length  # type: ignore[attr-defined]


def pick_dtype(name: str, device: str) -> torch.dtype:
    """The weights' type. "auto": bf16 where the device multiplies it natively, else fp16 on GPUs and fp32 on CPUs."""
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
    """The base by folder or hub id, loaded once per process: every hat asks here and shares it.

    shared: False loads one that nobody else has, as a training needs it, which leaves gradients and dropout on.
    Raises ValueError or FileNotFoundError with one line.
    """
    if not Path(base).is_dir() and not is_hub_id(base):
        raise FileNotFoundError(f"base model {base!r}: no such folder and no hub id: name one that is here")
    _peft()  # said before gigabytes are fetched
    if device == "cuda":
        device = f"cuda:{torch.cuda.current_device()}"
    load = _load_vlm if shared else _load_vlm.__wrapped__
    return load(base, revision, device, pick_dtype(dtype, device), attention, cache_dir)


class Base(NamedTuple):
    """A base model by name, the commit if it is the hub's, and the folder of its small files."""

    name: str
    revision: str | None
    folder: Path


def find_base(name: str) -> Base:
    """Where a base is, a folder or hub id ("org/name@revision"), before its weights are fetched.

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
    with one_load, quiet_transformers():
        processor = load_processor(folder)
        try:
            model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
                folder,
                dtype=dtype,
                attn_implementation=attention,
                use_safetensors=True,
                trust_remote_code=False,
                # Straight to the device: 15 GiB need not pass through the machine's memory first.
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


def _lora_settings(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of adapter_config.json that LoRA needs; others may only stand at what changes nothing."""
    if raw.get("peft_type", "LORA") != "LORA":
        raise ValueError(f"the adapter is of kind {raw.get('peft_type')!r}, expected 'LORA'")
    saved = set(raw.get("modules_to_save") or ())
    if saved - {"embed_tokens", "lm_head"}:
        raise ValueError(f"the adapter replaces whole modules {sorted(saved)}: only embed_tokens and lm_head may be")
    for key, value in raw.items():
        if key not in LORA_SETTINGS | _ABOUT_THE_FILE and value not in (None, False, [], {}):
            raise ValueError(f"the adapter sets {key} = {value!r}, which is not supported")
    return {key: raw[key] for key in LORA_SETTINGS & set(raw) if raw[key] is not None}


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise ImportError('Qwen encoders need peft: pip install "analogen[qwen]"') from error
    return peft
