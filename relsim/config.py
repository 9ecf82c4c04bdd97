"""Reads training settings: a frozen dataclass, a TOML file and `key=value` overrides by name and type."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from analogen.relsim.old_paths import present_path

Settings = TypeVar("Settings")


def read_settings(kind: type[Settings], path: Path | None, overrides: Mapping[str, str] | None = None) -> Settings:
    """Reads settings of the dataclass `kind`: its defaults, then the TOML file, then overrides like {"lr": "3e-4"}.

    Raises ValueError for unknown keys and values of another type, FileNotFoundError for a missing file.
    """
    values: dict[str, Any] = {}
    if path is not None:
        path = present_path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no settings file {path}")
        try:
            values.update(tomllib.loads(path.read_text()))
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{path}: {error}") from error
    values.update(overrides or {})
    hints = get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key, value in values.items():
        if key not in names:
            raise ValueError(f"unknown setting {key!r}; known: {', '.join(names)}")
        values[key] = _typed(key, value, hints[key])
    return kind(**values)


def _typed(key: str, value: Any, wanted: type) -> Any:
    if wanted is bool and isinstance(value, str):
        if value.lower() not in ("true", "false"):
            raise ValueError(f"setting {key}={value!r} must be true or false")
        return value.lower() == "true"
    if wanted in (int, float) and isinstance(value, str):
        try:
            return wanted(value)
        except ValueError as error:
            raise ValueError(f"setting {key}={value!r} must be {wanted.__name__}") from error
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:  # not isinstance: True is an int, and 2.5 steps are no whole number
        raise ValueError(f"setting {key}={value!r} must be {wanted.__name__}")
    if isinstance(value, str) and value.endswith("weights/mini"):
        return str(present_path(value))
    return value
