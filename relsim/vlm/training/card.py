"""Writes the model card of a checkpoint of Qwen2.5-VL's trainings: data, recipe, versions and limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PLACES = ("base", "index", "output", "workers", "keep", "save_every", "log_every")
_PURPOSE = {
    "encoder": "Relational image encoder: pictures to relations, in the anonymous-caption space of all-MiniLM-L6-v2.",
    "captioner": "Anonymous captioner: the logic of a picture, or of a group that shares one, in a sentence.",
    "filter": "Image filter: does a picture carry a logic that could be transferred to other things?",
}
_USE = {
    "encoder": 'from analogen import load_encoder\n\nload_encoder("FOLDER").embed(["a.png", "b.png"])',
    "captioner": "analogen caption a.png b.png --captioner FOLDER",
    "filter": "analogen filter photos --filter FOLDER",
}


def tuning_card(record: Mapping[str, Any]) -> str:
    kind, settings, facts = record["kind"], record["settings"], record["facts"]
    shown = ", ".join(f"{name} {value:.4g}" for name, value in record["shown"].items() if name != "rows_per_second")
    # Without paths: a card is published.
    rows = "\n".join(f"| {name} | {value} |" for name, value in settings.items() if name not in _PLACES)
    base = Path(settings["base"]).name if facts["base_revision"] is None else settings["base"].partition("@")[0]
    metadata = f"base_model: {base}\nlibrary_name: peft\npipeline_tag: image-text-to-text"
    return f"""---
{metadata}
tags: [analogen, relational-similarity, {kind}, lora]
---
# {kind.capitalize()} on {base}

{_PURPOSE[kind]}

```
{_USE[kind]}
```

## Data
{facts["rows"]} rows of `{Path(settings["index"]).name}` (fingerprint {facts["data"]}), each picture read whole before.
Add where the pictures and captions come from, and under which licence: weights inherit what these demand.

## Recipe
`analogen train {kind}`, {record["step"]} of {settings["steps"]} steps. The last of them: {shown}.
{", ".join(f"{name} {number}" for name, number in record["versions"].items())}.

| setting | value |
|---|---|
{rows}

## Limits
Figures above are of the training itself, on pictures that it was trained on. Measure before use:
`analogen evaluate --help`.
"""
