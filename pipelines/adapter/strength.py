"""Strength of relation tokens: in which blocks of the denoiser they act, and in which part of the denoising."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

EASES: Mapping[str, Callable[[float], float]] = {
    "none": lambda x: 1.0,
    "in": lambda x: (1 - math.cos(math.pi * x)) / 2,
    "out": lambda x: (1 + math.cos(math.pi * x)) / 2,
    "in-out": lambda x: math.sin(math.pi * x) ** 2,
}


SYNTAX = "expected parts such as start=0.2,end=0.8,ease=out,up_blocks.1=0.5,rest=0"


@dataclass(frozen=True)
class Strength:
    """scale: 0 = as without the adapter, 1 = as trained.

    blocks: factors by block, such as {"up_blocks.1": 0.5}; the longest name that fits a site counts, a site that none
    fits has factor 1, and "" fits all: {"": 0, "mid_block": 1} is the middle alone.
    start, end: when it acts, as parts of the way from noise (0) to picture (1), in the denoiser's own timesteps, so
    that it does not depend on the sampler or the number of steps. ease: within them, "in" rises from 0, "out" falls
    to 0, "in-out" does both.
    Raises ValueError for values out of range.
    """

    scale: float = 1.0
    blocks: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    start: float = 0.0
    end: float = 1.0
    ease: str = "none"

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (self.scale, *self.blocks.values())):
            raise ValueError(f"strength: scale {self.scale} and blocks {dict(self.blocks)} must be finite numbers")
        if not 0 <= self.start < self.end <= 1:
            raise ValueError(f"strength: start {self.start} and end {self.end}: expected 0 <= start < end <= 1")
        if self.ease not in EASES:
            raise ValueError(f"strength: ease is {self.ease!r}: expected one of {', '.join(EASES)}")

    @classmethod
    def parse(cls, text: str, scale: float = 1.0) -> Strength:
        """From words such as "start=0.2,end=0.8,ease=out,up_blocks.1=0.5,rest=0": start, end and ease as above, and
        factors of blocks; "rest" is that of all blocks which no other name fits. Raises ValueError with one line."""
        found: dict[str, str] = {}
        for part in text.split(","):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not (name and equals and value):
                raise ValueError(f"strength: {part.strip()!r} is no NAME=VALUE: {SYNTAX}")
            if name in found:
                raise ValueError(f"strength: {name!r} comes twice: give it once")
            found[name] = value
        ease = found.pop("ease", "none")
        numbers: dict[str, float] = {}
        for name, value in found.items():
            try:
                numbers[name] = float(value)
            except ValueError:
                raise ValueError(f"strength: {name} is {value!r}, expected a number: {SYNTAX}") from None
        start, end = numbers.pop("start", 0.0), numbers.pop("end", 1.0)
        blocks = {"" if name == "rest" else name: factor for name, factor in numbers.items()}
        return cls(scale, blocks, start, end, ease)

    @property
    def changes(self) -> bool:
        """Whether it depends on the time."""
        return (self.start, self.end, self.ease) != (0.0, 1.0, "none")

    def at(self, progress: float) -> float:
        """The scale at a moment from 0 (noise) to 1 (picture)."""
        if not self.start <= progress <= self.end:
            return 0.0
        return self.scale * EASES[self.ease]((progress - self.start) / (self.end - self.start))

    def factor(self, site: str) -> float:
        """The factor of a site, such as "up_blocks.1.attentions.0.transformer_blocks.0.attn2.processor"."""
        fitting = [name for name in self.blocks if not name or site == name or site.startswith(name + ".")]
        return self.blocks[max(fitting, key=len)] if fitting else 1.0

    def check_blocks(self, sites: list[str]) -> None:
        """Raises ValueError for a block that holds no site: a misspelt name would otherwise change nothing."""
        for name in self.blocks:
            if name and not any(site == name or site.startswith(name + ".") for site in sites):
                known = sorted(
                    {".".join(site.split(".")[: 1 if site.startswith("mid_block") else 2]) for site in sites}
                )
                raise ValueError(
                    f"strength: the model has no block {name!r} with an adapter; it has: {', '.join(known)}"
                )
