"""Benchmark of the cold start of every command against `import torch`, each in its own process.

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
    """The path of every command and subcommand, whose --help measures the start alone."""
    import click

    from analogen.cli import program

    found: list[list[str]] = []

    def collect(group: click.Group, path: list[str]) -> None:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if isinstance(command, click.Group):
                collect(command, [*path, name])
            else:
                found.append([*path, name])

    collect(program, [])
    return found


def start(*arguments: str) -> None:
    subprocess.run([sys.executable, "-P", "-c", *arguments], check=True, capture_output=True)


def measure(repeats: int = 3, only: int | None = None) -> list[Row]:
    """The start of every command against `import torch`. only: number of commands, None for all."""
    chosen = commands()[:only]
    calls = {"import torch": lambda: start("import torch")}
    for path in chosen:
        calls[" ".join(path)] = lambda path=path: start(COMMAND, *path, "--help")
    seconds_by_name = side_by_side(calls, repeats)
    torch_seconds = seconds_by_name.pop("import torch")
    return [
        Row(f"cold: {name} --help", seconds, "import torch", torch_seconds) for name, seconds in seconds_by_name.items()
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    print(describe())
    print(as_text(measure(parser.parse_args().repeats)))
