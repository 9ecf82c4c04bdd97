"""Benchmark of the studio under load: the turns of many clients at once, and the server's memory meanwhile.

    python benchmarks/studio_load.py                                # 20 clients, 30 minutes
    python benchmarks/studio_load.py --clients 2 --seconds 20       # a short one

A turn is a comparison, a caption, a search, a picture of Create and a batch of one row (recipes/soak_studio.py). First
one client repeats turns alone, then all do. A turn alone keeps the machine's cores busy, so N clients at once should
need N times as long at most: ratio 1 or more. Memory is compared from the first fifth of the time to its end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from machine import describe
from table import Row, as_text

ALONE_SECONDS = 60


def measure(clients: int = 20, seconds: float = 1800, alone_seconds: float = ALONE_SECONDS) -> list[Row]:
    """The median turn of many clients against that many turns of one, with the memory in its note.

    Raises ImportError without Gradio, RuntimeError if an answer was lost or wrong.
    """
    sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))
    from soak_studio import serve, soak

    with tempfile.TemporaryDirectory() as folder:
        server, address = serve(Path(folder) / "studio", Path(folder) / "server.log")
        try:
            reports = []
            for name, count, length in (("alone", 1, alone_seconds), ("together", clients, seconds)):
                (Path(folder) / name).mkdir()
                reports.append(soak(address, server.pid, Path(folder) / name, count, length))
        finally:
            server.terminate()
            server.wait(60)
    alone, many = reports
    if alone["wrong"] or many["wrong"]:
        raise RuntimeError(f"wrong answers: {[*alone['wrong'], *many['wrong']][:3]}")
    memory = f"memory {many['rss_mib_after_a_fifth']:.0f} MiB after a fifth, {many['rss_mib_end']:.0f} at the end"
    note = f"{many['answers']['batch']} turns in {many['seconds']:.0f} s, longest {many['turn_longest_seconds']:.1f} s"
    return [
        Row(
            f"studio: a turn, {clients} clients at once", many["turn_median_seconds"], f"{clients} x a turn alone",
            clients * alone["turn_median_seconds"], note=f"{note}; {memory}",
        )
    ]  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--alone", type=float, default=ALONE_SECONDS, help="seconds of the client that is alone")
    options = parser.parse_args()
    print(describe())
    print(as_text(measure(options.clients, options.seconds, options.alone)))
