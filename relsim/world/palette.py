"""Colour palettes. A scene names a palette, and its elements name entries of it ("accent", "wood", ...)."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING, NamedTuple

from analogen.relsim.world.scene import Background

if TYPE_CHECKING:  # the command line lists the palettes, and needs no numpy for its help
    from numpy.random import Generator


class Palette(NamedTuple):
    paper: str  # light ground
    soft: str  # quiet middle tone that suits the ground
    primary: str
    secondary: str
    accent: str
    dark: str  # dark ground, and ink on light ground


PALETTES = {
    "meadow": Palette("#f6f3e4", "#cfe0b8", "#4f9d69", "#f2b84b", "#e4572e", "#24372b"),
    "harbour": Palette("#f2f6f8", "#bcd6e2", "#2b6f97", "#f4a259", "#e2534a", "#14293b"),
    "peach": Palette("#fff4ea", "#fbd3bd", "#ee8568", "#5f9ea0", "#c9455a", "#3a2430"),
    "plum": Palette("#f8f1f7", "#dfc8e2", "#7d4e9e", "#e98a9b", "#f0b429", "#2c1a38"),
    "desert": Palette("#fbf1df", "#ecd0a2", "#cf7f3a", "#3f8f8b", "#b2402c", "#3b2416"),
    "mint": Palette("#effaf5", "#bfe6d6", "#2fa084", "#f3c64e", "#ef6a5b", "#12352f"),
    "slate": Palette("#f1f3f5", "#c8d0d8", "#56708a", "#e0a458", "#c8553d", "#1d2731"),
    "candy": Palette("#fff2f6", "#ffcfdf", "#ec5f92", "#46b1c9", "#f9c846", "#40193a"),
    "autumn": Palette("#faf0e2", "#e8c9a0", "#b5562b", "#7a8b3c", "#d99a2b", "#33200f"),
    "glacier": Palette("#f3f9fc", "#c9e4ef", "#3c8dbc", "#86c5da", "#f08a5d", "#10304a"),
    "orchid": Palette("#fcf3fb", "#ecc9e6", "#b6519f", "#5a7fc0", "#f2a541", "#321433"),
    "olive": Palette("#f7f5e8", "#d9d7a8", "#7b8a3a", "#c26e4b", "#e0b13c", "#2b2e17"),
    "lagoon": Palette("#eef9f9", "#b4e1e1", "#16828c", "#f2c57c", "#e8615b", "#083038"),
    "rose": Palette("#fdf3f1", "#f4cfc9", "#cf5c62", "#6d8f7d", "#e3a857", "#3a1a20"),
    "cobalt": Palette("#f2f4fc", "#c3cff0", "#3557b7", "#f2b134", "#ed5565", "#131d45"),
    "sand": Palette("#faf6ee", "#e6dac3", "#b08d57", "#5b8e9c", "#d1604d", "#332a1d"),
    "lemon": Palette("#fffbe6", "#f9eaa4", "#e3b505", "#4f9da6", "#e2574c", "#3a3207"),
    "moss": Palette("#f2f5ec", "#c5d3b1", "#587a47", "#b9803f", "#d5b942", "#1e2a18"),
    "berry": Palette("#faf1f4", "#e8c2d0", "#a72f5e", "#4c8a8b", "#efb366", "#33101f"),
    "dusk": Palette("#f5f1f7", "#cfc3de", "#5f558f", "#ef8e6f", "#f3c969", "#221d3b"),
    "coral": Palette("#fff3ef", "#ffd2c4", "#f2755c", "#3d8ea5", "#f6c453", "#3c1d1a"),
    "forest": Palette("#f1f6f1", "#bdd6c3", "#2f6f4f", "#d68f3e", "#c94c4c", "#112a1f"),
    "cocoa": Palette("#f8f1ea", "#dcc3ac", "#8a5a3b", "#d98e6a", "#5f9f97", "#2b1a12"),
    "sky": Palette("#f0f8ff", "#c3e1fa", "#3f97de", "#ffb95a", "#ee6a6a", "#0f2c49"),
}
# The palettes that pictures are made in, twelve that keep well together; the world above is drawn in more for variety.
MADE_IN = {
    "risograph": Palette("#f7f1e3", "#f3d9c9", "#e8505b", "#2a6f97", "#f9c74f", "#22223b"),
    "bauhaus": Palette("#f4efe6", "#e6dcc6", "#d62828", "#1d4e89", "#f7b538", "#1b1b1e"),
    "terracotta": Palette("#fbf3ea", "#eed6c4", "#c8553d", "#588b8b", "#e3a857", "#3a2a26"),
    "nordic": Palette("#f4f6f7", "#d5dee3", "#5b7b8f", "#93a67c", "#e07a5f", "#22303a"),
    "midcentury": Palette("#f8f1df", "#e7d8b1", "#d1802f", "#2f7f79", "#b8402a", "#2b2a24"),
    "sakura": Palette("#fff6f6", "#f9d9df", "#d9758b", "#7d9d8c", "#b23a5b", "#3d2331"),
    "reef": Palette("#f0faf8", "#bfe8e0", "#1b998b", "#ff7f51", "#ffd166", "#073b4c"),
    "matcha": Palette("#f7f7ec", "#dde5c0", "#6a994e", "#bc6c25", "#dda15e", "#283618"),
    "ultramarine": Palette("#f5f4fb", "#d3d4f2", "#3d45c4", "#f2a65a", "#ef476f", "#14154a"),
    "nightfall": Palette("#f3eff5", "#cbbfd9", "#6d5a9e", "#e39695", "#f6c177", "#1d1a33"),
    "citrus": Palette("#fffaeb", "#fdeab1", "#f08a24", "#3a8f5c", "#d9302c", "#3b2a10"),
    "monograph": Palette("#f6f5f2", "#d9d6cf", "#55524c", "#9c968a", "#e4572e", "#1e1d1b"),
}
# Materials look the same in every palette.
MATERIALS = {
    "water": "#4f9fcf", "ice": "#cdeaf8", "gold": "#dca92b", "wood": "#9a6839", "leaf": "#5b9a4b",
    "red": "#d93a30", "sun": "#ffc83a", "night": "#1c2646", "metal": "#8a97a5",
}  # fmt: skip


def rgb(color: str) -> tuple[int, int, int]:
    """ "#rrggbb" as three numbers in [0, 255]. Raises ValueError for anything else."""
    if len(color) != 7 or color[0] != "#":
        raise ValueError(f"colour {color!r} must look like '#a1b2c3'")
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def luminance(color: str) -> float:
    """Perceived lightness of a colour, [0, 1] (Rec. 709 weights on the encoded values)."""
    red, green, blue = rgb(color)
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


def palette_of(name: str) -> Palette:
    """The palette of this name. Raises ValueError for an unknown name, because scenes come from files too."""
    palette = PALETTES.get(name) or MADE_IN.get(name)
    if palette is None:
        raise ValueError(f"no palette {name!r}: there are {', '.join((*PALETTES, *MADE_IN))}")
    return palette


def resolve(palette: str, entry: str, background: Background) -> str:
    """The colour of a palette entry; "ink" is dark or paper, whichever contrasts with the background.
    Raises ValueError for an unknown palette."""
    if entry in MATERIALS:
        return MATERIALS[entry]
    colors = palette_of(palette)
    if entry in ("ink", "none"):
        return colors.dark if luminance(background.color) > 0.45 else colors.paper
    return str(getattr(colors, entry))


def _vivid(rng: Generator) -> str:
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.75), rng.uniform(0.12, 1))
    return f"#{int(red * 255):02x}{int(green * 255):02x}{int(blue * 255):02x}"


def harmonious_background(palette: str, rng: Generator) -> Background:
    """Draws a calm ground in colours of the palette, more often light than dark, for well-composed pictures."""
    light = rng.random() < 0.75
    ground, other = light_ground(palette) if light else dark_ground(palette)
    kind = str(rng.choice(["gradient", "plain", "paper"], p=[0.55, 0.25, 0.2]))
    return Background(kind, ground, other, turn=float(rng.choice([90, 90, 60, 120])), seed=int(rng.integers(2**31)))


def light_ground(palette: str) -> tuple[str, str]:
    """The two colours of a light ground."""
    colors = palette_of(palette)
    return colors.paper, colors.soft


def dark_ground(palette: str) -> tuple[str, str]:
    """The two colours of a dark ground."""
    colors = palette_of(palette)
    return colors.dark, mix(colors.dark, colors.primary, 0.35)


def arbitrary_background(rng: Generator) -> Background:
    """Draws any ground, from plain to noise, in any colours, independent of the relation."""
    kinds = ["plain", "gradient", "horizon", "paper", "stripes", "noise"]
    first, second = _vivid(rng), _vivid(rng)
    kind = str(rng.choice(kinds, p=[0.25, 0.2, 0.12, 0.13, 0.12, 0.18]))
    if kind in ("stripes", "noise", "horizon"):  # strong contrast here would drown the things
        second = mix(first, second, float(rng.uniform(0.15, 0.5)))
    return Background(
        kind, first, second, float(rng.uniform(0, 360)), float(rng.uniform(-0.3, 0.7)), int(rng.integers(2**31))
    )


def mix(first: str, second: str, amount: float) -> str:
    """Linear blend of two colours; 0 gives the first, 1 the second."""
    blend = [round(a + (b - a) * amount) for a, b in zip(rgb(first), rgb(second), strict=True)]
    return "#{:02x}{:02x}{:02x}".format(*blend)
