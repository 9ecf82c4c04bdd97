"""Write docs/cli.md: the help of every command, as the program prints it.

python recipes/make_cli_docs.py [--check]    --check: write nothing, exit code 1 if the page is outdated
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from analogen.cli import program

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
WIDTH = 100
HEAD = """# Commands

`generate` and `analogen generate` are the same program. Progress and notes go to stderr, results to stdout. Exit codes:
0 done, 2 bad input or usage (one line, no traceback; `--debug` or `ANALOGEN_DEBUG=1` shows one), 1 failure while
running, 130 interrupted.

The texts below are the program's own: `python recipes/make_cli_docs.py` writes this page.
"""


def command_helps(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    """(name, help) of a command and of all its subcommands."""
    settings = {**command.context_settings, "max_content_width": WIDTH, "terminal_width": WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            if found is not None and not found.hidden:
                yield from command_helps(found, sub, context)


def page() -> str:
    """The text of docs/cli.md."""
    parts = [HEAD]
    for name, text in command_helps(program, "analogen"):
        heading = "##" if name.count(" ") < 2 else "###"
        parts.append(f"{heading} {name}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
        sys.exit("docs/cli.md differs from the help of the program: run python recipes/make_cli_docs.py")


if __name__ == "__main__":
    main()
