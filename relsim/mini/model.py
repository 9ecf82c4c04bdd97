"""relsim-mini: a small vision network whose embedding is the relational logic of a picture.

One trunk (a pretrained EfficientNet-Lite, or the residual convolutions of 0.2; then a few transformer layers over the
patches), four heads that each pool the patches with a query of their own:

relation    (B, 384)  in the anonymous-caption space of MiniLM
subject     (B, 384)  in the same text space, near the name of what is shown
attributes  (B, looks_dim)  looks: colours and what is shown, whatever the logic
structure   (B, structure_dim)  what the logic leaves open: counts, directions, lattices (see `structure_head`)

A fifth output, one logit, says whether the picture is of a kind that the network was trained on. On a pretrained trunk
a dense head says for each cell of the picture which thing has its centre there (see `relsim.mini.dense_head`), and a
parts head which arrangement, progression, casting and setting of `relsim.world.grammar` the picture shows.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from analogen.relsim.mini.dense_head import DenseHead
from analogen.relsim.mini.trunk import EfficientNetLite
from analogen.relsim.tensors import read_tensors
from analogen.relsim.world.grammar import ATOMS, PARTS

PARTS_SCALE = 12.0  # of the unit vector that the parts are told from


@dataclass(frozen=True)
class MiniConfig:
    """trunk: a variant of `relsim.mini.trunk.SCALING`, or "" for the residual convolutions of 0.2, which `widths` and
    `blocks` describe. image_size: pixels, a multiple of 16 (of 32 with a trunk). dense_dim: width of the dense head,
    which needs a trunk; 0: none. parts: whether there is a parts head."""

    image_size: int = 112
    trunk: str = ""
    dense_dim: int = 0
    widths: tuple[int, ...] = (64, 128, 256)  # at strides 4, 8, 16
    blocks: tuple[int, ...] = (2, 2, 2)
    dim: int = 320
    depth: int = 3
    heads: int = 5
    relation_dim: int = 384
    subject_dim: int = 384
    looks_dim: int = 112
    structure_dim: int = 64
    parts: bool = False


class MiniOutput(NamedTuple):
    relation: Tensor  # (B, 384), unit
    subject: Tensor  # (B, 384), unit
    attributes: Tensor  # (B, looks_dim), unit
    structure: Tensor  # (B, structure_dim), unit
    known: Tensor  # (B,), logit of the picture having a logic that training knew
    patches: Tensor  # (B, tokens, dim), after the last layer
    cells: Tensor | None = None  # (B, CHANNELS, side / 8, side / 8) of the dense head, where it was asked for
    parts: tuple[Tensor, ...] = ()  # (B, atoms) logits for each of grammar.PARTS, where they were asked for


class ResidualBlock(nn.Module):
    """Residual block of two 3 x 3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        nn.init.zeros_(self.second_norm.weight)  # every block starts as the identity

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.first_norm(self.first(x)))
        return F.relu(x + self.second_norm(self.second(hidden)))


class Layer(nn.Module):
    """Pre-norm transformer layer."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:  # (B, T, dim)
        batch, tokens, dim = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, tokens, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, nh, T, hs)
        # Without the fused kernel, whose backward pass for a few dozen tokens is several times slower on CPUs.
        weights = (query @ key.transpose(-2, -1)).mul((dim // self.heads) ** -0.5).softmax(-1)  # (B, nh, T, T)
        x = x + self.out((weights @ value).transpose(1, 2).reshape(batch, tokens, dim))
        return x + self.mlp(self.norm2(x))


class Head(nn.Module):
    """Attention pooling with learned queries, then a small network to a unit vector."""

    def __init__(self, dim: int, out_dim: int, queries: int = 4) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(queries, dim) / dim**0.5)
        self.norm = nn.LayerNorm(dim)
        self.key = nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(queries * dim, dim), nn.GELU(), nn.Linear(dim, out_dim))

    def forward(self, x: Tensor) -> Tensor:  # (B, T, dim) -> (B, out_dim)
        x = self.norm(x)
        weights = (self.query @ self.key(x).transpose(1, 2)).mul(x.shape[-1] ** -0.5).softmax(-1)  # (B, q, T)
        return F.normalize(self.mlp((weights @ x).flatten(1)).float(), dim=-1)


class PartsHead(nn.Module):
    """Which atom of each part of the grammar a picture shows: a layer of its own, in which things can be compared with
    one another, attention pooling, and a classifier for each part.

    The relation vector does not tell: captions of neighbouring compositions are near each other in the text space.
    """

    def __init__(self, dim: int, heads: int, width: int = 256) -> None:
        super().__init__()
        self.layer = Layer(dim, heads)
        self.pool = Head(dim, width, queries=8)
        self.classifiers = nn.ModuleList(nn.Linear(width, len(ATOMS[part])) for part in PARTS)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """x: (B, T, dim). Returns logits (B, atoms) for each of PARTS, in the order of ATOMS."""
        pooled = PARTS_SCALE * self.pool(self.layer(x))
        return tuple(classifier(pooled) for classifier in self.classifiers)


def convolutions(config: MiniConfig) -> tuple[nn.Sequential, nn.Sequential]:
    """Stem and stages of an encoder without a pretrained trunk, strides 4 and 4 to 16."""
    width = config.widths[0]
    # 4 x 4 pixel blocks as channels; strided convolutions at full size took twice the time.
    stem = nn.Sequential(
        nn.PixelUnshuffle(4), nn.Conv2d(48, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
    )
    stages: list[nn.Module] = []
    for index, (stage_width, blocks) in enumerate(zip(config.widths, config.blocks, strict=True)):
        if index:
            stages += [nn.Conv2d(width, stage_width, 2, stride=2, bias=False), nn.BatchNorm2d(stage_width), nn.ReLU()]
        stages += [ResidualBlock(stage_width) for _ in range(blocks)]
        width = stage_width
    return stem, nn.Sequential(*stages)


class MiniNet(nn.Module):
    """The network of relsim-mini; `from_pretrained` and `save_pretrained` use config.json + safetensors."""

    def __init__(self, config: MiniConfig = MiniConfig()) -> None:
        super().__init__()
        self.config = config
        if config.trunk:
            self.trunk = EfficientNetLite(config.trunk)
            fine, middle, coarse = self.trunk.widths
            self.project = nn.Linear(4 * fine + middle + coarse, config.dim)
            if config.dense_dim:
                self.dense_head = DenseHead(fine, config.dim, config.dense_dim)
        else:
            self.stem, self.stages = convolutions(config)
            self.project = nn.Linear(config.widths[-1], config.dim)
        side = config.image_size // 16
        self.position = nn.Parameter(torch.randn(1, side * side, config.dim) * 0.02)
        self.layers = nn.ModuleList(Layer(config.dim, config.heads) for _ in range(config.depth))
        self.relation_head = Head(config.dim, config.relation_dim)
        self.subject_head = Head(config.dim, config.subject_dim)
        self.attributes_head = Head(config.dim, config.looks_dim)
        self.structure_head = Head(config.dim, config.structure_dim)
        self.known_head = nn.Sequential(
            nn.LayerNorm(config.dim), nn.Linear(config.dim, config.dim), nn.GELU(), nn.Linear(config.dim, 1)
        )
        if config.parts:
            self.parts_head = PartsHead(config.dim, config.heads)
        self.log_temperature = nn.Parameter(torch.tensor(-2.66))  # 0.07, as in the paper

    def forward(self, images: Tensor, dense: bool = False) -> MiniOutput:
        """images: (B, 3, image_size, image_size), RGB in [0, 1]; dense: fill `cells` and `parts` too.

        Raises ValueError for another shape, or where the network has no dense head.
        """
        size = self.config.image_size
        if images.shape[1:] != (3, size, size):
            raise ValueError(f"images {tuple(images.shape)} must be (batch, 3, {size}, {size})")
        if dense and not self.config.dense_dim:
            raise ValueError("this encoder has no dense head: it cannot read scenes")
        fine = None
        if self.config.trunk:
            fine, middle, coarse = self.trunk(images)
            coarse = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
            x = torch.cat([F.pixel_unshuffle(fine, 2), middle, coarse], 1)  # (B, width, side / 16, side / 16)
        else:
            x = self.stages(self.stem((images - 0.5) / 0.25))  # (B, width, side / 16, side / 16)
        x = self.project(x.flatten(2).transpose(1, 2)) + self.position
        for layer in self.layers:
            x = layer(x)
        known = self.known_head(x.mean(1)).squeeze(-1)
        cells = self.dense_head(fine, x) if dense else None
        return MiniOutput(
            self.relation_head(x),
            self.subject_head(x),
            self.attributes_head(x),
            self.structure_head(x),
            known,
            x,
            cells,
            self.parts_head(x) if dense and self.config.parts else (),
        )

    def at_size(self, image_size: int) -> MiniNet:
        """The same network for pictures of another size, its positions interpolated (arXiv:2010.11929, 3.2)."""
        resized = MiniNet(dataclasses.replace(self.config, image_size=image_size))
        state = self.state_dict()
        old, new = self.config.image_size // 16, image_size // 16
        grid = state["position"].view(1, old, old, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, (new, new), mode="bicubic", align_corners=False)
        state["position"] = grid.permute(0, 2, 3, 1).reshape(1, new * new, -1)
        resized.load_state_dict(state)
        return resized

    def with_parts(self) -> MiniNet:
        """The same network with a parts head, an untrained one where it had none."""
        if self.config.parts:
            return self
        wider = MiniNet(dataclasses.replace(self.config, parts=True))
        wider.load_state_dict(self.state_dict(), strict=False)
        return wider

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes config.json and model.safetensors (floating weights as fp16: half the size, cosine > .9999)."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(dataclasses.asdict(self.config), indent=1) + "\n")
        state = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in self.state_dict().items()}
        save_file(state, str(folder / "model.safetensors"))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> MiniNet:
        """Loads a folder of `save_pretrained` in fp32. Raises FileNotFoundError or ValueError with the reason."""
        folder = Path(folder)
        for name in ("config.json", "model.safetensors"):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder} has no {name}: not a folder saved by relsim-mini")
        try:
            raw: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{folder / 'config.json'}: is no JSON: fetch or save it again") from error
        unknown = set(raw) - {f.name for f in dataclasses.fields(MiniConfig)}
        if unknown:
            raise ValueError(f"{folder / 'config.json'}: unknown keys {sorted(unknown)}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        model = cls(MiniConfig(**values))
        state = read_tensors(folder / "model.safetensors")
        try:
            model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
        except RuntimeError as error:
            raise ValueError(
                f"{folder / 'model.safetensors'}: does not hold the weights that config.json describes: both must "
                "be of one training, by this version"
            ) from error
        return model.eval()
