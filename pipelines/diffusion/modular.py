"""Loads the models that diffusers offers as modular pipelines only, such as FLUX.3 and Anima, and calls them as others.

The blocks are those of the installed diffusers, never code of a repository. A step that rewrites the prompt is left
out: the model is to see the words that the record and --dry-run show.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from PIL import Image

from analogen.pipelines.diffusion.model_defaults import INDEX, MODULAR_INDEX, read_index
from analogen.relsim.hub import BASE_FILES
from analogen.relsim.vlm.processor import load_processor

REWRITING_STEPS = ("prompt_upsampler",)


@dataclass(frozen=True)
class ModularImages:
    images: list[Image.Image]


class ModularAdapter:
    """A modular pipeline with the call of an ordinary one: arguments by name, images back. arguments: its inputs, with
    their defaults. Everything else is the pipeline's own."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.arguments: dict[str, Any] = arguments_of(pipeline.blocks)

    def __call__(self, **given: Any) -> ModularImages:
        # Its steps take one prompt as it is, not a list of one.
        for name in ("prompt", "negative_prompt", "generator"):
            if isinstance(given.get(name), list) and len(given[name]) == 1:
                given[name] = given[name][0]
        return ModularImages(self.pipeline(output="images", **given))

    def set_progress_bar_config(self, **settings: Any) -> None:
        for block in _all_blocks(self.pipeline._blocks):
            if hasattr(block, "set_progress_bar_config"):
                block.set_progress_bar_config(**settings)

    def __getattr__(self, name: str) -> Any:
        if name == "pipeline":  # not set yet
            raise AttributeError(name)
        return getattr(self.pipeline, name)


def _all_blocks(block: Any) -> Iterator[Any]:
    yield block
    for inner in getattr(block, "sub_blocks", {}).values():
        yield from _all_blocks(inner)


def arguments_of(blocks: Any) -> dict[str, Any]:
    """The inputs of a pipeline's blocks, with their defaults, as the arguments of an ordinary call."""
    return {one.name: one.default for one in blocks.inputs if one.name}


def blocks_of(class_name: str) -> Any:
    """The default blocks of a modular pipeline's class, without the steps that rewrite the prompt."""
    blocks = getattr(diffusers, getattr(diffusers, class_name).default_blocks_name)()
    for step in REWRITING_STEPS:
        blocks.sub_blocks.pop(step, None)
    return blocks


def load_modular(folder: Path, dtype: torch.dtype) -> ModularAdapter:
    """Load the modular pipeline of a folder. Raises the library's own errors."""
    name = str(read_index(folder)["_class_name"])
    pipeline = getattr(diffusers, name)(
        blocks_of(name), pretrained_model_name_or_path=str(folder), local_files_only=True
    )
    for part in pipeline.pretrained_component_names:
        spec = pipeline.get_component_spec(part)
        if not spec.pretrained_model_name_or_path:
            raise ValueError(f"{folder}: names no files for its {part}: fetch the model again")
        if str(getattr(spec.type_hint, "__name__", "")).startswith(("Qwen2_5_VLProcessor", "Qwen3VLProcessor")):
            where = Path(spec.pretrained_model_name_or_path)
            if where.is_dir():  # the library's own needs torchvision for its video half
                pipeline.update_components(**{part: load_processor(where / (spec.subfolder or ""))})
                continue
        is_model = spec.type_hint is None or issubclass(spec.type_hint, torch.nn.Module)
        settings: dict[str, Any] = {"dtype": dtype, "use_safetensors": True} if is_model else {}
        pipeline.update_components(**{part: spec.load(local_files_only=True, **settings)})
    return ModularAdapter(pipeline)


def fetch_modular(repo: str, revision: str | None = None, cache_dir: str | None = None) -> Path | None:
    """Download a repository whose pipeline is only modular, and what it borrows from others; None for any other.

    Raises the hub's errors.
    """
    settings: dict[str, Any] = {"revision": revision, "cache_dir": cache_dir}
    try:
        hf_hub_download(repo, INDEX, **settings)
        return None
    except LocalEntryNotFoundError:  # without a network
        if not isinstance(try_to_load_from_cache(repo, MODULAR_INDEX, cache_dir, revision), str):
            raise
    except EntryNotFoundError:
        pass
    index = json.loads(Path(hf_hub_download(repo, MODULAR_INDEX, **settings)).read_text(encoding="utf-8"))
    folder = Path(snapshot_download(repo, allow_patterns=[MODULAR_INDEX, *_patterns(index, repo)], **settings))
    for other in {where for where, _ in _borrowed(index) if where != repo}:
        snapshot_download(other, allow_patterns=_patterns(index, other), cache_dir=cache_dir)
    return folder


def _patterns(index: dict[str, Any], repo: str) -> list[str]:
    folders = [f"{sub}/" if sub else "" for where, sub in _borrowed(index) if where == repo]
    return [f"{folder}{pattern}" for folder in folders for pattern in (*BASE_FILES, "*.model")]


def _borrowed(index: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(repository, folder in it) of every component."""
    for name, value in index.items():
        if isinstance(value, list) and len(value) == 3 and isinstance(value[2], dict) and name not in REWRITING_STEPS:
            repo = value[2].get("pretrained_model_name_or_path") or value[2].get("repo")
            if isinstance(repo, str) and not name.startswith(tuple(REWRITING_STEPS)):
                yield repo, str(value[2].get("subfolder") or "")
