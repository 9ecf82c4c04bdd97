"""Benchmark of the cold start: of every command's --help, and of whole commands, each in its own process.

python benchmarks/cold_start.py [--repeats 3] [--work]

The commands that do their work are compared with what an artist waits for elsewhere: `generate` with the import of
diffusers' pipelines, the others with that of torch. Goals: generate in .7 of it (ratio 1.43), the others in 1.2 (.83).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from machine import describe
from table import Row, as_text, side_by_side

EXAMPLES = Path(__file__).parents[1] / "examples"
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


def measure_work(repeats: int = 3) -> list[Row]:
    """Whole commands with mini: `generate` of a usual picture, `caption` and `similarity`."""
    owls, duck = str(EXAMPLES / "ring_of_owls.png"), str(EXAMPLES / "odd_duck.png")
    imports = {"generate": "from diffusers import DiffusionPipeline", "caption": "import torch"}
    with tempfile.TemporaryDirectory() as folder:
        make = ("generate", "--reference", owls, "--subject", "bicycle", "--seed", "3", "--output", folder)
        seconds = side_by_side(
            {
                **{line: partial(start, line) for line in imports.values()},
                "generate": partial(start, COMMAND, *make),
                "caption": partial(start, COMMAND, "caption", owls),
                "similarity": partial(start, COMMAND, "similarity", owls, duck),
            },
            repeats,
        )
    baselines = imports | {"similarity": imports["caption"]}
    return [Row(f"cold: {name}", seconds[name], line, seconds[line]) for name, line in baselines.items()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", action="store_true", help="whole commands only, not every --help")
    options = parser.parse_args()
    print(describe())
    print(as_text(([] if options.work else measure(options.repeats)) + measure_work(options.repeats)))
