"""Reads the user's own picture as a subject: a cut-out with alpha, a picture on a plain background, or an SVG.

Pictures and SVGs come from anywhere. Sizes are checked before anything is decoded; of an SVG only known elements,
attributes and style properties are kept, references stay within the document, and what it would cost to draw is
counted first. What cannot be read is refused with a ValueError of one line.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from analogen.relsim.color_profiles import to_srgb
from analogen.relsim.image_containers import why_too_costly
from analogen.relsim.image_formats import is_raw, readable_formats, why_not_by_content, why_not_by_name
from analogen.relsim.world.icon import Icon, Pixels, rasterise
from analogen.relsim.world.picture import Picture
from analogen.relsim.world.plain_ground import GroundError, flood_from, remove_background

MAX_SVG_BYTES = 2 * 2**20
MAX_PICTURE_BYTES = 256 * 2**20
MAX_PICTURE_PIXELS = 64_000_000
KEPT_SIDE = 2048  # pixels; larger pictures are reduced to this when read
SVG_SIDE = 1024  # pixels in which an SVG is drawn to look at it
PART_MARGIN = 0.12  # of half a thing's box, within which its outline lies
VISIBLE = 8  # alpha above which a pixel counts as content
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")  # none that starts another program, as EPS does

SubjectArt: TypeAlias = Icon | Picture


def read_subject_image(path: str | Path, part: Sequence[float] | None = None) -> SubjectArt:
    """Reads the subject from a file: an Icon from an SVG, a Picture from PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF.

    A picture with transparency is taken as it is. From one without, the background is removed, which has to be
    plain along the border. Of animations the first frame counts; the camera's rotation is respected.
    part: one thing of several, as `cut_part` takes it; it becomes a Picture of an SVG too.
    Raises FileNotFoundError, and ValueError for what cannot be read, is too large, or shows nothing.
    """
    path = Path(path)
    if part is not None:
        rgba = cut_part(read_subject_pixels(path), part)
    elif _is_svg(path):
        return _read_svg(path)
    else:
        rgba = _read_picture(path)
    left, top, right, bottom = visible_box(path.name, rgba[..., 3])
    return Picture(path.stem, np.ascontiguousarray(rgba[top:bottom, left:right]))


def read_subject_pixels(path: str | Path) -> Pixels:
    """The whole file without its background: (height, width, 4). Raises what `read_subject_image` raises."""
    path = Path(path)
    return _read_svg(path).pixels(SVG_SIDE) if _is_svg(path) else _read_picture(path)


def _is_svg(path: Path) -> bool:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: give a PNG with transparency, a picture or an SVG")
    with path.open("rb") as file:
        head = file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip()
    return head.startswith(b"<") or path.suffix.lower() == ".svg"


def cut_part(rgba: Pixels, part: Sequence[float]) -> Pixels:
    """One thing of a cut-out that shows several, upright, with what hangs together with it near its box.

    rgba: (height, width, 4). part: left, top, right and bottom of its box as shares of the sides, and its turn in
    degrees clockwise.
    """
    height, width = rgba.shape[:2]
    left, top, right, bottom, turn = part
    across, down = (right - left) * width, (bottom - top) * height
    middle = ((left + right) / 2 * width, (top + bottom) / 2 * height)
    y, x = np.mgrid[:height, :width]
    reach = 2 * np.maximum(abs(x - middle[0]) / max(across, 1), abs(y - middle[1]) / max(down, 1))
    visible = rgba[..., 3] > VISIBLE
    own = flood_from(visible & (reach < 1 + PART_MARGIN), visible & (reach < 1 - PART_MARGIN))
    pixels = rgba.copy()
    pixels[~own] = 0
    if abs(turn) < 1:
        return pixels
    side = round(1.5 * max(across, down))
    corner = (round(middle[0]) - side // 2, round(middle[1]) - side // 2)
    around = Image.fromarray(pixels).crop((*corner, corner[0] + side, corner[1] + side))
    return np.array(around.rotate(turn, Image.Resampling.BICUBIC))  # anticlockwise


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
        return _cut_out(np.ascontiguousarray(pixels[..., :3]), path.name)
    return pixels


def _cut_out(rgb: Pixels, name: str) -> Pixels:
    try:
        return remove_background(rgb, name)
    except GroundError as error:
        from analogen.relsim.world.cutout_model import CutoutUnavailable, cut_out  # only where the ground is not plain

        try:
            return cut_out(rgb)
        except CutoutUnavailable as unavailable:
            raise ValueError(
                f"{error}: cut the subject out and save it as PNG, photograph it whole before a plain background, or "
                f"let a model do it ({str(unavailable).partition(': ')[2]})"
            ) from unavailable
        except ConnectionError as offline:
            raise ValueError(f"{error}, and {_one_line(offline)}") from offline


def _as_rgba(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("the picture holds decimal numbers instead of colours: save it with 8 bits per colour")
    if image.mode.startswith("I"):  # 16-bit greys, which convert() would cut off instead of scaling
        greys = np.asarray(image).astype(np.float32) / 257
        return Image.fromarray(greys.clip(0, 255).astype(np.uint8)).convert("RGBA")
    return image.convert("RGBA")


def visible_box(name: str, alpha: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the visible part."""
    visible = alpha > VISIBLE
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    if not len(rows):
        raise ValueError(f"{name} shows nothing: no visible subject before the background; give another picture")
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _read_svg(path: Path) -> Icon:
    if path.stat().st_size > MAX_SVG_BYTES:
        raise ValueError(f"{path.name} is larger than {MAX_SVG_BYTES >> 20} MB: simplify it, or export it as PNG")
    return read_svg(path.read_bytes(), path.stem, path.name)


def read_svg(data: bytes, name: str, file_name: str = "") -> Icon:
    """The drawing of an SVG, trimmed to what is visible. file_name: for messages, by default the name.

    Raises ValueError for what cannot be read, would take too long to draw, or shows nothing.
    """
    from analogen.relsim.world.svg_cleaning import clean_svg  # its parsers of CSS are not needed for most pictures

    file_name = file_name or name
    try:
        body, size, notes = clean_svg(data)
        measured = rasterise(body, (0, 0, *size), KEPT_SIDE // 4)
    except ValueError as error:
        raise ValueError(f"{file_name}: {_one_line(error)}") from error
    box = visible_box(file_name, measured[..., 3])
    unit = max(size) / (KEPT_SIDE // 4)
    # rasterise centres the shorter side.
    x, y = box[0] * unit - (max(size) - size[0]) / 2, box[1] * unit - (max(size) - size[1]) / 2
    view = (x, y, (box[2] - box[0]) * unit, (box[3] - box[1]) * unit)
    line = notes.line(file_name)
    return Icon(name, "own", body, view, () if line is None else (line,))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
