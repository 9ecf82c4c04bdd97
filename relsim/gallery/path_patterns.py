"""Patterns for paths."""

from __future__ import annotations

import re


def path_pattern(glob: str) -> str:
    """A pattern for whole paths, * and ? as in a shell, in the syntax that Python and the table's engine share."""
    meaning = {"*": ".*", "?": "."}
    letters = (meaning.get(letter) or re.sub(r"([][\\.^$+(){}|#&~-])", r"\\\1", letter) for letter in glob)
    return f"^(?s:{''.join(letters)})$"
