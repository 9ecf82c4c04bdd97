"""Composes layouts for diffusion models with mini: chooses the art, composes or reads the scenes, draws them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from PIL import Image

from analogen.art_selection import ArtSelection, select_art
from analogen.composition import compose_scenes, plan_candidates
from analogen.conditioning import Conditioning
from analogen.pipelines.composer.scene_composer import SceneComposer
from analogen.pipelines.diffusion.layout import control_picture, start_picture, with_placeholder_discs
from analogen.relsim.encoder import load_mini
from analogen.relsim.mini.reading import SceneReading
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.scene import Scene
from analogen.types import Request


class LayoutComposer:
    """mini as the composer of layouts."""

    def __init__(self) -> None:
        self.encoder, self.composer, self.library = load_mini(), SceneComposer.load(), ArtLibrary.shipped()

    def select_art(self, request: Request) -> ArtSelection:
        """The art for a layout; the request's style is a text for the prompt here, not an art family."""
        return select_art(replace(request, style=None), self.library, self.encoder)

    def compose(
        self, request: Request, found: Conditioning, selection: ArtSelection, reading: SceneReading | None = None
    ) -> Iterator[Scene]:
        """One scene for each candidate: composed from the relation, or the scene that was read as it is."""
        plans = plan_candidates(request, found, selection, self.library)
        if reading is not None:
            scenes = [replace(plan.scene, elements=reading.scene.elements, frame=reading.scene.frame) for plan in plans]
        else:
            scenes = compose_scenes(plans, self.composer, relation_scale=1.0 if request.relation_scale else 0.0)
        yield from scenes

    def drawn(
        self, scene: Scene, selection: ArtSelection, width: int, height: int, control: str | None = None
    ) -> Image.Image:
        """The scene as a starting picture, or as a control image of this kind. Subjects that mini cannot draw are
        discs."""
        shown = scene if selection.drawable else with_placeholder_discs(scene)
        scene_art = selection.scene_art(self.library, scene.other, scene.style)
        if control:
            return control_picture(shown, scene_art, width, height, control)
        return start_picture(shown, scene_art, width, height)
