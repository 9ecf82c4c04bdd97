"""Writes the model card of a trained adapter: purpose, use here and in diffusers alone, data and recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analogen.pipelines.adapter.families import FAMILIES
from analogen.pipelines.adapter.model import WEIGHTS, RelationalAdapter

_PLACES = ("base", "data", "output", "keep", "save_every", "log_every", "device", "init", "encoder")


def adapter_card(record: Mapping[str, Any], adapter: RelationalAdapter, base_parameters: int) -> str:
    """The text of README.md. record: what training.json holds; base_parameters: of the frozen denoiser."""
    config, settings = adapter.config, record["settings"]
    counts = {part: sum(t.numel() for t in tensors.values()) for part, tensors in adapter.weights.items()}
    rows = "\n".join(f"| {name} | {value} |" for name, value in settings.items() if name not in _PLACES)
    shown = ", ".join(f"{name} {value:.4g}" for name, value in record["shown"].items() if name != "rows_per_second")
    return f"""---
base_model: {config.base_model}
library_name: diffusers
tags: [analogen, relational-similarity, ip-adapter, {config.family}]
---
# Relational adapter for {config.base_model}

Keeps the *relational logic* of a reference image and nothing of its looks: an IP-Adapter whose image embedding is a
relation, a unit vector of {config.relation_dim} numbers in the anonymous-caption space of all-MiniLM-L6-v2.

| part | parameters |
|---|---|
| {FAMILIES[config.family].covers}: the denoiser, frozen | {base_parameters:,} |
| projection to {config.tokens} tokens | {counts["image_proj"]:,} |
| keys and values beside the text's | {counts["ip_adapter"]:,} |

```sh
generate --model {config.base_model} --adapter FOLDER --reference a.png --subject bicycle --output out
```

In diffusers alone (relation: `(1, 1, 384)`, from `load_encoder("{config.encoder}").embed(["a.png"])`):

```python
{_stock(config.family)}
```

## Data
{record["facts"]["rows"]} rows of `{Path(settings["data"]).name}` (fingerprint {record["facts"]["data"]}), encoder
`{config.encoder}`. Add where the pictures and captions come from, and under which licence: weights inherit what these
and the base demand.

## Recipe
`analogen train adapter`, {record["step"]} of {settings["steps"]} steps; weights averaged. The last step: {shown}.
{", ".join(f"{name} {number}" for name, number in record["versions"].items())}.

| setting | value |
|---|---|
{rows}

## Limits
The loss says little about how well relations are kept: measure them (docs/big_models.md) before use.
"""


def _stock(family: str) -> str:
    none = "torch.zeros(1, 1, 384)"
    scale = "pipe.set_ip_adapter_scale(1.0)"
    if family == "flux":
        return (
            f'pipe.load_ip_adapter("FOLDER", weight_name="{WEIGHTS}", image_encoder_pretrained_model_name_or_path=None)'
            f'\n{scale}\npipe("a bicycle", ip_adapter_image_embeds=[relation], '
            f"negative_ip_adapter_image_embeds=[{none}])"
        )
    embeds = f"torch.cat([{none}, relation])"
    embeds = embeds if family == "sd3" else f"[{embeds}]"
    return (
        f'pipe.load_ip_adapter("FOLDER", subfolder="", weight_name="{WEIGHTS}", image_encoder_folder=None)\n{scale}\n'
        f'pipe("a bicycle", ip_adapter_image_embeds={embeds})'
    )
