"""The settings of a request from the values of Create's fields, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analogen.demos.numbers import MAX_SEED, whole_number

# Shapes of pictures by what the page calls them: width to height.
SHAPES = {"Square": (1, 1), "Portrait 4:5": (4, 5), "Wide 16:9": (16, 9), "Tall 9:16": (9, 16), "Banner 3:1": (3, 1)}
UNIT_PX = 16  # sides are multiples of it, which every model can make


def size_of(shape: str, side_px: float) -> tuple[int, int]:
    """Width and height of a shape whose longer side is `side_px`."""
    across, down = SHAPES.get(shape, (1, 1))
    if across == down:
        return int(side_px), int(side_px)
    unit = side_px / max(across, down)
    width, height = (max(UNIT_PX, round(part * unit / UNIT_PX) * UNIT_PX) for part in (across, down))
    return width, height


def shape_of(width: int, height: int) -> tuple[str, int]:
    """The nearest shape of a size, and its longer side."""
    ratio = width / height
    nearest = min(SHAPES, key=lambda name: abs(SHAPES[name][0] / SHAPES[name][1] - ratio))
    return nearest, max(width, height)


def settings_of(values: Mapping[str, Any], relation: str | None) -> dict[str, Any]:
    """The settings of a request from the values of the fields; pictures and own art are added by the caller.

    relation: the user's own words, None if the logic is that of the references.
    """
    candidates = int(values["candidates"])
    width, height = size_of(values["shape"], values["side"])
    seed = (values["seed"] or "").strip()
    return {
        "relation": relation, "relation_scale": float(values["strength"]), "candidates": candidates,
        "structure_scale": None if values["auto_structure"] else float(values["structure"]),
        "num_images": min(int(values["keep"]), candidates),
        "seed": whole_number("seed", int(seed) if seed.isdecimal() else seed, 0, MAX_SEED) if seed else None,
        "width": width, "height": height, "steps": int(values["steps"]),
        "other": (values["other"] or "").strip() or None, "style": values["style"] or None,
        "palette": values["palette"] or None,
        "svg": bool(values["svg"]),
    }  # fmt: skip


def field_values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The values of fields for the settings of a request or of a saved form; fields without a setting are left out."""
    names = {
        "strength": "relation_scale", "candidates": "candidates", "seed": "seed", "keep": "num_images",
        "steps": "steps", "other": "other", "svg": "svg", "subjects": "subject", "metadata": "metadata",
    }  # fmt: skip
    found = {field: settings[name] for field, name in names.items() if settings.get(name) is not None}
    if "seed" in found:
        found["seed"] = str(found["seed"])
    if settings.get("width") and settings.get("height"):
        found["shape"], found["side"] = shape_of(int(settings["width"]), int(settings["height"]))
    if "structure_scale" in settings or "relation_scale" in settings:
        scale = settings.get("structure_scale")
        found["auto_structure"] = scale is None
        if scale is not None:
            found["structure"] = scale
        found["style"] = settings.get("style") or ""
        found["palette"] = settings.get("palette") or ""
    return found
