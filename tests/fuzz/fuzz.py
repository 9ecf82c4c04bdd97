"""Coverage-guided fuzzing of one target by atheris: `python tests/fuzz/fuzz.py image --seconds 60 [--corpus FOLDER]`.

Exit code 0: nothing found. An input that fails ends the run, and is written next to the corpus as crash-...; repeat it
with: `python tests/fuzz/fuzz.py image --file crash-...`. Needs atheris (Linux, CPython 3.11 to 3.13).
"""

from __future__ import annotations

import argparse
import importlib
import logging
import pkgutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "shared")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="0: a different seed every time")
    parser.add_argument("--corpus", type=Path, help="folder of found inputs, kept between runs")
    parser.add_argument("--file", type=Path, help="run this input alone")
    options = parser.parse_args()
    logging.getLogger("PIL").setLevel(logging.CRITICAL + 1)

    import targets

    if options.target not in targets.TARGETS:
        parser.error(f"no target {options.target!r}: expected one of {', '.join(targets.TARGETS)}")
    target = targets.TARGETS[options.target]
    if options.file is not None:
        target.run(options.file.read_bytes())
        print(f"{options.file}: no failure")
        return

    import atheris

    with atheris.instrument_imports(include=list(target.modules)):
        for name in target.modules:
            module = importlib.import_module(name)
            for one in pkgutil.iter_modules(getattr(module, "__path__", ())):
                if name == "PIL" and one.name.endswith("ImagePlugin"):
                    with suppress(ImportError):  # formats that need another package
                        importlib.import_module(f"{name}.{one.name}")
    corpus = options.corpus or Path(tempfile.mkdtemp(prefix="analogen-corpus-"))
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds()):
        (corpus / f"seed-{number:03d}").write_bytes(data)
    settings = [
        f"-max_total_time={options.seconds}", f"-seed={options.seed}", "-timeout=30", "-rss_limit_mb=4096",
        "-max_len=20000", "-print_final_stats=1",
        f"-artifact_prefix={corpus.parent / options.target}-",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *settings, str(corpus)], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
