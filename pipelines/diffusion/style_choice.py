"""The ways by which a second picture gives a text-to-image model its looks, and how strongly; light to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StyleAdapter:
    """A published IP-Adapter. folder, file: of its weights in the repository; encoder: folder of its image encoder
    there, or the hub id of one. blocks: the blocks that it acts in, with "scale" for the strength; None for all.
    balanced, full: its scale at a style_scale of .5 and of 1."""

    repo: str
    folder: str
    file: str
    encoder: str
    blocks: Any = None
    balanced: float = 0.5
    full: float = 1.0


STYLE_ADAPTERS = {
    "sd15": StyleAdapter("h94/IP-Adapter", "models", "ip-adapter_sd15.safetensors", "models/image_encoder"),
    # Of SDXL's blocks this one carries the looks; in the others a picture also gives its things and their places.
    "sdxl": StyleAdapter(
        "h94/IP-Adapter", "sdxl_models", "ip-adapter_sdxl.safetensors", "sdxl_models/image_encoder",
        {"up": {"block_0": [0.0, "scale", 0.0]}}, balanced=0.7,
    ),
    "flux": StyleAdapter(
        "XLabs-AI/flux-ip-adapter", "", "ip_adapter.safetensors", "openai/clip-vit-large-patch14", balanced=0.7,
    ),
}  # fmt: skip
WHO_CAN = (
    f"take {', '.join(STYLE_ADAPTERS)}, or a model that sees several pictures, such as klein, flux2, flux3-klein, "
    "fibo2 or qwen-edit-2511"
)
WAYS = ("auto", "ip-adapter", "redux")
HAS_REDUX = ("flux",)
BALANCED = 0.5  # the style_scale at which prompt and picture have about equal weight


def way_of(kind: str, asked: str = "auto", adapted: bool = False) -> str:
    """How a kind of model takes a style picture: "ip-adapter" or "redux".

    asked: one of WAYS; adapted: whether it has a relational adapter, which takes the place of an IP-Adapter. Raises
    ValueError for a way that it does not have.
    """
    if asked == "redux" and kind not in HAS_REDUX:
        raise ValueError(f"--style-by redux: is for {', '.join(HAS_REDUX)}: take ip-adapter, or leave it out")
    if adapted and (asked == "ip-adapter" or kind not in HAS_REDUX):
        by = "--style-by redux" if kind in HAS_REDUX else "--style-image with flux, by Redux"
        raise ValueError(
            f"--style-image and --adapter both need the model's one adapter: leave one of them out, or take {by}"
        )
    return "redux" if adapted else "ip-adapter" if asked == "auto" else asked


def scale_of(kind: str, way: str, style_scale: float | None) -> float:
    """What a style_scale in [0, 1] is for a way: straight lines from 0 over its balanced scale at .5 to its full one.

    The balanced scales are customary ones; nobody measured them here.
    """
    wanted = BALANCED if style_scale is None else style_scale
    row = STYLE_ADAPTERS.get(kind)
    balanced, full = (row.balanced, row.full) if row is not None and way == "ip-adapter" else (0.5, 1.0)
    share = wanted / BALANCED
    return balanced * share if share <= 1 else balanced + (full - balanced) * (share - 1)
