"""Benchmark of the memory of one base with several adapters against a separate model for every role.

    python benchmarks/shared_base_memory.py [--size small|7b] [--device cpu|cuda] [--dtype float32|bfloat16]

The roles are encoder, captioner and plain model. The weights are random: about 100M by default, the shapes of the 7B
with --size 7b. Each variant runs in its own process: it loads three roles, runs every role twice on a picture of 448 px
and reports its memory: on a CPU the growth of the resident set since the imports, on a GPU the allocations of torch.
"counted" is the sum of the weights.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROLES = ("encoder", "captioner", None)


def resident_bytes() -> int:
    """The resident set of this process. Linux only."""
    import resource

    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def run_variant(shared: bool, size_name: str, device: str, dtype_name: str) -> None:
    """Measure one variant in this process; prints its figures in bytes as a JSON line."""
    import numpy as np
    import torch
    from peft import get_peft_model  # noqa: F401 - so that its import is not counted

    from analogen.relsim.vlm.model import UserMessage, Vlm
    from analogen.relsim.vlm.tiny import SEVEN_B, SMALL, build_processor, random_adapter, random_model

    size = {"small": SMALL, "7b": SEVEN_B}[size_name]
    dtype = getattr(torch, dtype_name)
    adapters = {role: random_adapter(size, seed, rank=16) for seed, role in enumerate(ROLES) if role}

    def held() -> int:
        gc.collect()
        return torch.cuda.memory_allocated() if device.startswith("cuda") else resident_bytes()

    def build(roles: tuple[str | None, ...]) -> Vlm:
        vlm = Vlm(random_model(size, 0, dtype, device), build_processor(), "a random base")
        for role in roles:
            if role:
                vlm.add_adapter(role, *adapters[role])
        return vlm

    picture = np.random.default_rng(0).integers(0, 256, (448, 448, 3), dtype=np.uint8)
    before = held()
    if shared:
        one = build(ROLES)
        models = dict.fromkeys(ROLES, one)
    else:
        models = {role: build((role,)) for role in ROLES}
    after_loading = held()
    logits: list[list[float]] = []
    for _ in range(2):
        for role, vlm in models.items():
            with torch.inference_mode(), vlm.using_adapter(role):
                logits.append(
                    vlm.next_token_logits(vlm.inputs([UserMessage([picture], "What is it?")]))[0, :4].tolist()
                )
    stores = {
        weight.untyped_storage().data_ptr(): weight.untyped_storage().nbytes()
        for vlm in models.values()
        for weight in vlm.model.parameters()
    }
    figures = {"counted": sum(stores.values()), "loaded": after_loading - before, "after use": held() - before}
    print(
        json.dumps(
            {"figures": figures, "logits": logits, "weights": sum(p.numel() for p in models[None].model.parameters())}
        )
    )


def measure(variant: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run a variant in another process."""
    settings = ["--size", options.size, "--device", options.device, "--dtype", options.dtype]
    with tempfile.TemporaryDirectory() as empty:  # not in the tree, whose folders have names of other packages
        command = [sys.executable, str(Path(__file__).resolve()), *settings, "--variant", variant]
        done = subprocess.run(command, cwd=empty, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["small", "7b"], default="small")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--variant", choices=["shared", "separate"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant:
        run_variant(options.variant == "shared", options.size, options.device, options.dtype)
        return

    from machine import describe

    figures_by_variant = {variant: measure(variant, options) for variant in ("shared", "separate")}
    print(describe("torch", "transformers", "peft"))
    print(f"{figures_by_variant['separate']['weights'] / 1e6:.0f}M weights, {options.dtype}, {options.device}; MiB")
    print(f"{'':36}{'counted':>10}{'loaded':>10}{'after use':>10}")
    for variant, title in (("shared", "one base, adapters switched"), ("separate", "a model for every role")):
        print(
            f"{title:36}"
            + "".join(f"{value / 2**20:10.0f}" for value in figures_by_variant[variant]["figures"].values())
        )
    shared, separate = figures_by_variant["shared"]["figures"], figures_by_variant["separate"]["figures"]
    print(f"{'ratio':36}" + "".join(f"{separate[key] / shared[key]:10.2f}" for key in shared))
    pairs = zip(figures_by_variant["shared"]["logits"], figures_by_variant["separate"]["logits"], strict=True)
    difference = max(abs(a - b) for first, second in pairs for a, b in zip(first, second, strict=True))
    print(f"largest difference between the logits of both: {difference:.1e}")


if __name__ == "__main__":
    main()
