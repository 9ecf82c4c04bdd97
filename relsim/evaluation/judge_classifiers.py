"""Classifiers of relation and subject for evaluation, independent of the encoder that ranks candidates.

Another trunk and other layers than relsim-mini's, other seeds and other pictures: all relations, all subjects of the
stock and all art families, drawn and photographed (see `judge_pictures`). They never condition, rank or train anything.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from analogen.relsim.config import read_settings
from analogen.relsim.evaluation.judge_networks import TRUNK, JudgeNet, PlainJudgeNet
from analogen.relsim.evaluation.judge_pictures import (
    JudgePool,
    draw_judge_pair,
    draw_judge_pool,
    judges_selection,
)
from analogen.relsim.mini.data import augment, batch_rows
from analogen.relsim.mini.trunk import load_imagenet
from analogen.relsim.tensors import read_tensors
from analogen.relsim.training.loop import LoopSettings, autocast, train_loop
from analogen.relsim.world.material import Material
from analogen.relsim.world.relations import RELATIONS

log = logging.getLogger(__name__)
COLOUR = 0.3  # how much training changes colours: judges see finished pictures, whose colours are true


@dataclass(frozen=True)
class JudgeSettings(LoopSettings):
    """Settings of `analogen train judge`. what: "relation" or "subject".

    init: folder of a judge of whatever classes whose layers this one starts from; else the trunk has its ImageNet
    weights. cutouts, grounds: folders of material for photographs. image_size: a multiple of 32.
    """

    what: str = "relation"
    output: str = "runs/judge"
    init: str = ""
    pool: str = "runs/judge-pool"
    cutouts: str = ""
    grounds: str = ""
    shards: int = 60
    draw_workers: int = 2
    pool_px: int = 176  # sides of the pictures
    train_from: int = 3  # block of the trunk from which on it learns
    trunk_lr: float = 0.3  # its learning rate, as a share of the rest's
    width: int = 192
    image_size: int = 160
    tested: int = 1300  # fresh pairs of pictures, of drawings and of photographs, on which its accuracy is measured
    seed: int = 77


class ClassifierJudge:
    """A trained judge. `classes`: names in the order of its logits."""

    def __init__(self, net: JudgeNet | PlainJudgeNet, classes: Sequence[str], size: int) -> None:
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
            rows.append(self.net(batch.contiguous(memory_format=torch.channels_last)).softmax(-1))
        return torch.cat(rows)

    def predict(self, images: Sequence[Image.Image]) -> list[str]:
        """The most probable class of each picture."""
        return [self.classes[int(i)] for i in self.probabilities(images).argmax(-1)]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = {"classes": self.classes, "size": self.size, "width": self.net.width}
        config |= {"trunk": TRUNK} if isinstance(self.net, JudgeNet) else {}
        (folder / "config.json").write_text(json.dumps(config) + "\n")
        state = {k: v.half() if v.is_floating_point() else v for k, v in self.net.state_dict().items()}
        save_file({k: v.contiguous() for k, v in state.items()}, str(folder / "model.safetensors"))

    @classmethod
    def load(cls, folder: Path) -> ClassifierJudge:
        """Loads a judge, also one of version 0.2. Raises FileNotFoundError if the folder holds none."""
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(f"{folder} holds no judge: train one with `analogen train judge`, or give --judges")
        config = json.loads((folder / "config.json").read_text())
        network = JudgeNet if "trunk" in config else PlainJudgeNet
        net = network(len(config["classes"]), config["width"])
        state = read_tensors(folder / "model.safetensors")
        net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
        return cls(net.to(memory_format=torch.channels_last), config["classes"], config["size"])  # type: ignore[call-overload]


def run(path: Path | None, overrides: Mapping[str, str] | None = None) -> Path:
    """Trains (or resumes) a judge; returns its folder."""
    settings = read_settings(JudgeSettings, path, overrides)
    if settings.what not in ("relation", "subject"):
        raise ValueError(f"what is {settings.what!r}: expected relation or subject")
    torch.set_num_threads(settings.threads)
    folder = Path(settings.pool)
    draw_judge_pool(
        folder, settings.shards, settings.seed, settings.pool_px, settings.cutouts, settings.grounds,
        settings.draw_workers,
    )  # fmt: skip
    classes = list(RELATIONS) if settings.what == "relation" else list(judges_selection().subjects)
    torch.manual_seed(settings.seed)
    net = JudgeNet(len(classes), settings.width)
    if settings.init:
        first = ClassifierJudge.load(Path(settings.init)).net
        if not isinstance(first, JudgeNet):
            raise ValueError(f"init={settings.init!r} is a judge of version 0.2: start from one on {TRUNK}")
        weights = first.state_dict()
        start = {k: v for k, v in weights.items() if not k.startswith("head.")}
        net.load_state_dict(start, strict=False)
    else:
        net.trunk.load_state_dict(load_imagenet(TRUNK).state_dict())
    output = Path(settings.output)
    net = train_judge(net, JudgePool(folder, settings.shards), classes, settings, output / "state")
    judge = ClassifierJudge(net, classes, settings.image_size)
    judge.save(output)
    material = Material(settings.cutouts, settings.grounds)
    report: dict[str, object] = dataclasses.asdict(settings)
    for kind in ("finished", "drawing", "photograph"):
        right = accuracy(judge, settings.what, kind, settings.tested, settings.seed, material)
        log.info("%.1f %% of %d fresh pairs of pictures (%s) named right", 100 * right, settings.tested, kind)
        report[f"accuracy_{kind}"] = round(right, 4)
    (output / "settings.json").write_text(json.dumps(report, indent=1) + "\n")
    return output


def train_judge(
    net: JudgeNet, pool: JudgePool, classes: Sequence[str], settings: JudgeSettings, state: Path | None = None
) -> JudgeNet:
    """Trains with cross entropy and mild label smoothing on augmented pictures; saves its state in `state` and resumes.

    Pictures of other classes than `classes` do not count.
    """
    device = torch.device(settings.device)
    net = net.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net.trunk.train_from(settings.train_from)
    names = pool.relations if settings.what == "relation" else pool.subjects
    place = {name: i for i, name in enumerate(classes)}
    labels = np.array([place.get(name, -1) for name in names.tolist()])
    pairs = np.flatnonzero((labels >= 0).reshape(-1, 2).any(axis=1))
    mirrored = np.array([not name or RELATIONS[name].mirror_ok for name in pool.relations.tolist()])

    def loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        chosen = batch_rows(2 * len(pairs), settings.batch_size, settings.seed, step)
        rows = 2 * pairs[chosen // 2] + chosen % 2
        target = torch.from_numpy(labels[rows]).to(device)
        mirror = torch.from_numpy(mirrored[rows])
        images = augment(pool.images(rows), settings.image_size, mirror, generator, COLOUR)
        with autocast(device, settings.bf16):
            logits = net(images.to(device, memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), target, ignore_index=-1, label_smoothing=0.05)
        right = (logits.argmax(-1) == target).float()
        return loss, {"right": right[target >= 0].mean()}

    return train_loop(net, settings, loss_of, state, lr_shares={"trunk.": settings.trunk_lr})


def accuracy(
    judge: ClassifierJudge, what: str, kind: str, pairs: int, seed: int, material: Material | None = None
) -> float:
    """The judge's accuracy on new pairs of pictures of a kind of `judge_pictures.SHARES`, from seeds that no training
    used."""
    rng, selection = np.random.default_rng([seed, 10**6]), judges_selection()
    material = material or Material("", "")
    right: list[bool] = []
    for _ in range(pairs):
        pair = draw_judge_pair(kind, material, rng, judge.size, list(RELATIONS), selection)
        truth = [one.relation if what == "relation" else one.subject for one in pair]
        named = judge.predict([Image.fromarray(one.pixels) for one in pair])
        right += [a == b for a, b in zip(named, truth, strict=True) if b]
    return float(np.mean(right)) if right else 0.0
