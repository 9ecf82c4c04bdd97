"""Rows of measured figures: as a table, as a file, and compared with an earlier file."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

WORSE = 0.2  # a ratio that fell by this share is reported
# Names of fields in files of version 0.2.0.
OLD_FIELDS = {"peer": "baseline", "peer_seconds": "baseline_seconds"}


@dataclass(frozen=True)
class Row:
    """One measurement and its baseline in the same run.

    seconds, baseline_seconds: medians. floor_seconds: time of the counted work at the machine's measured peak, 0 if
    there is no count. note: differences between the two, or the reason why there are no figures.
    """

    name: str
    seconds: float = 0.0
    baseline: str = ""
    baseline_seconds: float = 0.0
    floor_seconds: float = 0.0
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the baseline; None without figures."""
        return self.baseline_seconds / self.seconds if self.seconds and self.baseline_seconds else None

    @property
    def share(self) -> float | None:
        """The part of the machine's peak that is reached; None without a count."""
        return self.floor_seconds / self.seconds if self.seconds and self.floor_seconds else None


def side_by_side(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each call. The calls alternate, so that other load on the machine affects all of them."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def as_text(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    lines = [f"{'':46} {'seconds':>9}  {'baseline':34} {'seconds':>9} {'ratio':>6} {'floor':>9} {'share':>6}"]
    for row in rows:
        if not row.seconds:
            lines.append(f"{row.name:46} {'-':>9}  {row.note}")
            continue
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
        floor = f"{row.floor_seconds:.4f}" if row.floor_seconds else "-"
        share = "-" if row.share is None else f"{row.share:.1%}"
        baseline = f"{row.baseline_seconds:.4f}" if row.baseline_seconds else "-"
        lines.append(
            f"{row.name:46} {row.seconds:9.4f}  {row.baseline or '-':34} {baseline:>9} {ratio:>6} {floor:>9} {share:>6}"
            + (f"  {row.note}" if row.note else "")
        )
    return "\n".join(lines)


def save(path: Path, rows: Sequence[Row], facts: Mapping[str, Any]) -> None:
    """Write the rows as JSON. facts: further keys, such as the machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {**facts, "rows": [{**asdict(row), "ratio": row.ratio, "share": row.share} for row in rows]}
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> list[Row]:
    """The rows of a file that `save` wrote. Raises ValueError or FileNotFoundError with one line."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        fields = Row.__dataclass_fields__
        return [
            Row(**{name: value for key, value in row.items() if (name := OLD_FIELDS.get(key, key)) in fields})
            for row in whole["rows"]
        ]
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file: measure it with --output {path}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: holds no figures of this program ({error}): measure it again") from error


def worse(now: Sequence[Row], before: Sequence[Row], by: float = WORSE) -> list[str]:
    """A line for each ratio that fell by `by` or more, and for each that is no longer measured.

    Only ratios are compared, because seconds depend on the machine and its other load.
    """
    found = {row.name: row for row in now}
    lines = []
    for row in before:
        if row.ratio is None:
            continue
        other = found.get(row.name)
        if other is None or other.ratio is None:
            lines.append(f"{row.name}: was {row.ratio:.2f} times as fast as {row.baseline}, and has no figure now")
        elif other.ratio <= row.ratio * (1 - by):
            lines.append(
                f"{row.name}: {other.ratio:.2f} times as fast as {row.baseline}, was {row.ratio:.2f} "
                f"({1 - other.ratio / row.ratio:.0%} worse)"
            )
    return lines
