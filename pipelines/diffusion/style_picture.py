"""Loads the published IP-Adapter of a model, by which a second picture gives a text-to-image model its looks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analogen.pipelines.diffusion.loading import LoadedPipeline, load_or_explain
from analogen.relsim.hub import fetch


@dataclass(frozen=True)
class StyleAdapter:
    """A published IP-Adapter. folder, file: of its weights in the repository; encoder: folder of its image encoder
    there, or the hub id of one. blocks: the blocks that it acts in, with "scale" for the strength; None for all."""

    repo: str
    folder: str
    file: str
    encoder: str
    blocks: Any = None


STYLE_ADAPTERS = {
    "sd15": StyleAdapter("h94/IP-Adapter", "models", "ip-adapter_sd15.safetensors", "models/image_encoder"),
    # Of SDXL's blocks this one carries the looks; in the others a picture also gives its things and their places.
    "sdxl": StyleAdapter(
        "h94/IP-Adapter", "sdxl_models", "ip-adapter_sdxl.safetensors", "sdxl_models/image_encoder",
        {"up": {"block_0": [0.0, "scale", 0.0]}},
    ),
    "flux": StyleAdapter(
        "XLabs-AI/flux-ip-adapter", "", "ip_adapter.safetensors", "openai/clip-vit-large-patch14"
    ),
}  # fmt: skip
SCALE = 0.7


def load_style(loaded: LoadedPipeline, scale: float = SCALE, folder: str | Path | None = None) -> None:
    """Load the style adapter of a pipeline, on the device of the pipeline's models.

    folder: of its files, where they are not to come from the hub. Raises ValueError for a kind that has none.
    """
    kind = loaded.kind
    if kind.name not in STYLE_ADAPTERS:
        raise ValueError(f"--style-image: no published style adapter of {kind.title} is known: {WHO_CAN}")
    row = STYLE_ADAPTERS[kind.name]
    files = (f"{row.folder}/{row.file}".lstrip("/"), f"{row.encoder}/*.safetensors", f"{row.encoder}/*.json")
    where = Path(folder) if folder is not None else fetch(row.repo, files=files)
    outside = not (where / row.encoder).is_dir()
    encoder = str(fetch(row.encoder, files=("*.safetensors", "*.json"))) if outside else str(where / row.encoder)

    def load() -> None:
        settings: dict[str, Any] = {"weight_name": row.file, "local_files_only": True}
        if kind.name == "flux":
            loaded.pipeline.load_ip_adapter(str(where), image_encoder_pretrained_model_name_or_path=encoder, **settings)
        else:
            inner = encoder if outside else str((where / row.encoder).relative_to(where / row.folder))
            loaded.pipeline.load_ip_adapter(str(where), subfolder=row.folder, image_encoder_folder=inner, **settings)

    load_or_explain(load, row.repo)
    loaded.pipeline.set_ip_adapter_scale(_filled(row.blocks, scale) if row.blocks else scale)
    image_encoder = loaded.pipeline.components.get("image_encoder")
    if image_encoder is not None:
        image_encoder.to(loaded.denoiser.dtype)
        loaded.placement.add("image_encoder", image_encoder)


def _filled(blocks: Any, scale: float) -> Any:
    if isinstance(blocks, dict):
        return {key: _filled(value, scale) for key, value in blocks.items()}
    return [scale if value == "scale" else value for value in blocks]


WHO_CAN = (
    f"take {', '.join(STYLE_ADAPTERS)}, or a model that sees several pictures, such as klein, flux2, flux3-klein, "
    "fibo2 or qwen-edit-2511"
)
