"""Saves of a training: folders step-000250, step-000500, ... that appear whole, load as checkpoints, and resume.

Beside the checkpoint's own files each holds state.safetensors (what is trained, in full precision, and the
optimiser's), training.json (settings and data) and README.md (the card).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from analogen.relsim.data.corpus import Corpus
from analogen.relsim.training.loop import load_state, save_state

STATE = "state.safetensors"
# What may differ when a training is taken up again: nothing here changes what is learned. (Dropout is drawn anew for
# each pass, so another micro_batch draws other masks.)
FREE = ("index", "output", "micro_batch", "gradient_checkpointing", "save_every", "keep", "log_every", "workers")


class Saves:
    """The saves in a training's output folder. facts: what a resumed training must share, beside the settings.

    settings: a dataclass with `output` and `keep`; free: which of its fields may differ when a training is taken up
    again; card: the text of a save's README.md, made of what training.json holds.
    """

    def __init__(
        self,
        kind: str,
        settings: Any,
        facts: Mapping[str, Any],
        free: Sequence[str] = FREE,
        card: Callable[[Mapping[str, Any]], str] | None = None,
    ) -> None:
        self.folder = Path(settings.output)
        self.kind, self.settings, self.facts = kind, settings, dict(facts)
        self.free, self.card = free, card or _card

    def newest(self) -> Path | None:
        """The newest save. Raises ValueError if it is of a training with other settings or data."""
        found = self._all()
        if not found:
            return None
        path = found[-1] / "training.json"
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            kind, settings, facts = before["kind"], before["settings"], before["facts"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: cannot be read ({error}): remove {found[-1]} to go on from before it") from error
        if kind != self.kind:
            raise ValueError(f"{self.folder}: holds a training of the {kind}: name another output")
        now = dataclasses.asdict(self.settings)
        for name, value in now.items():
            if name not in self.free and settings.get(name) != value:
                raise ValueError(
                    f"{self.folder}: was begun with {name}={settings.get(name)!r}, now {value!r}: "
                    "give the same, or name another output"
                )
        for name, value in self.facts.items():
            if facts.get(name) != value:
                raise ValueError(
                    f"{self.folder}: was begun with another {name} ({facts.get(name)}, now {value}): "
                    "give the same, or name another output"
                )
        return found[-1]

    def resume(
        self,
        save: Path,
        trained: Mapping[str, nn.Parameter],
        optimizer: torch.optim.AdamW,
        **more: Mapping[str, nn.Parameter],
    ) -> int:
        """Restore a save exactly; returns the step to go on with. more: as given to `write`."""
        extra = {name: _as_module(parameters) for name, parameters in more.items()}
        return load_state(save, _as_module(trained), optimizer, **extra)

    def write(
        self,
        step: int,
        trained: Mapping[str, nn.Parameter],
        optimizer: torch.optim.AdamW,
        shown: Mapping[str, float],
        write_model: Callable[[Path], None],
        **more: Mapping[str, nn.Parameter],
    ) -> Path:
        """Save after `step` steps, and drop the oldest saves. write_model: writes the checkpoint into a new folder;
        more: what else a resume needs, such as averaged weights.

        Raises OSError.
        """
        target = self.folder / f"step-{step:06d}"
        temporary = self.folder / f".{target.name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            write_model(temporary)
            extra = {name: _as_module(parameters) for name, parameters in more.items()}
            save_state(temporary, _as_module(trained), optimizer, step, **extra)
            record = {
                "kind": self.kind, "step": step, "settings": dataclasses.asdict(self.settings), "facts": self.facts,
                "shown": dict(shown),
                "versions": {name: version(name) for name in ("torch", "transformers", "peft", "accelerate")},
            }  # fmt: skip
            (temporary / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            (temporary / "README.md").write_text(self.card(record), encoding="utf-8")
            os.replace(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        if self.settings.keep:
            for old in self._all()[: -self.settings.keep]:
                shutil.rmtree(old)
        return target

    def _all(self) -> list[Path]:
        named = (path for path in self.folder.glob("step-*") if re.fullmatch(r"step-\d{6,}", path.name))
        return sorted((path for path in named if (path / STATE).is_file()), key=lambda path: int(path.name[5:]))


def _as_module(trained: Mapping[str, nn.Parameter]) -> nn.ParameterDict:
    """The same parameters, as what `save_state` takes; names of submodules may not hold dots."""
    return nn.ParameterDict({name.replace(".", "/"): parameter for name, parameter in trained.items()})


def fingerprint(corpus: Corpus) -> str:
    """Of the rows and their order, wherever the pictures lie."""
    mark = hashlib.sha256()
    for entry in corpus.entries:
        mark.update(f"{entry.stored.path.name}\0{entry.stored.member}\0{entry.caption}\0{entry.group}\n".encode())
    return mark.hexdigest()[:16]


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


def _card(record: Mapping[str, Any]) -> str:
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
