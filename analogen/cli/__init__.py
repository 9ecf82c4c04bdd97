"""The command line: registers the commands, imports each when it is called, and prints errors as one line.

Neither this file nor the top of a command's module imports torch, numpy or Pillow, so that --help is fast.
"""

from __future__ import annotations

import errno
import gc
import importlib
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from analogen.errors import RunError, UserError, plain_line
from analogen.models import means, nearest

HELP = {"help_option_names": ["-h", "--help"]}
_COMMANDS = (
    "generate", "batch", "art", "read", "similarity", "caption", "filter", "gallery", "world", "corpus", "train",
    "evaluate", "convert", "models", "env",
)  # fmt: skip


def _set_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(dict)["debug"] = True


def debug_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --debug to a command. ANALOGEN_DEBUG=1 does the same for all commands."""
    return click.option(
        "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show the traceback of an error."
    )(command)


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import without garbage collection.

    torch and diffusers create about a million lasting objects, and checking them again and again takes a fifth of
    a cold start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Silence the warnings of Pillow's decoders about damaged files; the reader's own error says more."""
    log = logging.getLogger("PIL")
    level = log.level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        log.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            log.setLevel(level)


def _plugins() -> dict[str, EntryPoint]:
    """Commands of installed packages, among them our own `demo`; they are imported only when they are called."""
    return {found.name: found for found in entry_points(group="analogen.commands")}


class LazyGroup(click.Group):
    """A group whose commands are analogen.cli.<name>.command, or entry points of the group analogen.commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS, *sorted(_plugins())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            found = _plugins().get(cmd_name)
            return None if found is None else found.load()
        command: click.Command = importlib.import_module(f"analogen.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            known = self.list_commands(ctx)
            if args[0] not in known:
                raise click.UsageError(f"no command {args[0]!r}{nearest(args[0], known)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings=HELP, invoke_without_command=True)
@click.version_option(package_name="analogen")
@debug_option
@click.pass_context
def program(context: click.Context) -> None:
    """Analogical image generation: keep a picture's relational logic, change its subject."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `analogen` program. Returns the exit code: 0 done, 1 failure, 2 bad input or usage, 130 interrupted."""
    return run_command(program, "analogen", arguments)


def generate_main(arguments: Sequence[str] | None = None) -> int:
    """Run the `generate` program, the same as `analogen generate`."""
    from analogen.cli.generate import command

    return run_command(command, "generate", arguments)


def run_command(command: click.Command, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a command as a program of that name. Returns the exit code, as `main` does."""
    settings = {"debug": os.environ.get("ANALOGEN_DEBUG", "") not in ("", "0")}
    try:
        with quiet_decoders():
            code = command.main(
                args=None if arguments is None else list(arguments), prog_name=name, standalone_mode=False, obj=settings
            )
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        # The reader of the pipe has ended; the interpreter's last flush must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, click.Abort):
        _print_error(name, "interrupted")
        return 130
    except click.NoSuchOption as error:
        path = error.ctx.command_path if error.ctx else name
        params = error.ctx.command.params if error.ctx else []
        bare = next(
            (one for one in params if isinstance(one, click.Argument) and _is_meant(error.option_name, one)), None
        )
        flags = [flag for one in params for flag in one.opts if flag.startswith("--")]
        near = nearest(error.option_name, flags)
        if bare is not None:
            near = f" (give {bare.metavar or (bare.name or '').upper()} without an option)"
        return _fail(path, f"no such option: {error.option_name}{near} (see {path} --help)", 2, settings)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else name
        return _fail(path, f"{error.format_message().rstrip('.')} (see {path} --help)", 2, settings)
    except (UserError, click.ClickException) as error:
        return _fail(name, error.format_message() if isinstance(error, click.ClickException) else error, 2, settings)
    except RunError as error:
        return _fail(name, error, 1, settings)
    except MemoryError:
        return _fail(name, "out of memory: choose a smaller --width and --height, or fewer --candidates", 1, settings)
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            given = str(error.filename)
            long = f"{given[:40]}...: no file or folder can have a name this long ({len(given)} characters): shorten it"
            return _fail(name, long, 2, settings)
        hint = "" if settings["debug"] else " (--debug shows where)"
        return _fail(name, f"failed: {type(error).__name__}: {error}{hint}", 1, settings)


def _is_meant(option: str, argument: click.Argument) -> bool:
    return means(option, argument.name or "")


def _fail(name: str, message: object, code: int, settings: dict[str, bool]) -> int:
    if settings["debug"]:
        traceback.print_exc()
    _print_error(name, message)
    return code


def _print_error(name: str, message: object) -> None:
    """Print the message on stderr as one line."""
    line = plain_line(" ".join(f"{name}: {message}".split()))
    encoding = sys.stderr.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)
