"""The processor of Qwen2.5-VL (tokenizer, chat template, image settings) without torchvision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, ProcessorMixin
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from analogen.relsim.text import quiet_transformers


class Processor(Qwen2_5_VLProcessor):
    """Qwen's processor without videos, which need torchvision."""

    attributes = ["image_processor", "tokenizer"]  # noqa: RUF012

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **_: Any
    ) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


# `save_pretrained` writes the class name into its files; with this name, transformers can load them.
Processor.__name__ = Processor.__qualname__ = "Qwen2_5_VLProcessor"


def load_processor(folder: str | Path) -> Processor:
    """Loads tokenizer, chat template and image settings from a folder. Raises ValueError if they cannot be used."""
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
    """Reads chat_template.jinja, or chat_template.json of older folders."""
    jinja, old = folder / "chat_template.jinja", folder / "chat_template.json"
    if jinja.is_file():
        return jinja.read_text()
    return json.loads(old.read_text()).get("chat_template") if old.is_file() else None
