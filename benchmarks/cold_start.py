"""Cold start of every command beside a bare `import torch`, each in a process of its own.

python benchmarks/cold_start.py [--repeats 3]
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from machine import describe
from table import Row, as_text, side_by_side

COMMAND = "import sys; from analogen.cli import main; sys.exit(main(sys.argv[1:]))"


def commands() -> list[list[str]]:
    """The help of every command and subcommand, which is what its start costs before it knows what to do."""
    import click

    from analogen.cli import program

    found: list[list[str]] = []

    def walk(group: click.Group, path: list[str]) -> None:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if isinstance(command, click.Group):
                walk(command, [*path, name])
            else:
                found.append([*path, name])

    walk(program, [])
    return found


def start(*arguments: str) -> None:
    subprocess.run([sys.executable, "-P", "-c", *arguments], check=True, capture_output=True)


def measure(repeats: int = 3, only: int | None = None) -> list[Row]:
    """only: so many of the commands."""
    chosen = commands()[:only]
    calls = {"import torch": lambda: start("import torch")}
    for path in chosen:
        calls[" ".join(path)] = lambda path=path: start(COMMAND, *path, "--help")
    taken = side_by_side(calls, repeats)
    bare = taken.pop("import torch")
    return [Row(f"cold: {name} --help", seconds, "import torch", bare) for name, seconds in taken.items()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    print(describe())
    print(as_text(measure(parser.parse_args().repeats)))
