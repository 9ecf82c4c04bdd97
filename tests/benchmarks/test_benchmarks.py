"""Tests of the benchmarks: their table, stored results and comparison, with invented figures and with one real run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in ("run", "table", "machine_peaks", "machine"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import run  # type: ignore[import-not-found]

    return run  # type: ignore[no-any-return]


def use_invented_row(runner: ModuleType, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    row = runner.Row("search", seconds, "NumPy", 2.0, floor_seconds=0.25)
    no_baseline = runner.Row("alone", 1.0)
    monkeypatch.setattr(runner, "BENCHMARKS", {"one": lambda quick, repeats, peaks: [row, no_baseline]})


def run_main(runner: ModuleType, *arguments: str) -> int:
    return int(runner.main(["--quick", "--only", "one", *arguments]))


def test_table_and_file_hold_medians_ratios_and_shares(
    runner: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_invented_row(runner, monkeypatch, 1.0)
    assert run_main(runner, "--output", str(tmp_path / "new" / "r.json")) == 0
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if line.startswith("search")]
    assert line.split() == ["search", "1.0000", "NumPy", "2.0000", "2.00", "0.2500", "25.0%"]
    assert "GFLOP/s" in printed
    assert "torch" in printed
    whole = json.loads((tmp_path / "new" / "r.json").read_text())
    assert (whole["rows"][0]["ratio"], whole["rows"][0]["share"], whole["rows"][1]["ratio"]) == (2.0, 0.25, None)
    assert whole["flops"] > 0
    assert runner.load(tmp_path / "new" / "r.json")[0].baseline_seconds == 2.0


@pytest.mark.parametrize(("seconds", "code"), [(1.0, 0), (1.2, 0), (1.3, 1), (0.5, 0)])
def test_ratio_that_fell_by_a_fifth_is_reported(
    runner: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: float, code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    use_invented_row(runner, monkeypatch, 1.0)
    assert run_main(runner, "--output", str(tmp_path / "r.json")) == 0
    use_invented_row(runner, monkeypatch, seconds)
    capsys.readouterr()
    assert run_main(runner, "--compare", str(tmp_path / "r.json")) == code
    printed = [line for line in capsys.readouterr().err.splitlines() if line.startswith("worse: ")]
    assert len(printed) == code
    assert not code or "1.54 times as fast as NumPy, was 2.00 (23% worse)" in printed[0]


def test_missing_figure_is_reported_and_a_damaged_file_refused(
    runner: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_invented_row(runner, monkeypatch, 1.0)
    assert run_main(runner, "--output", str(tmp_path / "r.json")) == 0

    def absent(*_: object) -> None:
        raise ImportError("the authors' package is missing")

    monkeypatch.setattr(runner, "BENCHMARKS", {"one": absent})
    assert run_main(runner, "--compare", str(tmp_path / "r.json")) == 1
    printed = capsys.readouterr()
    assert "not measured: the authors' package is missing" in printed.out
    assert "has no figure now" in printed.err
    (tmp_path / "r.json").write_text("{}")
    assert run_main(runner, "--compare", str(tmp_path / "r.json")) == 2
    assert run_main(runner, "--compare", str(tmp_path / "none.json")) == 2


def test_stored_results_of_the_release_still_load(runner: ModuleType) -> None:
    for path in (BENCHMARKS / "results").glob("*.json"):
        rows = runner.load(path)
        assert any(row.baseline and row.ratio for row in rows), path


def test_calls_alternate_and_return_medians(runner: ModuleType) -> None:
    from table import side_by_side  # type: ignore[import-not-found]

    order: list[str] = []
    seconds = side_by_side({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 3
    assert set(seconds) == {"a", "b"}


def test_different_references_in_one_batch_equal_stock_calls(runner: ModuleType) -> None:
    from references_batch import measure  # type: ignore[import-not-found]

    (row,) = measure(rows=2, steps=1, repeats=1)
    assert row.ratio > 0
    assert float(row.note.split()[-1]) < 1e-3


def test_load_is_told_against_as_many_turns_of_one_client(runner: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    import studio_load  # type: ignore[import-not-found]

    class Server:
        pid = 1

        def terminate(self) -> None: ...

        def wait(self, seconds: float) -> None: ...

    def soak(address: str, pid: int, folder: Path, clients: int, seconds: float) -> dict[str, Any]:
        return {
            "wrong": [] if clients < 9 else ["client 1: lost"], "turn_median_seconds": 2.0 if clients == 1 else 5.0,
            "answers": {"batch": 4}, "seconds": seconds, "turn_longest_seconds": 6.0, "rss_mib_after_a_fifth": 900.0,
            "rss_mib_end": 904.4,
        }  # fmt: skip

    recipe = ModuleType("soak_studio")
    monkeypatch.setattr(recipe, "serve", lambda output, log: (Server(), "http://127.0.0.1/"), raising=False)
    monkeypatch.setattr(recipe, "soak", soak, raising=False)
    monkeypatch.setitem(sys.modules, "soak_studio", recipe)
    (row,) = studio_load.measure(4, 60.0, 10.0)
    assert (row.seconds, row.baseline_seconds, row.ratio) == (5.0, 8.0, 1.6)
    assert "memory 900 MiB after a fifth, 904 at the end" in row.note
    with pytest.raises(RuntimeError, match="client 1: lost"):
        studio_load.measure(9, 60.0, 10.0)
