"""Base class of models that answer one kind of question with Qwen2.5-VL and a LoRA adapter."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from analogen.relsim.vlm.adapter_loading import load_qwen_adapter
from analogen.relsim.vlm.model import Vlm
from analogen.relsim.vlm.preprocessing import Preprocessing, check_preprocessing


class VlmRole:
    """A loaded VLM, the name of its adapter for this role, and the preprocessing of pictures."""

    role: ClassVar[str]

    def __init__(
        self, vlm: Vlm, adapter: str | None = None, name: str = "", preprocessing: Preprocessing | None = None
    ) -> None:
        """adapter: None uses the base model alone; preprocessing: None takes the square of 448 px of the training."""
        self.vlm, self.adapter, self.name = vlm, adapter, name or vlm.name
        self.preprocessing = check_preprocessing(preprocessing or Preprocessing(), vlm)

    @classmethod
    def load(
        cls,
        name_or_path: str | Path,
        device: str = "cpu",
        dtype: str = "auto",
        *,
        base: str | None = None,
        preprocessing: Preprocessing | None = None,
        cache_dir: str | None = None,
    ) -> Self:
        """Loads by folder or hub id: a LoRA adapter (ours, or the authors' such as
        thaoshibe/relsim-anonymous-caption-qwen25vl-lora for the captioner), or a base model.

        The base is shared with all roles that name the same one. Raises ValueError, FileNotFoundError or ImportError
        with one line.
        """
        loaded = load_qwen_adapter(name_or_path, cls.role, device, dtype, base=base, cache_dir=cache_dir)
        return cls(loaded.vlm, loaded.adapter, str(name_or_path), preprocessing)
