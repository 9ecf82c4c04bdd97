"""Benchmark of different references in one batch against stock diffusers calls, one per reference.

python benchmarks/references_batch.py [--rows 8] [--steps 4] [--repeats 3]

Both use the same random adapter of a UNet. Stock diffusers applies all references to every row of a batch, so that
different references need a call each.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from machine import describe
from table import Row, as_text, side_by_side

from analogen.pipelines.adapter.attach import attach, denoiser_of
from analogen.pipelines.adapter.model import build_adapter
from analogen.pipelines.adapter.tiny import SIZE_PX, tiny_pipeline


def measure(rows: int = 8, steps: int = 4, repeats: int = 3) -> list[Row]:
    ours, stock = tiny_pipeline("sd15"), tiny_pipeline("sd15")
    adapter = build_adapter(denoiser_of(ours), tokens=4)
    generator = torch.Generator().manual_seed(7)
    for name, value in adapter.weights["ip_adapter"].items():
        if "_ip.weight" in name:  # a new adapter has zeros here and no effect
            value.copy_(torch.randn(value.shape, generator=generator) * 0.3)
    attached = attach(ours, adapter)
    stock.load_ip_adapter(
        {part: dict(adapter.weights[part]) for part in ("image_proj", "ip_adapter")},
        subfolder="", weight_name="", image_encoder_folder=None,
    )  # fmt: skip
    stock.set_ip_adapter_scale(1.0)
    for pipeline in (ours, stock):
        pipeline.set_progress_bar_config(disable=True)
    relations = torch.nn.functional.normalize(torch.randn(rows, 384, generator=generator), dim=-1)
    prompts = [f"picture number {number}" for number in range(rows)]
    common: dict[str, Any] = {
        "height": SIZE_PX, "width": SIZE_PX, "num_inference_steps": steps, "guidance_scale": 4.0, "output_type": "np"
    }  # fmt: skip

    def seeds() -> list[torch.Generator]:
        return [torch.Generator().manual_seed(number) for number in range(rows)]

    def batch() -> Any:
        return ours(prompt=prompts, generator=seeds(), **attached.inputs(relations), **common).images

    def calls() -> Any:
        pictures = []
        for number, own in enumerate(seeds()):
            embeds = relations[
                number : number + 1, None
            ]  # (1, 1, 384); the zeros are the unconditional half of guidance
            pair = torch.cat([torch.zeros_like(embeds), embeds])
            arguments = {"ip_adapter_image_embeds": [pair], "prompt": prompts[number], "generator": own}
            pictures.append(stock(**arguments, **common).images[0])
        return np.stack(pictures)

    difference = float(np.abs(batch() - calls()).max())
    seconds = side_by_side({"batch": batch, "calls": calls}, repeats)
    note = f"largest difference of pixels {difference:.1e}"
    return [
        Row(f"{rows} references in one batch", seconds["batch"], "stock calls, one each", seconds["calls"], note=note)
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    print(describe())
    print(as_text(measure(**vars(parser.parse_args()))))
