"""Exceptions that the command line prints as one line, without a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


def plain_line(text: str) -> str:
    """The text as one printable line: a file name may hold line breaks and control characters."""
    line = "".join(" " if sign.isspace() else sign for sign in text)
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in line)


class UserError(ValueError):
    """Bad input or usage. The message is one line: what was given, what is expected, what to do. Exit code 2."""

    def __init__(self, message: str) -> None:
        super().__init__(plain_line(message))


class RunError(RuntimeError):
    """A failure while running that the input did not cause, such as a full disk or a lost device. Exit code 1."""


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn ValueError, FileNotFoundError and ImportError into UserError.

    relsim and pipelines raise the first two for bad input, and the third for a missing extra. Use it around checks of
    the input only: around a whole run it would hide our own bugs.
    """
    try:
        yield
    except UserError:
        raise
    except (ValueError, FileNotFoundError, ImportError) as error:
        raise UserError(str(error)) from error
