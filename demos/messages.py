"""Error messages of the studio: one sentence for its pages and clients, without folders of the server."""

from __future__ import annotations

import logging
import os
import re
import tempfile
from pathlib import Path

from analogen import RunError, UserError

_LOG = logging.getLogger(__name__)
# Folders of the server that messages do not show, see `hide_folder`.
_HIDDEN: set[str] = set()


def error_message(error: BaseException, log: bool = True) -> str:
    """An error as one line for the user.

    Errors that are meant for users keep their words. Of all others only the class is named, and with `log` the
    traceback goes to the server's log.
    """
    if isinstance(error, UserError | RunError | FileNotFoundError):
        return without_folders(str(error))
    if isinstance(error, MemoryError):
        return "there is not enough memory for this: take smaller or fewer pictures, or fewer candidates"
    if log:
        _LOG.error("a call of the studio failed", exc_info=error)
    return f"this did not work ({type(error).__name__}): try again, or look into the studio's log"


def sentence(text: str) -> str:
    """A message of the library as a sentence: with a capital letter and a full stop."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")


def page_sentence(text: str) -> str:
    """A message of the command line as a sentence for a page: flags become words, folders are left out."""
    text = re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda found: found.group(1).replace("-", " "), without_folders(text))
    return sentence(" ".join(text.split())[:400])


def hide_folder(folder: str | Path) -> None:
    """Cut this folder out of all messages, also where its name holds spaces or other signs that end a path."""
    _HIDDEN.add(str(folder))


def without_folders(text: str) -> str:
    """The text with absolute paths cut down to their file names; addresses of the web stay whole."""
    known = {*_HIDDEN, tempfile.gettempdir(), os.environ.get("GRADIO_TEMP_DIR", ""), str(Path.home()), os.getcwd()}
    for folder in sorted(known - {"", os.sep}, key=len, reverse=True):
        text = re.sub(re.escape(folder) + r"(?![\w.-])(?:[/\\][^/\\\s:'\"]+)*[/\\]", "", text)
        text = re.sub(re.escape(folder) + r"(?![\w.-])", Path(folder).name, text)
    text = re.sub(r"\b[A-Za-z]:\\(?:[^\\\s:'\"]+\\)+", "", text)
    return re.sub(r"(?<![\w./])/(?:[^/\s:'\"]+/)+", "", text)
