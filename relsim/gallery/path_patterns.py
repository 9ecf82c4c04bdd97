"""Regular expressions for paths from shell patterns."""

from __future__ import annotations

import re


def path_pattern(glob: str) -> str:
    """A regular expression for whole paths from * and ? as in a shell, valid in Python and in LanceDB's SQL."""
    meaning = {"*": ".*", "?": "."}
    letters = (meaning.get(letter) or re.sub(r"([][\\.^$+(){}|#&~-])", r"\\\1", letter) for letter in glob)
    return f"^(?s:{''.join(letters)})$"
