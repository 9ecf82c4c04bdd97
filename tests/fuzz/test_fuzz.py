"""Tests of the fuzzing targets on seeds and on mutations of them; a broken reader is noticed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from targets import TARGETS


def mutations(data: bytes, count: int, seed: int) -> list[bytes]:
    """Copies of the data with a few random changes."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(int(rng.integers(1, 6))):
            place = int(rng.integers(0, len(changed) + 1))
            kind = rng.integers(0, 3)
            if kind == 0 and place < len(changed):
                changed[place] = rng.integers(0, 256)
            elif kind == 1:
                changed[place:place] = rng.choice(
                    [b'"', b"0", b"-1", b"9" * 30, b"m" * 300, b"\xff", b"{", b"null", b"NaN", b"\0"]
                )
            else:
                del changed[place : place + int(rng.integers(1, 40))]
        found.append(bytes(changed))
    return found


@pytest.mark.parametrize("name", TARGETS)
def test_target_reads_or_refuses_every_mutation(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    for number, data in enumerate(seeds):
        target.run(data)
        for mutation in mutations(data, max(3, 200 // len(seeds)), number):
            target.run(mutation)


def test_seeds_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    import targets

    errors: list[str] = []
    monkeypatch.setattr(targets, "_one_line", lambda error: errors.append(str(error)))
    for name in ("manifest", "record", "scene"):
        TARGETS[name].run(TARGETS[name].seeds()[0])
    assert errors == []


@pytest.mark.parametrize("error", [KeyError("name"), ValueError("two\nlines"), ValueError("")])
def test_broken_reader_is_noticed(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    from analogen.relsim import images

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(images, "read_image_from", broken)
    with pytest.raises((KeyError, AssertionError)):
        TARGETS["image"].run(b"any")
