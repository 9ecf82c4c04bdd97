"""Loads what gives a text-to-image model the looks of a second picture: an IP-Adapter, or FLUX's Redux."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analogen.pipelines.diffusion.loading import LoadedPipeline, load_or_explain
from analogen.pipelines.diffusion.redux import Redux, load_redux
from analogen.pipelines.diffusion.style_choice import STYLE_ADAPTERS, WHO_CAN, scale_of
from analogen.relsim.hub import fetch


def load_style(
    loaded: LoadedPipeline,
    style_scale: float | None = None,
    way: str = "ip-adapter",
    folder: str | Path | None = None,
) -> Redux | None:
    """Load what a pipeline needs for style pictures, on the device of the pipeline's models.

    folder: of its files, where they are not to come from the hub. Returns what the sampler needs for Redux, None for an
    IP-Adapter, which the pipeline holds. Raises ValueError for a kind that has none.
    """
    scale = scale_of(loaded.kind.name, way, style_scale)
    if way == "redux":
        return load_redux(loaded, scale, folder)
    _load_ip_adapter(loaded, scale, folder)
    return None


def _load_ip_adapter(loaded: LoadedPipeline, scale: float, folder: str | Path | None) -> None:
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
