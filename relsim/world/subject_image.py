"""Reads the user's own picture as a subject: a cut-out with alpha, a picture on a plain background, or an SVG.

Pictures and SVGs come from anywhere. Sizes are checked before anything is decoded; of an SVG only known elements,
attributes and style properties are kept, references stay within the document, and what it would cost to draw is
counted first. What cannot be read is refused with a ValueError of one line.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from analogen.relsim.color_profiles import to_srgb
from analogen.relsim.image_containers import why_too_costly
from analogen.relsim.image_formats import is_raw, readable_formats, why_not_by_content, why_not_by_name
from analogen.relsim.world.icon import Icon, Pixels, check_side, rasterise
from analogen.relsim.world.svg_cleaning import clean_svg

MAX_SVG_BYTES = 2 * 2**20
MAX_PICTURE_BYTES = 256 * 2**20
MAX_PICTURE_PIXELS = 64_000_000
KEPT_SIDE = 2048  # pixels; larger pictures are reduced to this when read
PLAIN_TOLERANCE = 24  # largest channel difference, of 255, within a plain background
PLAIN_SHARE = 0.92  # of the border that has to be plain
VISIBLE = 8  # alpha above which a pixel counts as content
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")  # none that starts another program, as EPS does


@dataclass(frozen=True, eq=False)
class Picture:
    """A cut-out of pixels. `rgba`: (height, width, 4) uint8, straight alpha, trimmed to what is visible.

    notes: lines for the user about how it was cut out.
    """

    name: str
    rgba: Pixels
    notes: tuple[str, ...] = ()

    def document(self, side: int = 512, standing: bool = False) -> None:
        """None, because a picture of pixels has no SVG."""

    def pixels(self, side: int, standing: bool = False) -> Pixels:
        """See `Art.pixels`."""
        check_side(side)
        height, width = self.rgba.shape[:2]
        scale = side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        resized = Image.fromarray(self.rgba).resize(size, Image.Resampling.LANCZOS)
        square = Image.new("RGBA", (side, side))
        square.paste(resized, ((side - size[0]) // 2, (side - size[1]) // (1 if standing else 2)))
        pixels = np.array(square)
        pixels.setflags(write=False)
        return pixels


SubjectArt: TypeAlias = Icon | Picture


def read_subject_image(path: str | Path) -> SubjectArt:
    """Reads the subject from a file: an Icon from an SVG, a Picture from PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF.

    A picture with transparency is taken as it is. From one without, the background is removed, which has to be
    plain along the border. Of animations the first frame counts; the camera's rotation is respected.
    Raises FileNotFoundError, and ValueError for what cannot be read, is too large, or shows nothing.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: give a PNG with transparency, a picture or an SVG")
    with path.open("rb") as file:
        head = file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"<") or path.suffix.lower() == ".svg":
        return _read_svg(path)
    rgba = _read_picture(path)
    left, top, right, bottom = _visible_box(path.name, rgba[..., 3])
    return Picture(path.stem, np.ascontiguousarray(rgba[top:bottom, left:right]))


def _read_picture(path: Path) -> Pixels:
    if path.stat().st_size > MAX_PICTURE_BYTES:
        raise ValueError(f"{path.name} is larger than {MAX_PICTURE_BYTES >> 20} MB: save it smaller")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own cap is lower
            Image.init()
            with path.open("rb") as file:
                reason = why_too_costly(file) or why_not_by_content(file.read(1024))
            if is_raw(path.name):
                reason = why_not_by_name(path.name)
            if reason is not None:
                raise ValueError(f"it {reason}")
            image = Image.open(path, formats=[name for name in readable_formats() if name in FORMATS])
        with image:
            if image.width * image.height > MAX_PICTURE_PIXELS:
                size = f"{image.width} x {image.height} pixels"
                raise ValueError(f"it has {size}, at most {MAX_PICTURE_PIXELS} are read")
            rgba = _as_rgba(to_srgb(ImageOps.exif_transpose(image)))
    except Exception as error:  # decoders raise whatever they meet: OSError, SyntaxError, struct.error, RuntimeError...
        reason = f"{path.name} cannot be read as a picture ({_one_line(error)})"
        raise ValueError(f"{reason}: give a PNG, JPEG, WebP or SVG of moderate size") from error
    if max(rgba.size) > KEPT_SIDE:
        rgba.thumbnail((KEPT_SIDE, KEPT_SIDE), Image.Resampling.LANCZOS)
    pixels = np.array(rgba)
    if pixels[..., 3].min() >= 250:
        return remove_background(pixels[..., :3], path.name)
    return pixels


def _as_rgba(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("the picture holds decimal numbers instead of colours: save it with 8 bits per colour")
    if image.mode.startswith("I"):  # 16-bit greys, which convert() would cut off instead of scaling
        greys = np.asarray(image).astype(np.float32) / 257
        return Image.fromarray(greys.clip(0, 255).astype(np.uint8)).convert("RGBA")
    return image.convert("RGBA")


def remove_background(rgb: Pixels, name: str = "the picture") -> Pixels:
    """Removes the area that touches the border and has its colour: (height, width, 3) -> (height, width, 4).

    The outline keeps a soft edge: its pixels are taken apart into background and what lies before it.
    Raises ValueError if the border is not plain.
    """
    colors = rgb.astype(np.int16)  # signed: differences follow
    border = np.concatenate([colors[0], colors[-1], colors[:, 0], colors[:, -1]])
    ground = np.rint(np.median(border, axis=0)).astype(np.int16)  # (3,)
    plain = np.abs(border - ground).max(axis=1) <= PLAIN_TOLERANCE
    if plain.mean() < PLAIN_SHARE:
        raise ValueError(
            f"{name} has no transparency and only {plain.mean():.0%} of its border is of one colour: cut the subject "
            "out and save it as PNG, or photograph it whole before a plain background"
        )
    difference = np.abs(colors - ground).max(axis=2).astype(np.uint8)  # (height, width)
    removed = flood_from_border(difference <= PLAIN_TOLERANCE)
    reach = ImageFilter.MaxFilter(5)
    near = np.asarray(Image.fromarray(removed.astype(np.uint8)).filter(reach)) > 0
    strongest = np.asarray(Image.fromarray(np.where(removed, 0, difference).astype(np.uint8)).filter(reach))
    mixed = near & ~removed
    share = (difference[mixed] / np.maximum(strongest[mixed], 1))[:, None]  # (pixels, 1)
    pixels = np.dstack([rgb, np.where(removed, 0, 255).astype(np.uint8)])
    front = (colors[mixed] - (1 - share) * ground) / np.maximum(share, 1 / 255)
    pixels[mixed] = np.rint(np.concatenate([front.clip(0, 255), share * 255], axis=1)).astype(np.uint8)
    return pixels


def flood_from_border(free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The part of `free`, (height, width), that is connected with the border (4-connectivity)."""
    reached = np.zeros_like(free)
    reached[[0, -1]], reached[:, 0], reached[:, -1] = free[[0, -1]], free[:, 0], free[:, -1]
    starts = free & ~np.pad(free, ((0, 0), (1, 0)))[:, :-1]
    runs = np.cumsum(starts, axis=1)  # number of the run of free pixels that a pixel belongs to
    height = len(free)
    before = -1
    while (now := int(reached.sum())) != before:  # each round follows the flood as far as it goes down, then up
        before = now
        for rows in (range(height), range(height - 1, -1, -1)):
            previous = np.zeros(free.shape[1], dtype=bool)
            for row in rows:
                touched = free[row] & (reached[row] | previous)
                if touched.any():
                    hit = np.zeros(runs[row, -1] + 1, dtype=bool)
                    hit[runs[row][touched]] = True
                    reached[row] = free[row] & hit[runs[row]]
                previous = reached[row]
    return reached


def _visible_box(name: str, alpha: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the visible part."""
    visible = alpha > VISIBLE
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    if not len(rows):
        raise ValueError(f"{name} shows nothing: no visible subject before the background; give another picture")
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _read_svg(path: Path) -> Icon:
    if path.stat().st_size > MAX_SVG_BYTES:
        raise ValueError(f"{path.name} is larger than {MAX_SVG_BYTES >> 20} MB: simplify it, or export it as PNG")
    try:
        body, size, notes = clean_svg(path.read_bytes())
        measured = rasterise(body, (0, 0, *size), KEPT_SIDE // 4)
    except ValueError as error:
        raise ValueError(f"{path.name}: {_one_line(error)}") from error
    box = _visible_box(path.name, measured[..., 3])
    unit = max(size) / (KEPT_SIDE // 4)
    # rasterise centres the shorter side.
    x, y = box[0] * unit - (max(size) - size[0]) / 2, box[1] * unit - (max(size) - size[1]) / 2
    view = (x, y, (box[2] - box[0]) * unit, (box[3] - box[1]) * unit)
    line = notes.line(path.name)
    return Icon(path.stem, "own", body, view, () if line is None else (line,))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
