"""Write what each kind of pipeline can do, read from the classes of the installed diffusers.

python recipes/make_capabilities.py [--check]    --check: write nothing, exit code 1 if the table is outdated

It writes pipelines/diffusion/capabilities.json, and the tables between the marks of docs/big_models.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import diffusers

from analogen.models import MODELS, Model
from analogen.pipelines.diffusion.capabilities import TABLE, Capabilities, read_capabilities, to_json
from analogen.pipelines.diffusion.model_defaults import KINDS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "big_models.md"
RESERVE_GB = 3  # what a running model needs beside its weights
FIRST, LAST = "<!-- capabilities -->\n", "<!-- end of capabilities -->\n"


def every_class() -> dict[str, Capabilities]:
    return {name: read_capabilities(kind, name) for kind in KINDS for name in kind.pipelines}


def page_table(found: dict[str, Capabilities]) -> str:
    """The tables of the documentation: what each model of the catalogue can do, and what it weighs in GB."""
    rows = [
        "| model | words | pictures | boxes | `--layout` | adapter | style picture | LoRA | negative prompt | steps |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    kinds = {kind.name: kind for kind in KINDS}
    for model in MODELS:
        if model.is_mini:
            continue
        row = found[kinds[model.kind].pipelines[0]]
        layout = ", ".join(word for word, can in (("start", row.start), ("control", row.control)) if can)
        cells = (
            model.name, yes(row.words), f"{row.pictures}" if row.pictures else "", row.boxes, layout, yes(row.adapter),
            yes(row.style), yes(row.lora), yes(row.negative_prompt), str(steps_of(model, row)),
        )  # fmt: skip
        rows.append("| " + " | ".join(cells) + " |")
    rows += [
        "",
        "| model | all, 16 bit | largest part, 16 bit | largest part, 4 bit | least card, 16 bit | licence |",
        "|---|---|---|---|---|---|",
    ]
    for model in sorted(MODELS, key=lambda one: one.weight_gb(2, together=False)):
        if model.parts:
            each = model.weight_gb(2, together=False)
            sizes = (model.weight_gb(2), each, model.weight_gb(0.55, together=False), each + RESERVE_GB)
            cells = (model.name, *(f"{size:.1f}" for size in sizes), model.licence + (", gated" if model.gated else ""))
            rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def steps_of(model: Model, row: Capabilities) -> int:
    """Of the model's own version."""
    if model.version is not None:
        return next(kind for kind in KINDS if kind.name == model.kind).versions[model.version].steps
    return model.steps or row.steps


def yes(can: bool) -> str:
    return "yes" if can else ""


def page_with(text: str, table: str) -> str:
    before, rest = text.split(FIRST)
    return before + FIRST + table + LAST + rest.split(LAST)[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    found = every_class()
    page = PAGE.read_text(encoding="utf-8")
    wanted = {
        ROOT / "pipelines" / "diffusion" / TABLE: to_json(found, diffusers.__version__),
        PAGE: page_with(page, page_table(found)),
    }
    outdated = [path for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text]
    for path in outdated:
        print(f"{'outdated' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.write_text(wanted[path], encoding="utf-8")
    return 1 if check and outdated else 0


if __name__ == "__main__":
    sys.exit(main())
