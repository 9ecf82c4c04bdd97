"""Validates the LoRA settings of an adapter file, and imports peft with a clear error if it is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Settings that an adapter may have. Settings that make peft import or download what a file names are excluded.
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


def check_lora_settings(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of adapter_config.json that LoRA needs. Raises ValueError for others that have an effect."""
    if raw.get("peft_type", "LORA") != "LORA":
        raise ValueError(f"the adapter is of kind {raw.get('peft_type')!r}, expected 'LORA'")
    saved = set(raw.get("modules_to_save") or ())
    if saved - {"embed_tokens", "lm_head"}:
        raise ValueError(f"the adapter replaces whole modules {sorted(saved)}: only embed_tokens and lm_head may be")
    for key, value in raw.items():
        if key not in LORA_SETTINGS | _ABOUT_THE_FILE and value not in (None, False, [], {}):
            raise ValueError(f"the adapter sets {key} = {value!r}, which is not supported")
    return {key: raw[key] for key in LORA_SETTINGS & set(raw) if raw[key] is not None}


def import_peft() -> Any:
    """Imports peft. Raises ImportError that names the extra to install."""
    try:
        import peft
    except ImportError as error:
        raise ImportError('Qwen encoders need peft: pip install "analogen[qwen]"') from error
    return peft
