"""Measure speed and memory of Qwen2.5-VL with random weights: encoder, roles on one base, and training.

    python recipes/qwen_speed.py                 # shapes of the 7B in bf16 at 448 x 448: a GPU with 40 GB or more
    python recipes/qwen_speed.py --tiny          # a few seconds on a CPU, as a test

Prints one JSON object. `ceiling`: images/s if the device did only the encoder's counted multiplications, at the rate
that it reaches on large square matrices in the same run; `share`: the measured part of it. Memory is in MiB: on a GPU
the allocations of torch, on a CPU the resident set of the process. Random weights compute as fast as trained ones.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from analogen.relsim.data.corpus import Corpus
from analogen.relsim.training.checkpoints import Checkpoints
from analogen.relsim.training.joint_batches import Share
from analogen.relsim.training.training_state import make_accelerator
from analogen.relsim.vlm.captioner import Captioner
from analogen.relsim.vlm.checkpoint import read_checkpoint
from analogen.relsim.vlm.encoder import QwenEncoder
from analogen.relsim.vlm.loading import Base
from analogen.relsim.vlm.model import UserMessage, Vlm
from analogen.relsim.vlm.preprocessing import Preprocessing
from analogen.relsim.vlm.query import Sampling
from analogen.relsim.vlm.tiny import (
    SEVEN_B,
    SMALL,
    TINY,
    build_processor,
    random_adapter,
    random_model,
    save_checkpoint,
    save_processor,
)
from analogen.relsim.vlm.training.encoder import EncoderTask, VlmEncoderSettings
from analogen.relsim.vlm.training.loop import ADAPTER, Place, Start
from analogen.relsim.world.dataset import write_samples

SIZES = {"7b": SEVEN_B, "small": SMALL, "tiny": TINY}
RANK = 16


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="7b")
    parser.add_argument("--tiny", action="store_const", const="tiny", dest="size", help="the same as --size tiny")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], help="bfloat16 on a GPU, else float32")
    parser.add_argument("--batch-sizes", type=int, nargs="+", help="of the encoder")
    parser.add_argument("--images", type=int, help="number of images embedded per batch size")
    options = parser.parse_args(arguments)
    on_gpu = options.device.startswith("cuda")
    dtype_name = options.dtype or ("bfloat16" if on_gpu else "float32")
    dtype = getattr(torch, dtype_name)
    tiny = options.size == "tiny"
    side = 112 if tiny else 448
    batch_sizes = options.batch_sizes or ([1, 8, 16, 32, 64] if on_gpu else [1, 4])
    count = options.images or (256 if on_gpu else 8)

    device = Device(options.device)
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if on_gpu else "cpu", "torch": torch.__version__, "size": options.size,
        "dtype": dtype_name, "side_px": side,
    }  # fmt: skip
    found["matmul_tflops"] = matmul_rate(device, dtype, 256 if tiny else 8192 if on_gpu else 2048) / 1e12
    before = device.memory()
    # The vocabulary of this size has room for the query token.
    vlm = Vlm(random_model(SIZES[options.size], 0, dtype, options.device), build_processor(), "a random base")
    found["weights"] = sum(parameter.numel() for parameter in vlm.model.parameters())
    found["base_mib"] = device.memory() - before
    with tempfile.TemporaryDirectory() as made:
        folder, rate = Path(made), found["matmul_tflops"]
        found |= measure_encoder(device, vlm, options.size, side, batch_sizes, count, rate, folder)
        found["shared_base"] = measure_shared_base(device, vlm, options.size, side, before)
        del vlm
        found["training"] = measure_training(device, options.size, dtype_name, side, folder)
    print(json.dumps(found, indent=1))
    return found


class Device:
    """Measures time and memory on a device."""

    def __init__(self, name: str) -> None:
        self.name, self.on_gpu = name, name.startswith("cuda")

    def seconds(self, work: Callable[[], object]) -> float:
        self._wait()
        started = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - started

    def _wait(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize()

    def memory(self) -> float:
        """The memory in use, in MiB."""
        gc.collect()
        if self.on_gpu:
            return torch.cuda.memory_allocated() / 2**20
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20

    def peak(self) -> float:
        """The largest memory in MiB: on a GPU since `reset_peak`, on a CPU since the start of the process."""
        if self.on_gpu:
            return torch.cuda.max_memory_allocated() / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10

    def reset_peak(self) -> None:
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats()


def matmul_rate(device: Device, dtype: torch.dtype, side: int, tries: int = 5) -> float:
    """The best rate on square matrices, in floating-point operations per second."""
    first, second = (torch.randn(side, side, device=device.name, dtype=dtype) for _ in range(2))
    device.seconds(lambda: first @ second)
    times = 8

    def work() -> None:
        for _ in range(times):
            first @ second

    return max(times * 2 * side**3 / device.seconds(work) for _ in range(tries))


def random_images(side: int, count: int) -> list[Image.Image]:
    """Smooth random pictures."""
    random = np.random.default_rng(0)
    small = (random.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in range(count))
    return [Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC) for pixels in small]


def measure_encoder(
    device: Device,
    vlm: Vlm,
    size: str,
    side: int,
    batch_sizes: list[int],
    count: int,
    tflops: float,
    folder: Path,
) -> dict[str, Any]:
    """Images per second by batch size, and the ceiling from the counted operations."""
    checkpoint = save_checkpoint(folder / "checkpoint", "a random base", SIZES[size], rank=RANK)
    encoder = QwenEncoder(vlm, read_checkpoint(checkpoint), preprocessing=Preprocessing(size=side))
    images = random_images(side, count)
    with FlopCounterMode(display=False) as counter:
        encoder.embed(images[:2])
    operations = counter.get_total_flops() / 2
    ceiling = tflops * 1e12 / operations
    rows = []
    for batch_size in batch_sizes:
        encoder.embed(images[: 2 * batch_size], batch_size)
        device.reset_peak()
        rate = count / device.seconds(lambda size=batch_size: encoder.embed(images, size))  # type: ignore[misc]
        rows.append(
            {
                "batch_size": batch_size, "images_per_second": rate, "share": rate / ceiling,
                "peak_mib": device.peak(),
            }
        )  # fmt: skip
    return {"tflop_per_image": operations / 1e12, "ceiling_images_per_second": ceiling, "encoder": rows}


def measure_shared_base(device: Device, vlm: Vlm, size: str, side: int, before: float) -> dict[str, float]:
    """Memory of encoder, captioner and plain model on one base, beside the weights of a base for each."""
    base = sum(p.numel() * p.element_size() for n, p in vlm.model.named_parameters() if ".lora_" not in n) / 2**20
    vlm.add_adapter("captioner", *random_adapter(SIZES[size], 5, RANK))
    device.reset_peak()
    image = random_images(side, 1)
    for adapter in ("captioner", None):
        captioner = Captioner(vlm, adapter, preprocessing=Preprocessing(size=side))
        captioner.caption(image, Sampling(temperature=0.0, max_new_tokens=8), tries=1)
    with vlm.using_adapter("encoder"), torch.inference_mode():
        vlm.last_hidden(vlm.inputs([UserMessage([np.asarray(image[0])], "what is it?")]))
    adapters = sum(p.numel() * p.element_size() for n, p in vlm.model.named_parameters() if ".lora_" in n) / 2**20
    return {
        "one_base_counted_mib": base + adapters, "three_bases_counted_mib": 3 * base + adapters,
        "held_mib": device.memory() - before, "peak_mib": device.peak(),
    }  # fmt: skip


def measure_training(device: Device, size: str, dtype: str, side: int, folder: Path) -> dict[str, dict[str, float]]:
    """Rows per second and memory of one contrastive step, by micro batch.

    Without the optimiser, whose cost is negligible for adapters.
    """
    processor = folder / "base"
    processor.mkdir()
    save_processor(build_processor(), processor)
    batch_size = 64 if device.on_gpu else 8
    write_samples(folder / "world", batch_size, size=side)
    corpus = Corpus.build(folder / "world" / "data.jsonl", folder / "world")
    accelerator = make_accelerator(cpu=not device.on_gpu)
    found: dict[str, dict[str, float]] = {}
    variants = [(4, False), (8, False), (16, True)] if device.on_gpu else [(2, False), (4, False), (4, True)]
    for micro_batch, checkpointing in variants:
        settings = VlmEncoderSettings(
            base="a random base", index="in memory", output=str(folder / "out"), batch_size=batch_size,
            micro_batch=micro_batch, rank=RANK, image_size=side, dtype=dtype, gradient_checkpointing=checkpointing,
        )  # fmt: skip
        vlm = Vlm(random_model(SIZES[size], 0, getattr(torch, dtype), device.name), build_processor(), "a random base")
        base = Base("a random base", None, processor)
        checkpoints = Checkpoints("encoder", settings, {"data": "0"})
        task = EncoderTask(settings, Start(corpus, accelerator, checkpoints, base, vlm))
        rows = np.arange(batch_size)
        items = [task.load(Place(0, 0, number, number)) for number in range(batch_size)]
        share = Share(accelerator, 0, rows, items, micro_batch, 0)
        if checkpointing:
            vlm.enable_gradient_checkpointing()
        with vlm.using_adapter(ADAPTER):
            vlm.model.train()
            task.backward(share)
            device.reset_peak()
            seconds = device.seconds(lambda task=task, share=share: task.backward(share))  # type: ignore[misc]
        name = f"micro_batch {micro_batch}{', checkpointing' if checkpointing else ''}"
        found[name] = {"rows_per_second": batch_size / seconds, "peak_mib": device.peak()}
        del vlm, task
    return found


if __name__ == "__main__":
    main()
