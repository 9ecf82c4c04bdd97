"""Maps the file paths of version 0.2.0, which users may have written down, to the present ones."""

from __future__ import annotations

from pathlib import Path

_FOLDERS = {"relsim/weights/mini": "relsim/mini/weights", "pipelines/weights/mini": "pipelines/composer/weights"}
_PRESETS = ("relsim/presets", "pipelines/presets")
_RENAMED = {"composer-plus-cpu.toml": "composer-readings-cpu.toml"}


def present_path(path: str | Path) -> Path:
    """The present path of a shipped file or folder if `path` is its place in 0.2.0 and missing; else `path` itself."""
    given = Path(path)
    if given.exists():
        return given
    text = given.as_posix()
    for old, new in _FOLDERS.items():
        if text == old or text.endswith(f"/{old}"):
            found = Path(text[: len(text) - len(old)], new)
            return found if found.is_dir() else given
    folder = given.parent.as_posix()
    if any(folder == old or folder.endswith(f"/{old}") for old in _PRESETS):
        name = _RENAMED.get(given.name, given.name)
        return next(iter(sorted(given.parents[1].glob(f"*/presets/{name}"))), given)
    return given
