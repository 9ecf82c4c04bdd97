"""`analogen evaluate`: the figures of the results table."""

from __future__ import annotations

import json
from pathlib import Path

import click

from analogen.cli import HELP, debug_option
from analogen.errors import UserError, user_errors
from analogen.files import check_output


@click.group("evaluate", context_settings=HELP, no_args_is_help=False)
def command() -> None:
    """Measure the encoder (retrieval) or the whole way from picture to picture (analogy)."""


@command.command("retrieval", context_settings=HELP)
@click.option("--encoder", default="mini", show_default=True, help="Name, folder or hub id of a relational encoder.")
@click.option("--queries", type=int, default=1000, show_default=True, help="Queries per split.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="auto", show_default=True)
@debug_option
def retrieval(encoder: str, queries: int, seed: int, device: str) -> None:
    """R@1 over galleries with attribute traps, beside the attribute baselines; one JSON line per row."""
    _check("queries", queries)
    from analogen.relsim.evaluation import run_retrieval

    with user_errors():
        rows = run_retrieval(encoder=encoder, queries=queries, seed=seed, device=device)
    for row in rows:
        click.echo(json.dumps(row))


@command.command("analogy", context_settings=HELP)
@click.option("--rows", "num_rows", type=int, default=200, show_default=True, help="References to try.")
@click.option("--candidates", type=int, default=4, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--judges", metavar="DIR", type=click.Path(path_type=Path), help="Folder of the judges' weights.")
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("out/analogy"),
    show_default=True,
    help="Folder of the contact sheets.",
)
@debug_option
def analogy(num_rows: int, candidates: int, seed: int, device: str, judges: Path | None, output: Path) -> None:
    """Relation and subject kept, by judges apart from the reranker; one JSON line per way of choosing."""
    _check("rows", num_rows)
    _check("candidates", candidates)
    check_output([output / "sheet.png"])
    from analogen.analogy import run_analogy

    with user_errors():
        rows = run_analogy(rows=num_rows, candidates=candidates, seed=seed, device=device, judges=judges, output=output)
    for row in rows:
        click.echo(json.dumps(row))


def _check(name: str, value: int) -> None:
    if value < 1:
        raise UserError(f"--{name} is {value}: expected 1 or more")
