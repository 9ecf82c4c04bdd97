"""Builds tiny Qwen2.5-VL models with random weights in the published file layout, for tests.

For tests, benchmarks and machines without the hub. Nothing that they say about a picture means anything.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from analogen.relsim.text import TEXT_DIM, quiet_transformers
from analogen.relsim.vlm.checkpoint import Checkpoint, Layout, write_checkpoint
from analogen.relsim.vlm.processor import Processor

QUERY_TOKEN = "<|query|>"
SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
# The parts have the order of Qwen's template.
TEMPLATE = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class Size:
    """Widths and depths; `TINY` runs in milliseconds. vocabulary: rows of the embeddings, at least 300."""

    hidden: int = 64
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    intermediate: int = 128
    vocabulary: int = 320
    vision_hidden: int = 32
    vision_layers: int = 2
    vision_heads: int = 2
    vision_intermediate: int = 64
    whole_layers: tuple[int, ...] = (1,)  # of the vision tower: those that attend beyond their window


TINY = Size()
# About 100M parameters, in proportions of tower, layers and vocabulary near those of the 7B.
SMALL = Size(
    hidden=768, layers=12, heads=12, kv_heads=2, intermediate=2304, vocabulary=6144, vision_hidden=320,
    vision_layers=8, vision_heads=4, vision_intermediate=864, whole_layers=(1, 3, 5, 7),
)  # fmt: skip
# Qwen2.5-VL-7B-Instruct.
SEVEN_B = Size(
    hidden=3584, layers=28, heads=28, kv_heads=4, intermediate=18944, vocabulary=152064, vision_hidden=1280,
    vision_layers=32, vision_heads=16, vision_intermediate=3420, whole_layers=(7, 15, 23, 31),
)  # fmt: skip


def config_of(size: Size) -> Qwen2_5_VLConfig:
    """The configuration of a base of this size."""
    third = size.hidden // size.heads // 2
    section = [third - 2 * (third * 3 // 8), third * 3 // 8, third * 3 // 8]
    ids = {name: 256 + number for number, name in enumerate(SPECIAL)}
    return Qwen2_5_VLConfig(
        text_config={
            "hidden_size": size.hidden, "num_hidden_layers": size.layers, "num_attention_heads": size.heads,
            "num_key_value_heads": size.kv_heads, "intermediate_size": size.intermediate,
            "vocab_size": size.vocabulary, "max_position_embeddings": 32768,
            "rope_scaling": {"type": "mrope", "rope_type": "default", "mrope_section": section},
            "rope_theta": 1000000.0, "tie_word_embeddings": False,
            "bos_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"],
        },
        vision_config={
            "hidden_size": size.vision_hidden, "depth": size.vision_layers, "num_heads": size.vision_heads,
            "intermediate_size": size.vision_intermediate, "out_hidden_size": size.hidden,
            "fullatt_block_indexes": list(size.whole_layers), "window_size": 112, "tokens_per_second": 2,
        },
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=False,
    )  # fmt: skip


def build_processor(*extra: str) -> Processor:
    """Builds a processor whose tokens are bytes, Qwen's special tokens and `extra` ones."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in (*SPECIAL, *extra)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=32768
    )
    pictures = Qwen2VLImageProcessorPil(size={"shortest_edge": 3136, "longest_edge": 12845056})
    return Processor(pictures, tokenizer, chat_template=TEMPLATE)


def save_base(folder: str | Path, size: Size = TINY, seed: int = 0, dtype: torch.dtype = torch.float32) -> Path:
    """Writes a random base model with its processor."""
    folder = Path(folder)
    with quiet_transformers():
        random_model(size, seed, dtype).save_pretrained(folder)
    save_processor(build_processor(), folder)
    return folder


def random_model(
    size: Size = TINY, seed: int = 0, dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> Qwen2_5_VLForConditionalGeneration:
    """Creates a random base in memory on the device, so that a 7B needs no file and little time."""
    with torch.device(device):
        model = Qwen2_5_VLForConditionalGeneration._from_config(
            config_of(size), dtype=dtype, attn_implementation="sdpa"
        )
    generator = torch.Generator(device).manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            for name, weight in module.named_parameters(recurse=False):
                if weight.ndim == 1:
                    weight.fill_(0.0 if name == "bias" else 1.0)
                else:
                    # Larger than usual, or all pictures would get nearly equal features.
                    fan = 1 if isinstance(module, nn.Embedding) else weight[0].numel()
                    weight.normal_(0, 1.5 / fan**0.5, generator=generator)
    return model.eval()


def random_adapter(size: Size = TINY, seed: int = 0, rank: int = 4) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """adapter_config.json and tensors of a LoRA on q_proj and v_proj that changes the base's outputs."""
    generator = torch.Generator().manual_seed(seed)
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 2 * rank, "lora_dropout": 0.05,
        "bias": "none", "target_modules": ["q_proj", "v_proj"], "base_model_name_or_path": None, "revision": None,
        "inference_mode": True,
    }  # fmt: skip
    outs = {"q_proj": size.hidden, "v_proj": size.hidden // size.heads * size.kv_heads}
    tensors: dict[str, Tensor] = {}
    for layer, (name, out) in itertools.product(range(size.layers), outs.items()):
        key = f"base_model.model.model.language_model.layers.{layer}.self_attn.{name}"
        tensors[f"{key}.lora_A.weight"] = torch.randn(rank, size.hidden, generator=generator) / size.hidden**0.5
        tensors[f"{key}.lora_B.weight"] = torch.randn(out, rank, generator=generator) / rank**0.5
    return config, tensors


def save_checkpoint(
    folder: str | Path, base: str, size: Size = TINY, seed: int = 1, layout: Layout = "authors", rank: int = 4
) -> Path:
    """Writes a random checkpoint of the encoder for a base, named by hub id or folder."""
    folder = Path(folder)
    config, adapter = random_adapter(size, seed, rank)
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(TEXT_DIM, size.hidden, generator=generator) / size.hidden**0.5
    bias = torch.randn(TEXT_DIM, generator=generator) / 10
    processor = build_processor(QUERY_TOKEN)
    query = processor.tokenizer.convert_tokens_to_ids(QUERY_TOKEN)
    with tempfile.TemporaryDirectory() as made:
        save_processor(processor, made)
        checkpoint = Checkpoint(Path(made), base, config, adapter, weight, bias, QUERY_TOKEN, query)
        write_checkpoint(checkpoint, folder, layout)
    return folder


def save_adapter(folder: str | Path, base: str, size: Size = TINY, seed: int = 2, rank: int = 4) -> Path:
    """Writes a random LoRA for a base, named by hub id or folder, as PEFT does: a captioner or a filter."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config, adapter = random_adapter(size, seed, rank)
    (folder / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": base}))
    save_file(adapter, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})
    return folder


def save_processor(processor: Processor, folder: str | Path) -> None:
    """Writes the processor's files in the format of older releases, which newer ones read too."""
    folder = Path(folder)
    with quiet_transformers():
        processor.tokenizer.save_pretrained(folder)
        processor.image_processor.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
