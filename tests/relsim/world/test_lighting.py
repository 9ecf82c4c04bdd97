import io

import numpy as np
import resvg_py
from PIL import Image

from analogen.relsim.world.lighting import light_shapes, lighting_of
from analogen.relsim.world.render import render, shadow_of
from analogen.relsim.world.scene import Background, Element, Scene
from analogen.relsim.world.svg import to_svg


def scene(style):
    ground = Background("plain", "#808080", "#808080")
    return Scene((Element("subject", 0.1, 0.2, 0.6),), background=ground, subject="cat", style=style, shadow=0.5)


def test_only_3d_art_lights_its_ground_and_casts_wide_shadows():
    assert light_shapes("noto", 1, 1) == ()
    flat, solid = (shadow_of(scene(style), scene(style).elements[0]) for style in ("noto", "3d"))
    assert all(a < b for a, b in zip(flat, solid, strict=True))
    assert lighting_of("fluent-flat") == lighting_of("clip-art")
    pixels = render(scene("3d"), 128).astype(int)
    assert pixels[20, 40].mean() > 140  # light above left of the middle
    assert pixels[-1, -1].mean() < 128
    assert np.ptp(render(scene("noto"), 128)[:8]) == 0


def test_the_layered_svg_has_the_same_light():
    drawn = render(scene("3d"), 256).astype(int)
    png = resvg_py.svg_to_bytes(svg_string=to_svg(scene("3d"), 256))
    written = np.array(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    assert np.abs(drawn - written).mean() < 3
