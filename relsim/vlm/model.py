"""Runs one Qwen2.5-VL with several LoRA adapters: its inputs, hidden states and answers.

vlm = load_vlm("Qwen/Qwen2.5-VL-7B-Instruct", device="cuda")
vlm.add_adapter("encoder", adapter_config, adapter, processor_folder)
with vlm.using_adapter("encoder"):
    hidden = vlm.last_hidden(vlm.inputs([UserMessage([pixels], "<|query|>")], cut_after=query_id))
with vlm.using_adapter(None):  # the base model alone
    answers = vlm.generate(vlm.inputs([UserMessage([pixels], "What is shown?")]), max_new_tokens=20)
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import LogitsProcessorList
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLVisionAttention

from analogen.relsim.vlm.adapter_switching import AdapterSwitching
from analogen.relsim.vlm.attention import WindowedAttention
from analogen.relsim.vlm.processor import Processor

Pixels = NDArray[np.uint8]  # (height, width, 3), sides multiples of `Vlm.side_unit`


class UserMessage(NamedTuple):
    """One user message: images, all shown before the text."""

    images: Sequence[Pixels]
    text: str


class Vlm(AdapterSwitching):
    """A loaded base model and its adapters; none is active at first."""

    def __init__(self, model: Any, processor: Processor, name: str) -> None:
        super().__init__(model, processor, name)
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
