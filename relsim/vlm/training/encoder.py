"""Trains the relational encoder contrastively: pictures against the frozen embeddings of their anonymous captions.

`analogen train encoder --config qwen-encoder.toml` comes here: `prepare(...).run()`. What is learned is the adapter,
the query token's own row of the embeddings, the projection and the temperature.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import AddedToken, Tokenizer
from torch import Tensor, nn

from analogen.relsim.config import read_settings
from analogen.relsim.losses import contrastive_loss, spread_temperature
from analogen.relsim.text import TEXT_DIM, load_text_tower
from analogen.relsim.training.joint_batches import Share, backward_contrastive
from analogen.relsim.training.loop import Values
from analogen.relsim.vlm.checkpoint import PROCESSOR_FILES, Checkpoint, write_checkpoint
from analogen.relsim.vlm.model import Pixels, UserMessage
from analogen.relsim.vlm.preprocessing import load_pixels
from analogen.relsim.vlm.training.loop import ADAPTER, Place, Start, Task, VlmFineTuning, make_start
from analogen.relsim.vlm.training.settings import VlmFineTuningSettings

QUERY_TOKEN = "<|query|>"


@dataclass(frozen=True)
class VlmEncoderSettings(VlmFineTuningSettings):
    """Settings of `analogen train encoder` on Qwen2.5-VL. temperature: where the learnable one starts."""

    steps: int = 15000
    warmup: int = 450
    temperature: float = 0.07

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.01 <= self.temperature <= 1:
            raise ValueError(f"setting temperature={self.temperature} must be from 0.01 to 1")


def prepare(path: Path | None, overrides: Mapping[str, str] | None = None) -> VlmFineTuning:
    """A training of the encoder, new or resumed. Raises ValueError, FileNotFoundError or ImportError with one line."""
    settings = read_settings(VlmEncoderSettings, path, overrides)
    start = make_start("encoder", settings)
    return VlmFineTuning(EncoderTask(settings, start), start.checkpoints)


class EncoderTask(Task):
    """InfoNCE in both directions over the joint batch; rows of one group are positives of each other."""

    def __init__(self, settings: VlmEncoderSettings, start: Start) -> None:
        super().__init__(settings, start)
        vlm, device = self.vlm, self.accelerator.device
        self._files = tempfile.TemporaryDirectory()
        self.processor_folder = Path(self._files.name)
        known = len(vlm.processor.tokenizer)
        self.query_id = add_token(start.base.folder, self.processor_folder, QUERY_TOKEN, known)
        self.adapter_config["trainable_token_indices"] = [self.query_id]
        vlm.add_adapter(ADAPTER, self.adapter_config, processor_folder=self.processor_folder, trainable=True)
        self._start_query_row(known)
        projection = nn.Linear(vlm.hidden_size, TEXT_DIM).to(device)
        temperature = nn.Parameter(torch.tensor(math.log(settings.temperature), device=device))
        self.head = {
            "log_temperature": temperature,
            **{f"projection.{name}": parameter for name, parameter in projection.named_parameters()},
        }
        # All captions once: the tower is frozen.
        captions, numbers = np.unique(np.array(self.corpus.captions), return_inverse=True)
        self.texts = torch.from_numpy(load_text_tower(device=str(device)).embed(captions.tolist()))  # (captions, 384)
        self.caption_of = torch.from_numpy(numbers)  # (rows,)
        self.group_of = torch.from_numpy(self.corpus.groups)  # (rows,)

    def load(self, place: Place) -> Pixels:
        return load_pixels(self.corpus[place.row].picture, self.preprocessing, self.vlm.side_unit)

    def embed(self, pictures: list[Pixels]) -> Tensor:
        """(n, 384) unit rows, as the loaded encoder makes them."""
        messages = [UserMessage([pixels], QUERY_TOKEN) for pixels in pictures]
        with self.autocast():
            hidden = self.vlm.last_hidden(self.vlm.inputs(messages, cut_after=self.query_id))  # (n, hidden)
        weight, bias = self.head["projection.weight"], self.head["projection.bias"]
        return F.normalize(F.linear(hidden.float(), weight, bias), dim=-1)

    def backward(self, share: Share) -> Values:
        kept, rows = share.kept(), torch.from_numpy(share.rows)
        device = kept.device
        text = self.texts[self.caption_of[rows]].to(device)[kept]
        groups = self.group_of[rows].to(device)[kept]
        logit = self.head["log_temperature"]
        right = torch.zeros((), device=device)

        def loss_of(joint: Tensor) -> Tensor:
            image = joint[kept]
            best = (image.detach() @ text.T).argmax(1)
            right.copy_((groups[best] == groups).float().mean())
            return contrastive_loss(image, text, spread_temperature(logit), groups)

        loss = backward_contrastive(share, self.embed, loss_of, TEXT_DIM, [logit])
        temperature = spread_temperature(logit.detach())
        skipped = len(kept) - int(kept.sum())
        return {"loss": float(loss), "right": float(right), "temperature": float(temperature), "skipped": skipped}

    def write(self, folder: Path) -> None:
        checkpoint = Checkpoint(
            self.processor_folder, self.adapter_config["base_model_name_or_path"], self.adapter_config,
            self.vlm.adapter_state(ADAPTER),
            self.head["projection.weight"].detach().cpu(), self.head["projection.bias"].detach().cpu(),
            QUERY_TOKEN, self.query_id, self.adapter_config["revision"], self.settings.image_size,
        )  # fmt: skip
        write_checkpoint(checkpoint, folder)

    def _start_query_row(self, known: int) -> None:
        """The new token starts as the mean of all known ones: what the base has there was never used."""
        rows = [p for name, p in self.vlm.adapter_parameters(ADAPTER).items() if "trainable_tokens" in name]
        embeddings = self.vlm.model.get_input_embeddings().weight
        with torch.no_grad():
            rows[0].copy_(embeddings[:known].mean(0, dtype=torch.float32))


def add_token(source: Path, target: Path, token: str, known: int) -> int:
    """Copy a processor's files, with one special token more; returns its id, `known` if it is new.

    The files are edited rather than saved anew, which older releases could not read. Raises ValueError if the source
    has no tokenizer.json.
    """
    for name in PROCESSOR_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    path = target / "tokenizer.json"
    if not path.is_file():
        raise ValueError(f"{source}: has no tokenizer.json: fetch it again, or name another base")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False)])
    tokenizer.save(str(path))
    number = tokenizer.token_to_id(token)
    assert number is not None  # it was just added
    config_path = target / "tokenizer_config.json"
    if number == known and config_path.is_file():
        config: dict[str, Any] = json.loads(config_path.read_text(encoding="utf-8"))
        if "added_tokens_decoder" in config:
            flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
            config["added_tokens_decoder"][str(number)] = {"content": token, **flags}
            config_path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return number
