"""Cut-outs and grounds from folders, and `photograph`, which makes scenes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from numpy.random import Generator

from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.cutouts import CutOut, CutOuts
from analogen.relsim.world.grounds import Grounds
from analogen.relsim.world.icon import Pixels
from analogen.relsim.world.photographs import photograph
from analogen.relsim.world.render import SceneArt
from analogen.relsim.world.scene import Scene


class Photograph(NamedTuple):
    """pixels: (side, side, 3) uint8; subject, other: names of what plays the two things."""

    pixels: Pixels
    subject: str
    other: str


class Material:
    """Cut-outs and grounds. Without cut-outs the shipped icons play the things; without grounds they are procedural.

    cutouts: folder for `CutOuts.from_folder`, grounds: folder for `Grounds.from_folder`, "" for none. Raises what they
    raise.
    """

    def __init__(self, cutouts: str | Path = "", grounds: str | Path = "") -> None:
        self.cutouts: Sequence[CutOut] = CutOuts.from_folder(cutouts) if cutouts else ()
        self.grounds = Grounds.from_folder(grounds) if grounds else Grounds()

    @property
    def skipped(self) -> tuple[tuple[Path, str], ...]:
        """Files of both folders that could not be used, with the reason."""
        return (*(self.cutouts.skipped if isinstance(self.cutouts, CutOuts) else ()), *self.grounds.skipped)

    def photograph(
        self, scene: Scene, rng: Generator, side: int, things: tuple[CutOut, CutOut] | None = None
    ) -> Photograph:
        """The scene photographed on a random ground. things: the two cut-outs that play subject and other, by default
        two random ones, or the icons of the scene's own names where there are no cut-outs."""
        if things is None and len(self.cutouts) > 1:
            first, second = rng.choice(len(self.cutouts), 2, replace=False)
            things = self.cutouts[int(first)], self.cutouts[int(second)]
        art = SceneArt(ArtLibrary.shipped(), *things) if things else SceneArt(ArtLibrary.shipped())
        pixels = photograph(scene, art, self.grounds.draw(side, rng), rng, side)
        names = (things[0].name, things[1].name) if things else (scene.subject, scene.other)
        return Photograph(pixels, *names)
