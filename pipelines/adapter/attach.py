"""Attaches a relational adapter to a pipeline, conditions it on relations, scales it, and detaches it.

attached = attach(pipeline, load_adapter("FOLDER"))
attached.set_strength(Strength(0.8))
pipeline(["a cat", "a dog"], **attached.inputs(relations))  # (2, 384): each row its own reference
attached.detach()
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from numpy.typing import NDArray
from torch import Tensor, nn

from analogen.pipelines.adapter.families import FAMILIES, Family
from analogen.pipelines.adapter.model import AdapterConfig, RelationalAdapter, check_fits, weights_of
from analogen.pipelines.adapter.strength import Strength
from analogen.relsim.loading_lock import loading_lock
from analogen.relsim.text import TEXT_DIM

log = logging.getLogger(__name__)
PREPARE = "prepare_ip_adapter_image_embeds"
_ABSENT = object()


class RelationRows(list[Tensor]):
    """`ip_adapter_image_embeds` of known rows: the list [(B, n, 384)], and the rows that guidance steers away from."""

    def __init__(self, relation: Tensor, negative: Tensor) -> None:
        super().__init__([relation])
        self.negative = negative


class AdapterModules:
    """The adapter's modules inside a denoiser: the projection, and an attention processor at each site."""

    def __init__(self, denoiser: Any, adapter: RelationalAdapter) -> None:
        """Load the adapter into the denoiser. Raises ValueError if it does not fit, or if there is one already."""
        family = check_fits(adapter, denoiser)
        processors = denoiser.attn_processors
        if any(hasattr(processor, "to_k_ip") for processor in processors.values()):
            raise ValueError("the model has an adapter already: detach it first")
        if any("Sliced" in type(processor).__name__ for processor in processors.values()):
            raise ValueError("attention slicing leaves no place for an adapter: call disable_attention_slicing() first")
        self.family, self.denoiser, self.config = family, denoiser, adapter.config
        self.names = family.sites(denoiser)
        self._originals = processors
        self._kept = {name: getattr(denoiser, name, _ABSENT) for name in (family.holder, "text_encoder_hid_proj")}
        self._kept_type = getattr(denoiser.config, "encoder_hid_dim_type", _ABSENT)
        meta = next(denoiser.parameters()).is_meta
        state: Any = {part: dict(weights) for part, weights in adapter.weights.items()}
        with loading_lock, _quiet_loading(), torch.device("meta") if meta else torch.no_grad():
            # Meta weights cannot be moved, which the thrifty way of loading does.
            denoiser._load_ip_adapter_weights(state if family.name == "sd3" else [state], low_cpu_mem_usage=not meta)
        self.set_strength(Strength())

    @property
    def processors(self) -> list[Any]:
        found = self.denoiser.attn_processors
        return [found[name] for name in self.names]

    @property
    def projection(self) -> nn.Module:
        held = getattr(self.denoiser, self.family.holder)
        return held if self.family.name == "sd3" else held.image_projection_layers[0]

    def adapter(self, base_model: str | None = None) -> RelationalAdapter:
        """The adapter with the present weights."""
        return RelationalAdapter(self.config, weights_of(self.family, self.projection, self.processors))

    def set_strength(self, strength: Strength) -> None:
        """Raises ValueError for a block that the model does not have."""
        strength.check_blocks(self.names)
        self._factors = [strength.factor(name) for name in self.names]
        self.set_scale(strength.scale)

    def set_scale(self, scale: float) -> None:
        for processor, factor in zip(self.processors, self._factors, strict=True):
            processor.scale = scale * factor if self.family.name == "sd3" else [scale * factor]

    def remove(self) -> None:
        """Restore the denoiser to its state before the adapter."""
        # The projection first: that of SD 3 has attention of its own, which would count among the denoiser's.
        for name, value in self._kept.items():
            if value is not _ABSENT:
                setattr(self.denoiser, name, value)
            elif hasattr(self.denoiser, name):
                delattr(self.denoiser, name)
        self.denoiser.set_attn_processor(dict(self._originals))
        if self._kept_type is not _ABSENT:
            self.denoiser.config.encoder_hid_dim_type = self._kept_type
        elif hasattr(self.denoiser.config, "encoder_hid_dim_type"):
            delattr(self.denoiser.config, "encoder_hid_dim_type")


@contextmanager
def _quiet_loading() -> Iterator[None]:
    """Silences the loader's warning that it casts a model to the precision that it already has."""
    logger = logging.getLogger("diffusers.models.modeling_utils")

    def silent(record: logging.LogRecord) -> bool:
        return "kept in float32" not in str(record.msg)

    logger.addFilter(silent)
    try:
        yield
    finally:
        logger.removeFilter(silent)


class Attachment:
    """An adapter on a pipeline. Made by `attach`."""

    def __init__(self, pipeline: DiffusionPipeline, adapter: RelationalAdapter) -> None:
        self.pipeline = pipeline
        denoiser = denoiser_of(pipeline)
        original = getattr(pipeline, PREPARE, None)
        if original is None:
            raise ValueError(f"{type(pipeline).__name__} takes no IP-Adapter, and so no relational adapter")
        self.modules = AdapterModules(denoiser, adapter)
        self.family = self.modules.family
        self._hook: Any = None
        self._others: list[DiffusionPipeline] = []
        # Diffusers gives every row the tokens of all rows (its issue 9813); ours keeps row i to row i.
        setattr(pipeline, PREPARE, _row_wise(self.family, original))
        _warn_of_other_base(adapter.config, pipeline)

    def set_strength(self, strength: Strength | float) -> None:
        """Set how strongly the adapter acts from now on. Raises ValueError for a block that the model does not have."""
        strength = strength if isinstance(strength, Strength) else Strength(strength)
        self.modules.set_strength(strength)
        self._drop_hook()
        if strength.changes:
            self._hook = self.modules.denoiser.register_forward_pre_hook(self._follow(strength), with_kwargs=True)

    def inputs(
        self, relation: Tensor | NDArray[np.float32], negative: Tensor | NDArray[np.float32] | None = None
    ) -> dict[str, Any]:
        """Arguments for the pipeline's call.

        relation: (384,) for all prompts, (B, 384) one for each prompt, or (B, n, 384) for several at once, whose tokens
        are all attended to. negative: the same forms, what guidance steers away from; needs a call with
        classifier-free guidance, for FLUX `true_cfg_scale` and a negative prompt. None = no relation.
        Raises ValueError for other shapes.
        """
        wanted = self._rows(relation, "relation")
        avoided = torch.zeros_like(wanted[:1, :1]) if negative is None else self._rows(negative, "negative relation")
        # Stock pipelines count on the same rows and numbers of relations on both sides.
        try:
            avoided = avoided.expand(*torch.broadcast_shapes(avoided.shape[:1], wanted.shape[:1]), *avoided.shape[1:])
        except RuntimeError as error:
            raise ValueError(
                f"{len(avoided)} negative relations for {len(wanted)} relations: give one for all, or one for each"
            ) from error
        wanted = wanted.expand(len(avoided), -1, -1)
        if avoided.shape[1] != wanted.shape[1]:
            # Repeated tokens weigh the same in attention as the tokens once.
            if avoided.shape[1] != 1:
                raise ValueError(
                    f"{avoided.shape[1]} negative relations a row beside {wanted.shape[1]}: give as many, or one"
                )
            avoided = avoided.expand(-1, wanted.shape[1], -1)
        if self.family.name == "flux":
            return {"ip_adapter_image_embeds": [wanted], "negative_ip_adapter_image_embeds": [avoided]}
        return {"ip_adapter_image_embeds": RelationRows(wanted, avoided)}

    def share_with(self, pipeline: DiffusionPipeline) -> None:
        """Also serve another pipeline of the same denoiser, such as the image-to-image one that `from_pipe` makes.

        Raises ValueError if it takes no IP-Adapter.
        """
        original = getattr(pipeline, PREPARE, None)
        if original is None:
            raise ValueError(f"{type(pipeline).__name__} takes no IP-Adapter, and so no relational adapter")
        setattr(pipeline, PREPARE, _row_wise(self.family, original))
        self._others.append(pipeline)

    def detach(self) -> None:
        """Restore the pipeline to its state before the adapter."""
        self._drop_hook()
        self.modules.remove()
        for pipeline in (self.pipeline, *self._others):
            pipeline.__dict__.pop(PREPARE, None)

    def _rows(self, given: Tensor | NDArray[np.float32], what: str) -> Tensor:
        """(B, n, 384) unit vectors in the denoiser's precision; zeros stay zeros."""
        rows = torch.as_tensor(given).float().cpu()
        if rows.ndim not in (1, 2, 3) or rows.shape[-1] != TEXT_DIM or 0 in rows.shape:
            raise ValueError(f"{what} of shape {tuple(rows.shape)}: expected ({TEXT_DIM},), (rows, {TEXT_DIM}) or "
                             f"(rows, relations, {TEXT_DIM})")  # fmt: skip
        if not rows.isfinite().all():
            raise ValueError(f"{what} has values that are not numbers: embed its picture or words again")
        rows = rows.view(1, 1, -1) if rows.ndim == 1 else rows[:, None] if rows.ndim == 2 else rows
        return F.normalize(rows, dim=-1).to(self.modules.denoiser.dtype)

    def _follow(self, strength: Strength) -> Callable[..., None]:
        def follow(denoiser: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            timestep = kwargs["timestep"] if "timestep" in kwargs else args[1]
            moment = float(torch.as_tensor(timestep).reshape(-1)[0])
            self.modules.set_scale(strength.at(min(1.0, max(0.0, 1 - moment / self.family.span))))

        return follow

    def _drop_hook(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None


def attach(pipeline: DiffusionPipeline, adapter: RelationalAdapter) -> Attachment:
    """Attach an adapter to a pipeline, in its precision and on its device, at full strength.

    Raises ValueError if the adapter was made for another family or shape, the pipeline takes none, or has one already.
    """
    return Attachment(pipeline, adapter)


def denoiser_of(pipeline: DiffusionPipeline) -> nn.Module:
    """The pipeline's UNet or transformer. Raises ValueError if it has none of a family with an adapter."""
    for family in FAMILIES.values():
        denoiser = getattr(pipeline, family.part, None)
        if isinstance(denoiser, family.denoiser):
            return denoiser
    known = "; ".join(family.covers for family in FAMILIES.values())
    raise ValueError(f"{type(pipeline).__name__} takes no relational adapter; these do: {known}")


def _row_wise(family: Family, original: Callable[..., Any]) -> Callable[..., Any]:
    """The pipeline's preparation of embeddings, with row i for the pictures of prompt i.

    Embeddings in diffusers' own form, unconditional rows first where guided, are taken as well.
    """

    def prepare(
        ip_adapter_image: Any = None,
        ip_adapter_image_embeds: Any = None,
        device: torch.device | None = None,
        num_images_per_prompt: int = 1,  # of all prompts together, as every pipeline calls it
        do_classifier_free_guidance: bool = False,
    ) -> Any:
        if ip_adapter_image_embeds is None:
            guided = () if family.name == "flux" else (do_classifier_free_guidance,)
            return original(ip_adapter_image, None, device, num_images_per_prompt, *guided)
        given = ip_adapter_image_embeds
        parts = given if isinstance(given, list) else [given]
        prepared = []
        for part in parts:
            # Flux passes what to steer away from in a call of its own.
            if family.name == "flux" or not do_classifier_free_guidance:
                halves = [part]
            else:
                halves = [given.negative, part] if isinstance(given, RelationRows) else list(part.chunk(2))
            prepared.append(torch.cat([_spread(half, num_images_per_prompt) for half in halves]).to(device))
        return prepared[0] if family.name == "sd3" else prepared

    return prepare


def _spread(rows: Tensor, pictures: int) -> Tensor:
    """(B, n, dim) -> (pictures, n, dim): the pictures of a prompt follow each other. One row serves all."""
    if pictures % len(rows):
        raise ValueError(f"{len(rows)} relations for {pictures} pictures: give one for all prompts, or one for each")
    return rows.repeat_interleave(pictures // len(rows), 0)


def _warn_of_other_base(config: AdapterConfig, pipeline: DiffusionPipeline) -> None:
    given = str(pipeline.config.get("_name_or_path") or "")
    if given and config.base_model and PurePath(given).name != PurePath(config.base_model.partition("@")[0]).name:
        log.warning("the adapter was trained on %s, the model is %s: results may be weaker", config.base_model, given)
