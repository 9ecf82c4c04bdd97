"""Training relsim-mini on the relational world."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from analogen.relsim.calibrate import calibrate
from analogen.relsim.config import read_settings
from analogen.relsim.data import Pool, augment, draw_pool, looks_projection, looks_target
from analogen.relsim.losses import bank_loss, contrastive_loss, cosine_loss, spread_temperature
from analogen.relsim.mini import MiniConfig, MiniNet
from analogen.relsim.text import load_text_tower
from analogen.relsim.world.dataset import trained_relations, training_selection

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncoderSettings:
    """Settings of `analogen train encoder`. Pictures: `shards` x 2048, drawn once into `pool`."""

    output: str = "runs/encoder"
    pool: str = "runs/pool"
    shards: int = 48
    draw_workers: int = 2
    steps: int = 4000
    batch_size: int = 256
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 200
    image_size: int = 112
    bank_weight: float = 1.0
    alignment_weight: float = 0.5
    subject_weight: float = 0.35
    attributes_weight: float = 0.5
    threads: int = 2
    device: str = "cpu"
    bf16: bool = True
    seed: int = 0
    save_every: int = 250


def run(path: Path | None, overrides: Mapping[str, str] | None = None) -> Path:
    """Train (or resume) relsim-mini; returns the folder with config.json, model.safetensors and settings.json."""
    settings = read_settings(EncoderSettings, path, overrides)
    torch.set_num_threads(settings.threads)
    pool_folder, output = Path(settings.pool), Path(settings.output)
    draw_pool(
        pool_folder, training_selection(), [r.id for r in trained_relations()], range(settings.shards), settings.seed,
        settings.draw_workers,
    )  # fmt: skip
    pool = Pool(pool_folder)
    model = train_encoder(MiniNet(MiniConfig(image_size=settings.image_size)), pool, settings, output / "state")
    model.save_pretrained(output)
    calibrate(output)
    (output / "settings.json").write_text(json.dumps(dataclasses.asdict(settings), indent=1) + "\n")
    return output


def train_encoder(model: MiniNet, pool: Pool, settings: EncoderSettings, state: Path | None = None) -> MiniNet:
    """The loop. With `state`, saves there every `save_every` steps and resumes from there exactly."""
    device = torch.device(settings.device)
    tower = load_text_tower()
    captions = torch.from_numpy(tower.embed(pool.captions)).to(device)
    subjects = torch.from_numpy(tower.embed(pool.subjects)).to(device)
    projection = looks_projection().to(device)
    caption_labels = torch.from_numpy(caption_relation(pool)).to(device)
    model = model.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = make_optimizer(model, settings.lr, settings.weight_decay)
    start = load_state(state, model, optimizer) if state else 0
    began = time.perf_counter()
    for step in range(start, settings.steps):
        set_lr(optimizer, settings.lr * cosine_schedule(step, settings.steps, settings.warmup))
        rows = batch_rows(len(pool), settings.batch_size, settings.seed, step)
        raw = pool.images(rows)
        relation_ids = torch.from_numpy(pool.labels.relation[rows]).long()
        subject_ids = torch.from_numpy(pool.labels.subject[rows]).long().to(device)
        caption = captions[torch.from_numpy(pool.labels.caption[rows]).long().to(device)]
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
        mirror = torch.from_numpy(pool.mirror_ok)[relation_ids]
        images = augment(raw, settings.image_size, mirror, generator).to(device, memory_format=torch.channels_last)
        with autocast(device, settings.bf16):
            out = model(images)
        temperature = spread_temperature(model.log_temperature)
        relation_loss = contrastive_loss(out.relation, caption, temperature, relation_ids.to(device))
        bank = bank_loss(out.relation, captions, temperature, relation_ids.to(device), caption_labels)
        alignment = cosine_loss(out.relation, caption)  # closes the gap between pictures and words
        subject_loss = contrastive_loss(out.subject, subjects[subject_ids], 0.07, subject_ids)
        looks = looks_target(raw.to(device), subjects[subject_ids], projection)
        loss = (
            relation_loss
            + settings.bank_weight * bank
            + settings.alignment_weight * alignment
            + settings.subject_weight * subject_loss
            + settings.attributes_weight * cosine_loss(out.attributes, looks)
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0:
            hit = (out.relation.detach() @ captions.T).argmax(-1)
            right = caption_labels[hit] == relation_ids.to(device)
            log.info(
                "step %d loss %.3f relation %.3f bank %.3f align %.3f subject %.3f right %.3f temperature %.3f, %.1f/s",
                step, loss.item(), relation_loss.item(), bank.item(), alignment.item(), subject_loss.item(),
                right.float().mean().item(), temperature.item(),
                (step - start + 1) * settings.batch_size / (time.perf_counter() - began),
            )  # fmt: skip
        if state and (step + 1) % settings.save_every == 0:
            save_state(state, model, optimizer, step + 1)
    return model.eval()


def caption_relation(pool: Pool) -> NDArray[np.int64]:
    """For each caption of the pool the index of its relation."""
    from analogen.relsim.world.relations import RELATIONS

    return np.array([i for i, name in enumerate(pool.relations) for _ in RELATIONS[name].captions])


def batch_rows(total: int, batch_size: int, seed: int, step: int) -> NDArray[np.int64]:
    """Rows of the batch of this step: whole pairs, every pair once an epoch, in an order known from the seed."""
    pairs, per_batch = total // 2, batch_size // 2
    steps_per_epoch = max(1, pairs // per_batch)
    epoch, index = divmod(step, steps_per_epoch)
    order = np.random.default_rng([seed, epoch]).permutation(pairs)
    chosen = order[index * per_batch : (index + 1) * per_batch]
    return np.stack([2 * chosen, 2 * chosen + 1], 1).reshape(-1)


def autocast(device: torch.device, bf16: bool) -> Any:
    return torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext()


def make_optimizer(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels only, not norms, biases and embeddings of single vectors."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr


def cosine_schedule(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then a cosine to 2 % of the peak; a factor in (0, 1]."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def save_state(folder: Path, model: nn.Module, optimizer: torch.optim.AdamW, step: int, **more: nn.Module) -> None:
    """Everything that a resume needs, as one safetensors file that appears whole."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    for name, extra in more.items():
        tensors |= {f"{name}.{k}": v for k, v in extra.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in slots.items()}
    temporary = folder / "state.tmp"
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, str(temporary), metadata={"step": str(step)})
    temporary.rename(folder / "state.safetensors")


def load_state(folder: Path, model: nn.Module, optimizer: torch.optim.AdamW, **more: nn.Module) -> int:
    """Restore `save_state`; returns the step to go on with, 0 if there is nothing saved."""
    path = folder / "state.safetensors"
    if not path.is_file():
        return 0
    from safetensors import safe_open

    with safe_open(str(path), "pt") as file:
        step = int(file.metadata()["step"])
    tensors = load_file(str(path))

    def part(name: str) -> dict[str, Tensor]:
        return {k[len(name) + 1 :]: v for k, v in tensors.items() if k.startswith(name + ".")}

    model.load_state_dict(part("model"))
    for name, extra in more.items():
        extra.load_state_dict(part(name))
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in part("optimizer").items():
        index, _, slot = key.partition(".")
        slots.setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    return step
