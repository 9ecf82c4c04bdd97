"""What the sets of `sight_sets.py` are made of: cut-outs, grounds and two families of icons that no training uses."""

from __future__ import annotations

import io
import json
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image

STAMPS_PACKAGE, WALLPAPERS_PACKAGE = "tuxpaint-stamps-default", "plasma-workspace-wallpapers"
ICON_PX = 400


@dataclass(frozen=True)
class Art:
    """A thing without margin.

    traits: "left" or "right", where it faces; "head", it has one where it is highest; "back", another may sit on it;
    "round", nobody sees whether it is turned; "slant", it lies across its box; "flat"; "upright"; "coarse", too few
    pixels to be large.
    """

    name: str
    image: Image.Image  # RGBA
    traits: frozenset[str]

    @cached_property
    def colour(self) -> NDArray[np.float64]:
        """Mean of what is opaque, (3,) in [0, 255]."""
        pixels = np.asarray(self.image, float)
        weight = pixels[..., 3:] / 255
        return np.asarray((pixels[..., :3] * weight).sum((0, 1)) / weight.sum())


# name in captions: (file below the stamps, traits)
STAMPS: dict[str, tuple[str, str]] = {
    "elephant": ("animals/mammals/elephant", "left head back"),
    "zebra": ("animals/mammals/equines/zebra", "left head back"),
    "lion": ("animals/mammals/cats/lion", "head flat"),
    "turkey": ("animals/birds/turkey", "left"),
    "apple": ("food/fruit/apple_red", "head round"),
    "pineapple": ("food/fruit/pineapple", "head"),
    "eggplant": ("food/vegetables/eggplant", "flat"),
    "teapot": ("household/dishes/teapot", "right head"),
    "hammer": ("household/tools/hammer", "right slant"),
    "frog": ("animals/amphibians/frog", "right head back"),
    "rose": ("plants/flowers/rose", "head round"),
    "fire engine": ("vehicles/emergency/firetruck", "left back flat"),
    "key": ("household/key", "flat"),
    "mandarin": ("food/fruit/mandarine", "head round"),
    "duck": ("animals/birds/duck", "right head back"),
    "walnut": ("food/nuts/walnut", "head round"),
}
LEAST_ALONE_PX = 100  # longer side below which a stamp is coarse
WALLPAPERS = ("BytheWater", "FallenLeaf", "Path")

# name of the icon, the same in both families: traits in OpenMoji, in Twemoji
ICONS: dict[str, tuple[str, str]] = {
    "elephant": ("left head back", "left head back round"),
    "duck": ("left head", "left head"),
    "red-apple": ("head round", "head round"),
    "fire-engine": ("left back flat", "left back"),
    "turtle": ("left back", "left back"),
    "owl": ("head", "head"),
    "hammer": ("", "slant"),
    "snail": ("right back flat", "left back round"),
    "cactus": ("head", "head"),
    "turkey": ("left", "left"),
    "teapot": ("left head", "right head"),
    "cat": ("left back", "left"),
    "key": ("slant", "slant"),
    "rocket": ("right slant", "right slant"),
    "frog": ("head round", "head round"),
    "bicycle": ("left", "left"),
    "pineapple": ("head", "slant"),
    "zebra": ("left", "left"),
    "penguin": ("head", "right head"),
    "eggplant": ("slant", "slant"),
    "mushroom": ("head", "head"),
    "rose": ("head", "head"),
    "crab": ("round", "round"),
    "tangerine": ("head round", "head round"),
    "guitar": ("slant", "slant"),
    "lion": ("head round", "head round"),
    "chestnut": ("head round", "head round"),
    "house": ("head", "head"),
}


def package_folder(package: str, ends: str) -> Path:
    """The folder of a Debian package whose path ends so. Raises FileNotFoundError with what to install."""
    try:
        listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=True).stdout
        return next(Path(line) for line in listed.splitlines() if line.endswith(ends))
    except (OSError, StopIteration, subprocess.CalledProcessError) as error:
        raise FileNotFoundError(f"{package} is not installed: apt-get install {package}, or name its folder") from error


def trimmed(image: Image.Image) -> Image.Image:
    """Without the transparent margin."""
    box = image.getchannel("A").point(lambda v: 255 if v > 20 else 0).getbbox()
    return image.crop(box)


def art_of(name: str, image: Image.Image, traits: str) -> Art:
    found = set(traits.split())
    if image.height >= 0.74 * image.width and not found & {"round", "slant"}:
        found.add("upright")
    return Art(name, image, frozenset(found))


def read_stamps(folder: Path) -> list[Art]:
    found = []
    for name, (file, traits) in STAMPS.items():
        image = trimmed(Image.open(folder / f"{file}.png").convert("RGBA"))
        coarse = "coarse" if max(image.size) < LEAST_ALONE_PX else ""
        found.append(art_of(name, image, f"{traits} {coarse}"))
    return found


def read_wallpapers(folder: Path) -> list[Image.Image]:
    return [Image.open(folder / name / "contents/images/1440x900.jpg").convert("RGB") for name in WALLPAPERS]


def read_icons(file: Path, family: int) -> list[Art]:
    """Icons of the file `icons.json` of an iconify-json package. family: 0 OpenMoji, 1 Twemoji."""
    data = json.loads(file.read_text(encoding="utf-8"))
    found = []
    for name, traits in ICONS.items():
        icon = data["icons"][name]
        width, height = (icon.get(k, data.get(k, 16)) for k in ("width", "height"))
        document = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="0 0 {width} {height}">{icon["body"]}</svg>'
        )
        png = resvg_py.svg_to_bytes(svg_string=document, width=ICON_PX, height=ICON_PX)
        image = trimmed(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))
        found.append(art_of(name.replace("-", " "), image, traits[family]))
    return found
