"""Judges apart from the reranker: classifiers of relation and subject that only evaluation uses.

Another architecture, other seeds and other pictures than relsim-mini's: all relations, all subjects of the stock
and all art families, on drawings as finished pictures are. They never condition, rank or train anything.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from analogen.relsim.config import read_settings
from analogen.relsim.data import POOL_SIZE_PX, Pool, augment, draw_pool
from analogen.relsim.train import (
    autocast,
    batch_rows,
    cosine_schedule,
    load_state,
    make_optimizer,
    save_state,
    set_lr,
)
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.dataset import Selection, draw_sample
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render

log = logging.getLogger(__name__)


class InvertedResidual(nn.Module):
    """Expansion, depthwise 5 x 5, squeeze-and-excitation, projection (MobileNetV3, arXiv:1905.02244)."""

    def __init__(self, width: int, out_width: int, stride: int) -> None:
        super().__init__()
        inner = 4 * width
        self.body = nn.Sequential(
            nn.Conv2d(width, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.Hardswish(),
            nn.Conv2d(inner, inner, 5, stride, 2, groups=inner, bias=False), nn.BatchNorm2d(inner), nn.Hardswish(),
        )  # fmt: skip
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(inner, width // 2, 1),
            nn.ReLU(),
            nn.Conv2d(width // 2, inner, 1),
            nn.Hardsigmoid(),
        )
        self.project = nn.Sequential(nn.Conv2d(inner, out_width, 1, bias=False), nn.BatchNorm2d(out_width))
        self.skip = stride == 1 and width == out_width

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x)
        hidden = self.project(hidden * self.squeeze(hidden))
        return x + hidden if self.skip else hidden


class JudgeNet(nn.Module):
    """(B, 3, size, size) in [0, 1] -> logits (B, classes)."""

    def __init__(self, classes: int, width: int = 48) -> None:
        super().__init__()
        widths = (width, width, 2 * width, 2 * width, 4 * width, 4 * width, 6 * width, 6 * width)
        strides = (1, 2, 1, 2, 1, 2, 1)
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.Hardswish(),
        )
        self.blocks = nn.Sequential(
            *(InvertedResidual(a, b, s) for a, b, s in zip(widths, widths[1:], strides, strict=False))
        )
        self.head = nn.Sequential(
            nn.Linear(2 * widths[-1], 512), nn.Hardswish(), nn.Dropout(0.1), nn.Linear(512, classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.blocks(self.stem((images - 0.5) / 0.25)).flatten(2)
        return self.head(torch.cat([x.mean(-1), x.amax(-1)], -1))


@dataclass(frozen=True)
class JudgeSettings:
    """Settings of `analogen train judge`. what: "relation" or "subject"."""

    what: str = "relation"
    output: str = "runs/judge"
    pool: str = "runs/judge-pool"
    shards: int = 24
    draw_workers: int = 2
    steps: int = 3000
    batch_size: int = 96
    lr: float = 2e-3
    weight_decay: float = 0.02
    warmup: int = 150
    width: int = 48
    image_size: int = 112
    threads: int = 2
    device: str = "cpu"
    bf16: bool = True
    seed: int = 77
    save_every: int = 250


class Judge:
    """A trained judge. `classes`: names in the order of its logits."""

    def __init__(self, net: JudgeNet, classes: Sequence[str], size: int) -> None:
        self.net, self.classes, self.size = net.eval(), list(classes), size

    @torch.inference_mode()
    def probabilities(self, images: Sequence[Image.Image], batch_size: int = 64) -> Tensor:
        """(n, classes)."""
        rows = [torch.zeros(0, len(self.classes))]
        for start in range(0, len(images), batch_size):
            small = [
                i.convert("RGB").resize((self.size, self.size), Image.Resampling.BOX)
                for i in images[start : start + batch_size]
            ]
            batch = torch.from_numpy(np.stack([np.asarray(i) for i in small])).permute(0, 3, 1, 2).float() / 255
            rows.append(self.net(batch).softmax(-1))
        return torch.cat(rows)

    def name(self, images: Sequence[Image.Image]) -> list[str]:
        """The most probable class of each picture."""
        return [self.classes[int(i)] for i in self.probabilities(images).argmax(-1)]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        width = self.net.stem[1].out_channels
        config = {"classes": self.classes, "size": self.size, "width": width}
        (folder / "config.json").write_text(json.dumps(config) + "\n")
        state = {k: v.half() if v.is_floating_point() else v for k, v in self.net.state_dict().items()}
        save_file({k: v.contiguous() for k, v in state.items()}, str(folder / "model.safetensors"))

    @classmethod
    def load(cls, folder: Path) -> Judge:
        """Raises FileNotFoundError if the folder holds no judge."""
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(f"{folder} holds no judge: train one with `analogen train judge`, or give --judges")
        config = json.loads((folder / "config.json").read_text())
        net = JudgeNet(len(config["classes"]), config["width"])
        state = load_file(str(folder / "model.safetensors"))
        net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
        return cls(net, config["classes"], config["size"])


def judges_selection() -> Selection:
    """Everything that a picture may show: all stock subjects, all art families."""
    library = ArtLibrary.shipped()
    nouns = library.nouns(stock=True)
    return Selection(nouns, nouns, library.styles)


def run(path: Path | None, overrides: Mapping[str, str] | None = None) -> Path:
    """Train (or resume) a judge; returns its folder."""
    settings = read_settings(JudgeSettings, path, overrides)
    if settings.what not in ("relation", "subject"):
        raise ValueError(f"what is {settings.what!r}: expected relation or subject")
    torch.set_num_threads(settings.threads)
    folder = Path(settings.pool)
    draw_pool(
        folder, judges_selection(), list(RELATIONS), range(settings.shards), settings.seed, settings.draw_workers,
        finished=True,
    )  # fmt: skip
    pool = Pool(folder)
    classes = pool.relations if settings.what == "relation" else pool.subjects
    torch.manual_seed(settings.seed)
    net = train_judge(JudgeNet(len(classes), settings.width), pool, settings, Path(settings.output) / "state")
    output = Path(settings.output)
    Judge(net, classes, settings.image_size).save(output)
    (output / "settings.json").write_text(json.dumps(dataclasses.asdict(settings), indent=1) + "\n")
    return output


def train_judge(net: JudgeNet, pool: Pool, settings: JudgeSettings, state: Path | None = None) -> JudgeNet:
    """Cross entropy with mild label smoothing on augmented drawings; saves and resumes in `state`."""
    device = torch.device(settings.device)
    net = net.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = make_optimizer(net, settings.lr, settings.weight_decay)
    start = load_state(state, net, optimizer) if state else 0
    labels = pool.labels.relation if settings.what == "relation" else pool.labels.subject
    began = time.perf_counter()
    for step in range(start, settings.steps):
        set_lr(optimizer, settings.lr * cosine_schedule(step, settings.steps, settings.warmup))
        rows = batch_rows(len(pool), settings.batch_size, settings.seed, step)
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
        mirror = torch.from_numpy(pool.mirror_ok[pool.labels.relation[rows]])
        images = augment(pool.images(rows), settings.image_size, mirror, generator)
        images = images.to(device, memory_format=torch.channels_last)
        target = torch.from_numpy(labels[rows]).long().to(device)
        with autocast(device, settings.bf16):
            logits = net(images)
        loss = F.cross_entropy(logits.float(), target, label_smoothing=0.05)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0:
            right = (logits.argmax(-1) == target).float().mean().item()
            speed = (step - start + 1) * settings.batch_size / (time.perf_counter() - began)
            log.info("step %d loss %.3f right %.3f %.1f pictures/s", step, loss.item(), right, speed)
        if state and (step + 1) % settings.save_every == 0:
            save_state(state, net, optimizer, step + 1)
    return net.eval()


def accuracy(judge: Judge, what: str, count: int, seed: int, selection: Selection | None = None) -> float:
    """Share of fresh finished drawings (seeds that no training used) that the judge names right."""
    selection = selection or judges_selection()
    kinds = list(RELATIONS.values())
    rng = np.random.default_rng([seed, 10**6])
    samples = [draw_sample(kinds[i % len(kinds)], selection, rng, hard=False) for i in range(count)]
    names = judge.name([Image.fromarray(render(s.scene, POOL_SIZE_PX)) for s in samples])
    truth = [s.relation if what == "relation" else s.subject for s in samples]
    return float(np.mean([a == b for a, b in zip(names, truth, strict=True)]))
