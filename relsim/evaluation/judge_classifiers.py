"""Classifiers of relation and subject for evaluation, independent of the encoder that ranks candidates.

Another architecture, other seeds and other pictures than relsim-mini's: all relations, all subjects of the stock
and all art families, on drawings as finished pictures are. They never condition, rank or train anything.
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
from torch import Tensor, nn

from analogen.relsim.config import read_settings
from analogen.relsim.mini.data import PicturePool, Pool, augment, batch_rows, draw_pool
from analogen.relsim.mini.single_subjects import draw_single_subjects
from analogen.relsim.tensors import read_tensors
from analogen.relsim.training.loop import LoopSettings, autocast, train_loop
from analogen.relsim.world.art import TRAINING_STYLES, ArtLibrary
from analogen.relsim.world.dataset import Selection, draw_sample
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render

log = logging.getLogger(__name__)
JUDGED_PX = 224  # at least what a judge's network sees
COLOUR = 0.3  # how much training changes colours: judges see finished pictures, whose colours are true


class PreactivationBlock(nn.Module):
    """Pre-activation residual block (arXiv:1603.05027)."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(out_width)
        self.conv1 = nn.Conv2d(width, out_width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out_width, out_width, 3, padding=1, bias=False)
        self.skip = nn.Identity() if width == out_width else nn.Conv2d(width, out_width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv1(F.relu(self.norm1(x)))
        return self.skip(x) + self.conv2(F.relu(self.norm2(hidden)))


class JudgeNet(nn.Module):
    """Convolutional classifier: (B, 3, size, size) in [0, 1] -> logits (B, classes). No attention and no text."""

    def __init__(self, classes: int, width: int = 48) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(48, width, 3, padding=1, bias=False))
        block = PreactivationBlock
        self.blocks = nn.Sequential(
            block(width, width), nn.MaxPool2d(2),
            block(width, 2 * width), block(2 * width, 2 * width), nn.MaxPool2d(2),
            block(2 * width, 4 * width), block(4 * width, 4 * width), nn.MaxPool2d(2),
            block(4 * width, 6 * width), nn.BatchNorm2d(6 * width), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Linear(12 * width, 512), nn.ReLU(), nn.Dropout(0.1), nn.Linear(512, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.blocks(self.stem((images - 0.5) / 0.25)).flatten(2)
        return self.head(torch.cat([x.mean(-1), x.amax(-1)], -1))


@dataclass(frozen=True)
class JudgeSettings(LoopSettings):
    """Settings of `analogen train judge`. what: "relation" or "subject".

    init: folder of a judge of whatever classes whose convolutions this one starts from; portrait_steps: the first
    steps of the subject judge, on pictures of single subjects alone (`portrait_shards`).
    """

    what: str = "relation"
    output: str = "runs/judge"
    init: str = ""
    portrait_steps: int = 0
    pool: str = "runs/judge-pool"
    shards: int = 24
    portrait_shards: int = 12
    draw_workers: int = 2
    pool_px: int = 160  # sides of the drawings
    width: int = 48
    image_size: int = 112
    tested: int = 1300  # fresh drawings on which its accuracy is measured at the end
    seed: int = 77


class ClassifierJudge:
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

    def predict(self, images: Sequence[Image.Image]) -> list[str]:
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
    def load(cls, folder: Path) -> ClassifierJudge:
        """Loads a judge. Raises FileNotFoundError if the folder holds none."""
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(f"{folder} holds no judge: train one with `analogen train judge`, or give --judges")
        config = json.loads((folder / "config.json").read_text())
        net = JudgeNet(len(config["classes"]), config["width"])
        state = read_tensors(folder / "model.safetensors")
        net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
        return cls(net, config["classes"], config["size"])


def judges_selection() -> Selection:
    """The selection of all stock subjects and all art families."""
    library = ArtLibrary.shipped()
    nouns = library.nouns(stock=True)
    return Selection(nouns, nouns, TRAINING_STYLES)


def run(path: Path | None, overrides: Mapping[str, str] | None = None) -> Path:
    """Trains (or resumes) a judge; returns its folder."""
    settings = read_settings(JudgeSettings, path, overrides)
    if settings.what not in ("relation", "subject"):
        raise ValueError(f"what is {settings.what!r}: expected relation or subject")
    torch.set_num_threads(settings.threads)
    folder = Path(settings.pool)
    draw_pool(
        folder, judges_selection(), list(RELATIONS), range(settings.shards), settings.seed, settings.draw_workers,
        settings.pool_px, finished=True,
    )  # fmt: skip
    pool, single_subjects = Pool(folder), None
    classes = pool.relations if settings.what == "relation" else pool.subjects
    if settings.what == "subject":
        single_subjects = draw_single_subjects(
            folder / "portraits", judges_selection(), settings.portrait_shards, settings.seed, settings.pool_px
        )
    torch.manual_seed(settings.seed)
    net = JudgeNet(len(classes), settings.width)
    if settings.init:
        weights = ClassifierJudge.load(Path(settings.init)).net.state_dict()
        start = {k: v for k, v in weights.items() if not k.startswith("head.")}
        net.load_state_dict(start, strict=False)
    net = train_judge(net, pool, settings, Path(settings.output) / "state", single_subjects)
    output = Path(settings.output)
    judge = ClassifierJudge(net, classes, settings.image_size)
    judge.save(output)
    right = accuracy(judge, settings.what, settings.tested, settings.seed)
    log.info("%.1f %% of %d fresh drawings named right", 100 * right, settings.tested)
    report = {**dataclasses.asdict(settings), "accuracy": round(right, 4)}
    (output / "settings.json").write_text(json.dumps(report, indent=1) + "\n")
    return output


def train_judge(
    net: JudgeNet,
    pool: Pool,
    settings: JudgeSettings,
    state: Path | None = None,
    single_subjects: PicturePool | None = None,
) -> JudgeNet:
    """Trains with cross entropy and mild label smoothing on augmented drawings; saves its state in `state` and resumes.

    single_subjects: pictures of the classes; they fill the first `portrait_steps` batches, then half of every batch,
    because subjects are learned slowly from scenes alone.
    """
    device = torch.device(settings.device)
    net = net.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    labels = pool.labels.relation if settings.what == "relation" else pool.labels.subject

    def loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        alone = 0 if single_subjects is None else settings.batch_size // (1 if step < settings.portrait_steps else 2)
        scenes = settings.batch_size - alone
        rows = batch_rows(len(pool), scenes, settings.seed, step) if scenes else np.zeros(0, np.int64)
        raw, target = pool.images(rows), torch.from_numpy(labels[rows])
        mirror = torch.from_numpy(pool.mirror_ok[pool.labels.relation[rows]])
        if single_subjects is not None:
            faces, named = single_subjects.sample(alone, generator)
            raw, target = torch.cat([raw, faces]), torch.cat([target, named])
            mirror = torch.cat([mirror, torch.ones(len(faces), dtype=torch.bool)])
        images = augment(raw, settings.image_size, mirror, generator, COLOUR)
        target = target.long().to(device)
        with autocast(device, settings.bf16):
            logits = net(images.to(device, memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), target, label_smoothing=0.05)
        right = (logits.argmax(-1) == target).float()
        shown = {"right": right[:scenes], "faces": right[scenes:]}
        return loss, {name: part.mean() for name, part in shown.items() if len(part)}

    return train_loop(net, settings, loss_of, state)


def accuracy(judge: ClassifierJudge, what: str, count: int, seed: int, selection: Selection | None = None) -> float:
    """The judge's accuracy on new well-composed drawings, from seeds that no training used."""
    selection = selection or judges_selection()
    kinds = list(RELATIONS.values())
    rng = np.random.default_rng([seed, 10**6])
    samples = [draw_sample(kinds[i % len(kinds)], selection, rng, hard=False) for i in range(count)]
    names = judge.predict([Image.fromarray(render(s.scene, JUDGED_PX)) for s in samples])
    truth = [s.relation if what == "relation" else s.subject for s in samples]
    return float(np.mean([a == b for a, b in zip(names, truth, strict=True)]))
