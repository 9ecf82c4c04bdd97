"""Trains mini-pixel, a small latent diffusion model in diffusers' own classes, on the relational world.

It takes the place of large models in tests of the method: once frozen, a relational adapter is trained on it with the
same code as on SDXL. It has an autoencoder, a UNet with cross-attention and MiniLM as text encoder, and is saved as a
StableDiffusionPipeline.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from analogen.pipelines.adapter_training.noising import Noising
from analogen.relsim.config import read_settings
from analogen.relsim.data.corpus import read_rows
from analogen.relsim.english import with_article
from analogen.relsim.text import TEXT_DIM, installed_minilm, quiet_transformers
from analogen.relsim.training.loop import LoopSettings, autocast, train_loop
from analogen.relsim.vlm.prompts import fill
from analogen.relsim.world.dataset import Selection, trained_relations, training_selection, write_samples

log = logging.getLogger(__name__)
LATENTS = 4
FACTOR = 4  # pixels of a latent's side
GROUPS = 8  # channels are normalised in so many groups


@dataclass(frozen=True)
class PixelSettings(LoopSettings):
    """Settings of the recipe. Of the UNet's training: those of `LoopSettings`; of the autoencoder's: coder_*.

    data: folder of drawings, drawn if it holds none. relations, subjects, styles: names with commas, empty = all that
    training may see. worded: share of rows whose prompt says the relation too, as the caption bridge would; of the
    others one in ten has no words, and the rest the bare subject. crop: sides of what the autoencoder is shown.
    """

    data: str = "runs/mini-pixel/data"
    output: str = "runs/mini-pixel/model"
    count: int = 6000
    size: int = 64
    relations: str = ""
    subjects: str = ""
    styles: str = ""
    worded: float = 0.5
    words: int = 16  # tokens of a prompt
    coder_steps: int = 1000
    coder_batch_size: int = 32
    coder_lr: float = 2e-3
    crop: int = 32
    coder_widths: str = "16,32,64"
    widths: str = "32,96,128"
    head_dim: int = 32
    blocks: int = 1
    batch_size: int = 32
    lr: float = 1e-3
    weight_decay: float = 0.01
    ema: float = 0.998
    bf16: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for numbers that no such model can have."""
        downs = FACTOR * 2 ** (len(self.widths.split(",")) - 1)
        if self.size % downs or self.crop % FACTOR or self.crop > self.size:
            raise ValueError(f"size={self.size}, crop={self.crop}: expected multiples of {downs} and {FACTOR}")
        for name in ("coder_widths", "widths"):
            if any(not part.strip().isdigit() or int(part) % GROUPS for part in getattr(self, name).split(",")):
                raise ValueError(f"{name}={getattr(self, name)!r}: expected multiples of {GROUPS}, with commas")
        if len(self.coder_widths.split(",")) != 1 + FACTOR // 2:
            raise ValueError(f"coder_widths={self.coder_widths!r}: expected {1 + FACTOR // 2} numbers")
        if not 0 <= self.worded <= 1:
            raise ValueError(f"worded={self.worded}: expected 0 to 1")

    @property
    def kinds(self) -> tuple[str, ...]:
        return _names_in(self.relations) or tuple(relation.id for relation in trained_relations())

    @property
    def selection(self) -> Selection:
        allowed = training_selection()
        subjects = _names_in(self.subjects) or allowed.subjects
        return Selection(subjects, subjects, _names_in(self.styles) or allowed.styles)


def _names_in(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@dataclass(frozen=True)
class Drawings:
    """pictures: (n, side, side, 3) uint8; relation_prompts, subject_prompts: (n,) with and without the relation."""

    pictures: NDArray[np.uint8]
    relation_prompts: list[str]
    subject_prompts: list[str]


def run(path: Path | None, overrides: Mapping[str, str] | None = None) -> Path:
    """Train (or resume) both networks; returns the pipeline's folder."""
    settings = read_settings(PixelSettings, path, overrides)
    torch.set_num_threads(settings.threads)
    folder, output = Path(settings.data), Path(settings.output)
    if not (folder / "data.jsonl").is_file():
        write_samples(
            folder, settings.count, seed=settings.seed, size=settings.size, relations=settings.kinds,
            hard=False, selection=settings.selection,
        )  # fmt: skip
    drawings = read_drawings(folder)
    autoencoder: Any = train_autoencoder(drawings.pictures, settings, output / "state" / "coder")
    latents = encode_all(autoencoder, drawings.pictures, torch.device(settings.device))
    autoencoder.register_to_config(scaling_factor=1 / float(latents.std()))
    encoder, tokenizer = load_text_encoder(settings.words)
    prompts = sorted({"", *drawings.relation_prompts, *drawings.subject_prompts})
    table = embed_prompts(encoder, tokenizer, prompts)
    unet = train_unet(
        latents * autoencoder.config.scaling_factor, drawings, prompts, table, settings, output / "state/unet"
    )
    pipeline: Any = StableDiffusionPipeline(
        vae=autoencoder, text_encoder=encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.to(torch.float16).save_pretrained(str(output))
    (output / "settings.json").write_text(json.dumps(dataclasses.asdict(settings), indent=1) + "\n")
    return output


def read_drawings(folder: Path) -> Drawings:
    """What `write_samples` wrote, in the order of its lines. Raises ValueError or FileNotFoundError."""
    pictures, relation_prompts, subject_prompts = [], [], []
    for where, row in read_rows(folder / "data.jsonl"):
        if isinstance(row, str):
            raise ValueError(f"{where}: {row}")
        with Image.open(folder / f"{row['image_hash']}.png") as image:
            pictures.append(np.asarray(image.convert("RGB")))
        relation_prompts.append(fill(row["caption"], row["subject"], row["other"]))
        subject_prompts.append(with_article(row["subject"]))
    return Drawings(np.stack(pictures), relation_prompts, subject_prompts)


# The autoencoder


def new_autoencoder(settings: PixelSettings) -> AutoencoderKL:
    widths = tuple(map(int, settings.coder_widths.split(",")))
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(widths), up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths, layers_per_block=1, latent_channels=LATENTS, norm_num_groups=GROUPS,
        sample_size=settings.size, mid_block_add_attention=False,
    )  # fmt: skip


def train_autoencoder(pictures: NDArray[np.uint8], settings: PixelSettings, state: Path | None) -> AutoencoderKL:
    """Train the autoencoder on crops, by absolute error and a small KL term to the unit Gaussian.

    Crops are enough, since the network has no attention and a small receptive field.
    """
    torch.manual_seed(settings.seed)
    device = torch.device(settings.device)
    room = settings.size - settings.crop + 1

    def loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        rows = torch.randint(len(pictures), (settings.coder_batch_size,), generator=generator)
        corners = torch.randint(room, (settings.coder_batch_size, 2), generator=generator).tolist()
        crops = np.stack(
            [
                pictures[row, top : top + settings.crop, left : left + settings.crop]
                for row, (top, left) in zip(rows.tolist(), corners, strict=True)
            ]
        )
        clean = as_tensor(crops).to(device)
        noise = torch.randn(len(clean), LATENTS, *(2 * [settings.crop // FACTOR]), generator=generator).to(device)
        with autocast(device, settings.bf16):
            found = autoencoder.encode(clean).latent_dist
            decoded = autoencoder.decode(found.mean + found.std * noise).sample
        error = (decoded.float() - clean).abs().mean()
        spread = found.kl().mean() / found.mean[0].numel()
        return error + 1e-3 * spread, {"error": error, "kl": spread}

    autoencoder: Any = new_autoencoder(settings)
    autoencoder.to(device)
    looped = dataclasses.replace(
        settings, steps=settings.coder_steps, batch_size=settings.coder_batch_size, lr=settings.coder_lr,
        warmup=min(settings.warmup, settings.coder_steps // 10),
    )  # fmt: skip
    trained: AutoencoderKL = train_loop(autoencoder, looped, loss_of, state)
    return trained


@torch.no_grad()
def encode_all(autoencoder: Any, pictures: NDArray[np.uint8], device: torch.device) -> Tensor:
    """(n, LATENTS, h, w) fp32 on the CPU, not scaled."""
    return torch.cat(
        [autoencoder.encode(as_tensor(pictures[i : i + 64]).to(device)).latent_dist.mean.float().cpu()
         for i in range(0, len(pictures), 64)]
    )  # fmt: skip


def as_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """(B, h, w, 3) uint8 -> (B, 3, h, w) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


# Words


def load_text_encoder(length: int) -> tuple[Any, Any]:
    """MiniLM and its tokenizer, as the text encoder of a StableDiffusionPipeline. length: tokens of a prompt."""
    from transformers import AutoModel, AutoTokenizer

    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(str(installed_minilm()), model_max_length=length)
        encoder = AutoModel.from_pretrained(str(installed_minilm())).eval()
    encoder.config.use_attention_mask = True  # what the pipeline reads; padding is not attended to inside of MiniLM
    return encoder.requires_grad_(False), tokenizer


@torch.no_grad()
def embed_prompts(encoder: Any, tokenizer: Any, prompts: Sequence[str], batch_size: int = 64) -> Tensor:
    """(n, words, 384) fp16, as the pipeline's encode_prompt gives them."""
    rows = []
    for start in range(0, len(prompts), batch_size):
        tokens = tokenizer(
            list(prompts[start : start + batch_size]), padding="max_length", truncation=True,
            max_length=tokenizer.model_max_length, return_tensors="pt",
        )  # fmt: skip
        rows.append(encoder(tokens.input_ids, attention_mask=tokens.attention_mask)[0].half())
    return torch.cat(rows)


# The UNet


def new_unet(settings: PixelSettings) -> UNet2DConditionModel:
    """An untrained UNet with attention at all levels but the finest."""
    widths = tuple(map(int, settings.widths.split(",")))
    inner = len(widths) - 1
    return UNet2DConditionModel(
        sample_size=settings.size // FACTOR, in_channels=LATENTS, out_channels=LATENTS,
        layers_per_block=settings.blocks, block_out_channels=widths, norm_num_groups=GROUPS,
        cross_attention_dim=TEXT_DIM, attention_head_dim=tuple(max(1, w // settings.head_dim) for w in widths),
        down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * inner),
        up_block_types=(*["CrossAttnUpBlock2D"] * inner, "UpBlock2D"),
    )  # fmt: skip


def scheduler() -> DDIMScheduler:
    """A cosine schedule with v-prediction: at these sizes colours and layout are decided late and must not drift."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=True,
        timestep_spacing="trailing", steps_offset=1,
    )  # fmt: skip


def train_unet(
    latents: Tensor, drawings: Drawings, prompts: Sequence[str], table: Tensor, settings: PixelSettings,
    state: Path | None,
) -> UNet2DConditionModel:  # fmt: skip
    """Train the UNet. latents: (n, LATENTS, h, w), scaled; prompts: sorted; table: (prompts, words, 384)."""
    torch.manual_seed(settings.seed + 1)
    device = torch.device(settings.device)
    number = {prompt: place for place, prompt in enumerate(prompts)}
    both = zip(drawings.subject_prompts, drawings.relation_prompts, strict=True)
    columns = torch.tensor([[number[""], number[subject], number[relation]] for subject, relation in both])
    noising = Noising(scheduler())

    def loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        rows = torch.randint(len(latents), (settings.batch_size,), generator=generator)
        chance = torch.rand(settings.batch_size, generator=generator)
        without = 1 - settings.worded
        kind = (chance > 0.1 * without).long() + (chance > without)
        words = table[columns[rows, kind]].float().to(device)
        noised = noising(latents[rows].to(device), latents[0, 0].numel(), [generator])
        with autocast(device, settings.bf16):
            predicted = unet(noised.sample, noised.timestep, words).sample
        return F.mse_loss(predicted.float(), noised.target), {}

    unet: Any = new_unet(settings)
    unet.to(device)
    trained: UNet2DConditionModel = train_loop(unet, settings, loss_of, state)
    return trained
