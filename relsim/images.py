"""The checked reader of pictures: every file from a user is read by `read_image`."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from analogen.relsim.borders import cut_border_box
from analogen.relsim.color_profiles import to_srgb
from analogen.relsim.image_containers import MAX_COUNTED, count_frames, why_too_costly
from analogen.relsim.image_formats import EXPECTED, is_raw, readable_formats, why_not_by_content, why_not_by_name

MAX_PIXELS = 64_000_000
MAX_BYTES = 512 * 2**20
_STRIP_VALUES = 1 << 22  # values that are scaled at a time, to limit memory
_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP")


@dataclass(frozen=True)
class Picture:
    """A picture from a file. `image`: upright, 8-bit RGB; `notes`: messages for the user about changes, such as reduced
    depth; `size`: (width, height) in the file, upright, which is larger than `image` if it was decoded at a reduced
    size."""

    image: Image.Image
    notes: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)


def read_image(path: str | Path) -> Picture:
    """Reads a picture of any common format as upright RGB in sRGB; transparent parts become white.

    16-bit and floating-point pictures are scaled to 8 bits, and of several frames the first is used.
    Raises FileNotFoundError for a missing file, and ValueError for whatever else cannot be used: a folder,
    an empty, damaged or truncated file, another kind of file, no pixels, more than MAX_PIXELS pixels
    (checked in the header, before anything is decoded), MAX_BYTES bytes, or one made to keep a decoder busy.
    Messages are one line.
    """
    path = Path(path)
    with open_checked(path) as file:
        return read_image_from(file, path)


def read_reference(path: str | Path) -> Picture:
    """Reads a picture as `read_image` does and cuts off a uniform border, such as a margin or a letterbox.

    A note says what was cut. Raises what `read_image` raises.
    """
    picture = read_image(path)
    box, note = cut_border_box(picture.image)
    return replace(picture, image=picture.image.crop(box), notes=(*picture.notes, note)) if note else picture


def read_image_from(file: BinaryIO, name: str | Path, min_px: int | None = None) -> Picture:
    """Like `read_image`, from an open file or bytes in memory, such as a member of an archive; `name` is for messages.

    min_px: what the longer side has to keep. A large JPEG is then decoded at a half, a quarter or an eighth, which
    is several times as fast.
    """
    path = Path(name)
    image = _open(path, file)
    width, height = image.size
    try:
        if min_px is not None and max(width, height) > min_px and isinstance(image, JpegImageFile):
            shrink = max(width, height) / min_px
            image.draft(None, (max(1, int(width / shrink)), max(1, int(height / shrink))))
        notes = _decode(image, file)
        if image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8):
            width, height = height, width
        upright = to_srgb(ImageOps.exif_transpose(image))
    except MemoryError as error:
        raise ValueError(
            f"{path}: not enough memory for its {image.width} x {image.height} pixels: shrink it"
        ) from error
    except Exception as error:  # decoders raise many kinds: OSError, SyntaxError, struct.error, KeyError...
        raise ValueError(f"{path}: the picture is damaged or truncated ({_one_line(error)}): save it anew") from error
    try:
        return Picture(_to_rgb(upright), notes, (width, height))
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: colour mode {image.mode} cannot be read: save the picture as RGB") from error


def check_header(path: str | Path) -> None:
    """Checks that a file is a picture of a size and format that `read_image` takes, without decoding its pixels.

    Raises what `read_image` raises.
    """
    path = Path(path)
    with open_checked(path) as file:
        _open(path, file)


def as_rgb(image: Image.Image | str | Path) -> Image.Image:
    """Converts a file (by `read_image`) or a picture in memory to 8-bit RGB; transparent parts become white."""
    if not isinstance(image, Image.Image):
        return read_image(image).image
    image = to_srgb(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB")


def open_checked(path: Path, max_bytes: int = MAX_BYTES) -> BinaryIO:
    """Opens a file for reading after checking that it is regular, not empty and at most `max_bytes` long.

    Raises FileNotFoundError or ValueError with one line.
    """
    address = re.match(r"(?:https?|ftp|s3|gs|file|data):", str(path))
    if address and not path.exists():
        whole = re.sub(r"^(\w+):/+", r"\1://", str(path))  # a Path has lost a slash
        raise ValueError(f"{whole}: pictures are not fetched from addresses: download it, and give the file")
    try:
        if path.is_dir():
            raise ValueError(f"{path}: is a folder, expected a file: name one in it")
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file: check the name")
        if not path.is_file():
            raise ValueError(f"{path}: is not a regular file: save it to one first")
        size = path.stat().st_size
        if size == 0:
            raise ValueError(f"{path}: is empty (0 bytes): save or download it again")
        if size > max_bytes:
            raise ValueError(f"{path}: has {size / 2**20:.0f} MiB, at most {max_bytes / 2**20:.0f} are read: shrink it")
        return path.open("rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path}: cannot be opened ({error.strerror}): check the name and its permissions") from error


def _open(path: Path, file: BinaryIO) -> Image.Image:
    """Opens the picture: reads the header and checks the size, without decoding pixels."""
    if is_raw(path.name):
        raise ValueError(f"{path}: {why_not_by_name(path.name)}")
    reason = why_too_costly(file)
    if reason is not None:
        raise ValueError(f"{path}: {reason}: save it anew")
    try:
        with warnings.catch_warnings():
            # Pillow's limit for warnings is higher than ours, so a warning is an error here.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(file, formats=readable_formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"{path}: has more than {MAX_PIXELS // 10**6} megapixels: shrink it") from error
    except UnidentifiedImageError as error:
        raise ValueError(f"{path}: {_why_unknown(file)}") from error
    except Exception as error:  # see read_image_from: a hostile header raises anything
        raise ValueError(f"{path}: the picture's header is damaged ({_one_line(error)}): save it anew") from error
    if image.width < 1 or image.height < 1:
        raise ValueError(f"{path}: has no pixels ({image.width} x {image.height}): save it anew")
    if image.width * image.height > MAX_PIXELS:
        size = f"{image.width} x {image.height} pixels"
        raise ValueError(f"{path}: has {size}, at most {MAX_PIXELS // 10**6} megapixels are read: shrink it")
    return image


def _why_unknown(file: BinaryIO) -> str:
    file.seek(0)
    head = file.read(1024)
    other = why_not_by_content(head)
    if other is not None:
        return other
    if head.startswith(b"\x89PNG") and b"\0\0\0\0" in (head[16:20], head[20:24]):
        return "has no pixels (a side of 0): save it anew"
    if head.startswith(_SIGNATURES):
        return "the picture is damaged or truncated: save it anew"
    return f"is not a picture that can be read: {EXPECTED}"


def _decode(image: Image.Image, file: BinaryIO) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    # Pillow would read all frames of a GIF and all pages of a TIFF.
    frames = count_frames(file) if image.format in ("GIF", "TIFF") else getattr(image, "n_frames", 1)
    # A phone's picture may hold previews and depth maps as more frames (MPO, HEIF), which is not an animation.
    if frames is not None and frames > 1 and image.format not in ("MPO", "HEIF"):
        many = f"over {MAX_COUNTED}" if frames > MAX_COUNTED else str(frames)
        notes = (f"has {many} frames: the first is used",)
        image.seek(0)
    image.load()
    return notes


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_to_8_bits(np.asarray(image))).convert("RGB")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBa").convert("RGBA") if image.mode in ("La", "RGBa") else image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    rgb = image.convert("RGB")
    return Image.frombytes("RGB", rgb.size, rgb.tobytes()) if rgb is image else rgb


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """Converts (height, width) values of any range to uint8. Full scale is 1 or 255 for floats and 65535 for integers;
    values outside of it (measurements, heights) are scaled from their minimum to their maximum."""
    rows = max(1, _STRIP_VALUES // max(1, values.shape[1]))

    def strip(start: int) -> np.ndarray:
        return np.nan_to_num(values[start : start + rows].astype(np.float64), posinf=0, neginf=0)

    starts = range(0, len(values), rows)
    ends = [(part.min(), part.max()) for part in map(strip, starts)]
    low, high = float(min(low for low, _ in ends)), float(max(high for _, high in ends))
    float_full = 1.0 if high <= 1 else 255.0
    full = float_full if values.dtype.kind == "f" else 65535.0
    shift = 0.0
    if low < 0 or high > full:
        shift, full = low, max(high - low, 1e-12)
    found = np.empty(values.shape, np.uint8)
    for start in starts:
        found[start : start + rows] = np.rint((strip(start) - shift) * (255 / full))
    return found


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
