"""What the command line prints as one line, without a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


def plain_line(text: str) -> str:
    """One line of signs that can be shown: a file's name may hold line breaks and a terminal's commands."""
    line = "".join(" " if sign.isspace() else sign for sign in text)
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in line)


class UserError(ValueError):
    """Bad input or usage: the message says what came, what is expected and what to do. Exit code 2.

    One line whatever came, see `plain_line`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(plain_line(message))


class RunError(RuntimeError):
    """A failure while running that is not the user's input: a full disk, a lost device. Exit code 1."""


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn the ValueError and FileNotFoundError that relsim and pipelines raise for bad input into UserError, and
    the ImportError that names a missing extra.

    Put it around border checks only; around a whole run it would hide our own slips.
    """
    try:
        yield
    except UserError:
        raise
    except (ValueError, FileNotFoundError, ImportError) as error:
        raise UserError(str(error)) from error
