"""The models that a user can name: one row each."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from analogen.errors import UserError


@dataclass(frozen=True)
class Model:
    """One row of `analogen models`. `min_px`, `max_px`: the sides of a picture that it can make."""

    name: str
    base: str
    route: str
    licence: str
    use: str
    ready: bool = False
    min_px: int = 64
    max_px: int = 4096

    @property
    def state(self) -> str:
        return "shipped" if self.ready else "needs the full-size routes, not in this version"


_ADAPTER = "adapter or caption bridge"
_EDIT = "reference picture and written instruction"
MODELS = (
    Model("mini", "shipped", "composer and renderer", "Apache-2.0", "crisp drawings at any size, layered SVG", True),
    Model("sd15", "stable-diffusion-v1-5/stable-diffusion-v1-5", _ADAPTER, "CreativeML OpenRAIL-M", "4 GB cards"),
    Model("sdxl", "stabilityai/stable-diffusion-xl-base-1.0", _ADAPTER, "CreativeML OpenRAIL++-M", "paintings, photos"),
    Model("sd35", "stabilityai/stable-diffusion-3.5-medium", _ADAPTER, "Stability Community", "longer prompts"),
    Model("flux", "black-forest-labs/FLUX.1-dev", _ADAPTER, "FLUX.1-dev Non-Commercial", "best prompt following"),
    Model("kontext", "black-forest-labs/FLUX.1-Kontext-dev", _EDIT, "FLUX.1-dev Non-Commercial", "edits a reference"),
    Model("qwen-edit", "Qwen/Qwen-Image-Edit", _EDIT, "Apache-2.0", "edits a reference, writes text"),
)


def nearest(word: str, known: list[str]) -> str:
    """ " (did you mean ...?)" for a mistyped word, or "" if nothing comes near."""
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def find_model(name: str) -> Model:
    """The row of a model that can run. Raises UserError for an unknown name or one without a route here."""
    rows = {model.name: model for model in MODELS}
    if name not in rows:
        raise UserError(f"unknown model {name!r}{nearest(name, list(rows))}: known are {', '.join(rows)}")
    if not rows[name].ready:
        raise UserError(f"model {name!r} {rows[name].state}: use --model mini")
    return rows[name]


def check_device(name: str) -> None:
    """Raises UserError for anything but auto, cpu, mps, cuda and cuda:N; whether it is there, `pick_device` knows."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", name):
        raise UserError(f"--device is {name!r}: expected auto, cpu, cuda, cuda:0, ... or mps")


def pick_device(name: str) -> str:
    """The device for torch: "auto" takes an accelerator if there is one. Imports torch.

    Raises UserError for a device that this machine lacks.
    """
    check_device(name)
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    number = int(name.partition(":")[2] or 0)
    if name.startswith("cuda") and number >= torch.cuda.device_count():
        raise UserError(
            f"--device is {name!r}, and torch sees {torch.cuda.device_count()} CUDA devices: use --device cpu"
        )
    if name == "mps" and not torch.backends.mps.is_available():
        raise UserError("--device is 'mps', and this machine has none: use --device cpu")
    return name
