"""Writes and resumes the checkpoints of a fine-tuning: folders step-000250, step-000500, ... that appear whole.

Beside the checkpoint's own files each holds state.safetensors (what is trained, in full precision, and the
optimizer's state), training.json (settings and data) and README.md (the card).
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

from analogen.relsim.data.corpus import Corpus
from analogen.relsim.training.training_state import STATE, SafetensorsAccelerator

# What may differ when a training is taken up again: nothing here changes what is learned. (Dropout is drawn anew for
# each pass, so another micro_batch draws other masks.)
FREE = ("output", "micro_batch", "gradient_checkpointing", "save_every", "keep", "log_every")


class Checkpoints:
    """The checkpoints in a training's output folder.

    kind: "encoder", "adapter" ...; settings: a dataclass with `output` and `keep`; facts: what a resumed training must
    share, beside the settings; free: which settings may differ when a training is taken up again, beside FREE.
    """

    def __init__(self, kind: str, settings: Any, facts: Mapping[str, Any], free: Sequence[str] = ()) -> None:
        self.folder = Path(settings.output)
        self.kind, self.settings, self.facts = kind, settings, dict(facts)
        self.free = (*FREE, *free)

    def newest(self) -> Path | None:
        """The newest checkpoint, None if there is none.

        Raises ValueError if it is of a training with other settings or data.
        """
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

    def write(
        self,
        step: int,
        accelerator: SafetensorsAccelerator,
        shown: Mapping[str, float],
        write_model: Callable[[Path], None],
        card: Callable[[Mapping[str, Any]], str],
    ) -> Path:
        """Save after `step` steps, and delete the oldest checkpoints. shown: the values of the last step;
        write_model: writes the checkpoint into a new folder; card: the text of README.md, made of what training.json
        holds. Raises OSError.
        """
        target = self.folder / f"step-{step:06d}"
        temporary = self.folder / f".{target.name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            write_model(temporary)
            accelerator.save_state(temporary)
            record = {
                "kind": self.kind, "step": step, "settings": dataclasses.asdict(self.settings), "facts": self.facts,
                "shown": dict(shown),
                "versions": {name: version(name) for name in ("torch", "transformers", "peft", "accelerate")},
            }  # fmt: skip
            (temporary / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            (temporary / "README.md").write_text(card(record), encoding="utf-8")
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


def fingerprint(corpus: Corpus) -> str:
    """16 hex digits that depend on the rows and their order, wherever the pictures lie."""
    mark = hashlib.sha256()
    for entry in corpus.entries:
        mark.update(f"{entry.stored.path.name}\0{entry.stored.member}\0{entry.caption}\0{entry.group}\n".encode())
    return mark.hexdigest()[:16]
