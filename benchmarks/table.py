"""Rows of measured figures: one table, one file, and the comparison of two."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

WORSE = 0.2  # a ratio that fell by this share is flagged


@dataclass(frozen=True)
class Row:
    """One thing that was measured beside another in the same run.

    seconds, peer_seconds: medians. floor_seconds: what the counted work takes at the machine's measured peak, 0 where
    nothing sensible can be counted. note: what is unlike on both sides, or why there are no figures.
    """

    name: str
    seconds: float = 0.0
    peer: str = ""
    peer_seconds: float = 0.0
    floor_seconds: float = 0.0
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the peer."""
        return self.peer_seconds / self.seconds if self.seconds and self.peer_seconds else None

    @property
    def share(self) -> float | None:
        """Of the peak that the counted work reaches."""
        return self.floor_seconds / self.seconds if self.seconds and self.floor_seconds else None


def side_by_side(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each call. They take turns, so that a slow minute of the machine falls on all alike."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in taken.items()}


def as_text(rows: Sequence[Row]) -> str:
    lines = [f"{'':46} {'seconds':>9}  {'beside':34} {'seconds':>9} {'ratio':>6} {'floor':>9} {'share':>6}"]
    for row in rows:
        if not row.seconds:
            lines.append(f"{row.name:46} {'-':>9}  {row.note}")
            continue
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
        floor = f"{row.floor_seconds:.4f}" if row.floor_seconds else "-"
        share = "-" if row.share is None else f"{row.share:.1%}"
        peer = f"{row.peer_seconds:.4f}" if row.peer_seconds else "-"
        lines.append(
            f"{row.name:46} {row.seconds:9.4f}  {row.peer or '-':34} {peer:>9} {ratio:>6} {floor:>9} {share:>6}"
            + (f"  {row.note}" if row.note else "")
        )
    return "\n".join(lines)


def save(path: Path, rows: Sequence[Row], facts: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {**facts, "rows": [{**asdict(row), "ratio": row.ratio, "share": row.share} for row in rows]}
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> list[Row]:
    """The rows of a file that `save` wrote. Raises ValueError or FileNotFoundError with one line."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        fields = Row.__dataclass_fields__
        return [Row(**{key: value for key, value in row.items() if key in fields}) for row in whole["rows"]]
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file: measure it with --output {path}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: holds no figures of this program ({error}): measure it anew") from error


def worse(now: Sequence[Row], before: Sequence[Row], by: float = WORSE) -> list[str]:
    """A line for each ratio that fell by `by` or more, and for each that is no longer measured. Ratios alone are
    compared: seconds hang on the machine and on what else it does."""
    found = {row.name: row for row in now}
    lines = []
    for row in before:
        if row.ratio is None:
            continue
        other = found.get(row.name)
        if other is None or other.ratio is None:
            lines.append(f"{row.name}: was {row.ratio:.2f} times as fast as {row.peer}, and has no figure now")
        elif other.ratio <= row.ratio * (1 - by):
            lines.append(
                f"{row.name}: {other.ratio:.2f} times as fast as {row.peer}, was {row.ratio:.2f} "
                f"({1 - other.ratio / row.ratio:.0%} worse)"
            )
    return lines
