"""Regular expressions for paths from shell patterns."""

from __future__ import annotations

import re
import unicodedata


def path_pattern(glob: str) -> str:
    """A regular expression for whole paths from * and ? as in a shell, valid in Python and in LanceDB's SQL.

    It matches whatever the case, and whether accents are letters of their own or signs behind one, as macOS has them.
    """
    return f"^(?is:{''.join(_letter(letter) for letter in unicodedata.normalize('NFC', glob))})$"


def _letter(letter: str) -> str:
    if letter in "*?":
        return ".*" if letter == "*" else "."
    apart = unicodedata.normalize("NFD", letter)
    if apart != letter:
        return f"(?:{letter}|{apart})"
    return re.sub(r"([][\\.^$+(){}|#&~-])", r"\\\1", letter)
