"""Builds requests from plain values, such as a row of a manifest; checks their names and types."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analogen.errors import UserError
from analogen.models import nearest
from analogen.types import LAYOUTS, Request

# The options of `generate` that a request has, with their types; `reference` (one path or a list) is apart.
TYPES: dict[str, type] = {
    "relation": str,
    "reference_weights": list,
    "scene": Path,
    "becomes": Path,
    "subject": str,
    "subject_image": Path,
    "style_image": Path,
    "art": Path,
    "other": str,
    "style": str,
    "palette": str,
    "negative_prompt": str,
    "svg": bool,
    "layout": bool,
    "num_images": int,
    "candidates": int,
    "seed": int,
    "model": str,
    "steps": int,
    "guidance_scale": float,
    "relation_scale": float,
    "structure_scale": float,
    "width": int,
    "height": int,
    "dtype": str,
    "encoder": str,
    "captioner": str,
    "adapter": str,
    "adapter_strength": str,
    "control": str,
    "control_model": str,
    "strength": float,
    "lora": tuple,
    "quantize": str,
    "attention_backend": str,
    "cpu_offload": str,
    "compile": bool,
    "reference_as": str,
    "retries": int,
    "paint_seed": int,
    "style_by": str,
    "style_scale": float,
}
NAMES = ("reference", *TYPES)
_EXPECTED = {
    str: "text", Path: "a path", bool: "true or false", int: "a whole number", float: "a number",
    tuple: "a list of texts", list: "a list of numbers",
}  # fmt: skip
MAX_PATH = 4096  # characters
# How pandas and spreadsheets write a value that is not there.
_NOT_THERE = frozenset({"nan", "na", "n/a", "#n/a", "<na>", "none", "null", "nat"})
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def plain_name(text: str) -> str:
    """The name of a column in the way of the options: "Num Images" and "num-images" are num_images."""
    return re.sub(r"[\s-]+", "_", text.strip().removeprefix("--").lower())


def check_names(names: Sequence[str], known: tuple[str, ...] = NAMES) -> None:
    """Raises UserError with all names that no request has."""
    unknown = [name for name in names if name not in known]
    if len(unknown) < 2:
        for name in unknown:
            check_name(name, known)
        return
    meant = [(near.removeprefix(" (did you mean ").removesuffix("?)")) for name in unknown
             if (near := nearest(name[:40], list(known)))]  # fmt: skip
    hint = f" (did you mean {', '.join(meant)}?)" if meant else ""
    shown = ", ".join(repr(name[:40]) for name in unknown[:8])
    raise UserError(f"unknown columns {shown}{hint}: known are {', '.join(known)}")


def check_name(name: str, known: tuple[str, ...] = NAMES) -> None:
    """Raises UserError for a name that no request has."""
    if name not in known:
        shown = name if len(name) <= 40 else name[:40] + "..."
        raise UserError(f"unknown column {shown!r}{nearest(name[:40], list(known))}: known are {', '.join(known)}")


def request_from(values: Mapping[str, Any], base: Path, device: str = "auto") -> Request:
    """Build the request that `values` describe; a value of None counts as not given.

    base: the folder of relative paths. Raises UserError for an unknown name, a value of the wrong type, and values that
    `Request` does not accept.
    """
    fields: dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            continue
        if name == "reference":
            fields["references"] = tuple(base / path for path in reference_paths(value))
        else:
            check_name(name)
            fields[name] = checked_value(name, value)
            if TYPES[name] is Path:
                fields[name] = base / _checked_path(name, value)
    return Request(**fields, device=device)


def reference_paths(value: object) -> list[str]:
    """One path or a list of paths, as a list. Raises UserError for anything else."""
    return [_checked_path("reference", path) for path in (value if isinstance(value, list) else [value])]


def parse_cell(name: str, text: str) -> object:
    """Parse a cell of a CSV file; None for a number that is not there, such as NaN.

    Raises UserError if the text is not of the column's type.
    """
    kind = TYPES[name]
    if name == "layout" and text in LAYOUTS:
        return text
    if text.lower() in _NOT_THERE:
        if kind in (int, float, bool):
            return None
        raise UserError(f"{name} is {text!r}, as programs write an empty cell: leave it empty, or write what is meant")
    if kind is int and re.fullmatch(r"[+-]?[0-9]{1,30}\.0{1,6}", text):
        return int(text.partition(".")[0])
    if kind in (int, float) and re.fullmatch(r"[+-]?[0-9]+,[0-9]+", text):
        point = text.replace(",", ".")
        raise UserError(f"{name} is {text!r}: expected {_EXPECTED[kind]}, with a point for decimals: {point}?")
    if kind is bool and text.lower() in _TRUTH:
        return _TRUTH[text.lower()]
    if kind is int and re.fullmatch(r"[+-]?[0-9]{1,30}", text):
        return int(text)
    if kind is float and re.fullmatch(r"[+-]?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?", text):
        return float(text)
    if kind in (str, Path):
        return text
    if kind is list:
        try:
            return [float(part) for part in text.split(";")]
        except ValueError:
            pass
    if kind is tuple:
        return [part.strip() for part in text.split(";") if part.strip()]
    raise UserError(f"{name} is {_shown(text)}: expected {_EXPECTED[kind]}")


def checked_value(name: str, value: object) -> object:
    """The value, if it has the option's type. Raises UserError otherwise."""
    kind = TYPES[name]
    if name == "layout" and value in LAYOUTS:
        return value
    if kind is int and isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)  # as pandas writes whole numbers beside missing ones
    if kind is tuple:
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one for one in value):
            raise UserError(f"{name} is {_shown(value)}: expected {_EXPECTED[kind]}")
        return tuple(value)
    if kind is list:
        given = value if isinstance(value, list | tuple) else ()
        numbers = [float(one) for one in given if isinstance(one, int | float) and not isinstance(one, bool)]
        if not given or len(numbers) < len(given):
            raise UserError(f"{name} is {_shown(value)}: expected {_EXPECTED[kind]}")
        return tuple(numbers)
    wanted: tuple[type, ...] = (int, float) if kind is float else (str if kind is Path else kind,)
    # isinstance accepts bool as an int, and true is not a number in a manifest.
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool) or value == "":
        raise UserError(f"{name} is {_shown(value)}: expected {_EXPECTED[kind]}")
    return value


def _checked_path(name: str, path: object) -> str:
    if not isinstance(path, str) or not path.strip():
        raise UserError(f"{name} is {_shown(path)}: expected a path or a list of paths")
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://|data:", path):
        raise UserError(f"{name} is {path[:200]}: pictures are not fetched: download it, and give the file")
    if len(path) > MAX_PATH or any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in path):
        raise UserError(f"{name} is {_shown(path)}: no file has such a name")
    return path


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
