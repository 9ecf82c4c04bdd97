"""Converts pictures with an ICC profile to sRGB, which is what screens without colour management show."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageCms

MAX_PROFILE_BYTES = 4 * 2**20  # profiles of printers have one or two megabytes
_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
_PLAIN = {"RGBX": "RGB", "RGBa": "RGBA", "La": "LA"}


def to_srgb(image: Image.Image) -> Image.Image:
    """The picture in sRGB by the profile that it carries; transparency is kept.

    A picture without a profile, in sRGB already, of other depth than 8 bits, or with a profile that cannot be used (it
    is damaged, or for another kind of colours) is returned as it is: its numbers are taken for sRGB, as browsers do.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not 128 < len(profile) <= MAX_PROFILE_BYTES:
        return image
    if image.mode in ("P", "PA"):
        mode = "RGBA" if image.has_transparency_data else "RGB"
    else:
        mode = _PLAIN.get(image.mode, image.mode)
    space = _SPACES.get(mode.removesuffix("A"))
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        if space is None or source.profile.xcolor_space != space or _is_srgb(source):
            return image
        opaque = image.convert(mode)
        alpha = opaque.getchannel("A") if mode.endswith("A") else None
        colors = opaque.convert(mode.removesuffix("A")) if alpha is not None else opaque
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
        transform = ImageCms.buildTransform(source, _srgb(), colors.mode, "RGB", intent, flags)
        found = ImageCms.applyTransform(colors, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, MemoryError):
        return image
    assert found is not None, "a transform in place alone returns None"
    if alpha is not None:
        found.putalpha(alpha)
    elif "transparency" in image.info and image.mode in ("RGB", "L"):
        found.putalpha(image.convert("RGBA").getchannel("A"))  # one colour that is clear
    found.info = {key: value for key, value in image.info.items() if key not in ("icc_profile", "transparency")}
    return found


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    return "srgb" in ImageCms.getProfileDescription(profile).lower()


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
