"""Promises of decoding ahead and of batches that shrink when memory runs out, with injected faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import torch

from analogen.relsim.data.batching import GROW_AFTER, BatchSize, decode_ahead, in_batches, is_out_of_memory, run_all


def fits(most: int, tried: list[int]) -> Callable[[list[int]], list[int]]:
    """A model that squares numbers and has memory for `most` of them at once."""

    def run(batch: list[int]) -> list[int]:
        tried.append(len(batch))
        if len(batch) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return [number**2 for number in batch]

    return run


@pytest.mark.parametrize("most", [1, 2, 3, 7, 100])
def test_every_item_comes_once_and_in_order_whatever_fits(most: int) -> None:
    found = list(in_batches(range(37), fits(most, []), BatchSize(16)))
    assert [number for batch, _ in found for number in batch] == list(range(37))
    assert [square for _, squares in found for square in squares] == [number**2 for number in range(37)]
    assert max(len(batch) for batch, _ in found) <= most


def test_batch_is_halved_and_grows_back() -> None:
    tried: list[int] = []
    size = BatchSize(8)
    scarce = fits(2, tried)
    plenty = fits(100, tried)
    for number, _ in enumerate(
        in_batches(range(400), lambda batch: (scarce if len(tried) < 6 else plenty)(batch), size)
    ):
        if number == 3:
            assert size.now == 2
    assert tried[:3] == [8, 4, 2]
    assert size.now == 8
    assert tried.count(4) >= GROW_AFTER


def test_item_too_large_alone_is_reported_and_the_rest_continues() -> None:
    refused: list[int] = []

    def run(batch: list[int]) -> list[int]:
        if 5 in batch:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return batch

    found = [
        n for batch, _ in in_batches(range(9), run, BatchSize(4), lambda item, _: refused.append(item)) for n in batch
    ]
    assert (found, refused) == ([0, 1, 2, 3, 4, 6, 7, 8], [5])


def test_item_too_big_alone_raises_without_a_taker() -> None:
    with pytest.raises(MemoryError, match="not enough memory for one picture alone"):
        list(in_batches([1], fits(0, []), BatchSize(4)))


def test_other_errors_are_not_taken_for_memory() -> None:
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(ValueError("out of memory"))

    def run(batch: list[int]) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        list(in_batches([1, 2], run, BatchSize(2)))


def test_batch_size_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="the batch size is 0: expected 1 or more"):
        BatchSize(0)


def test_decoding_keeps_the_order_and_puts_errors_in_place() -> None:
    def load(number: int) -> int:
        time.sleep(0.002 * (5 - number % 5))
        if number % 4 == 3:
            raise ValueError(f"bad {number}")
        return 10 * number

    found = list(decode_ahead(range(20), load, ahead=6, workers=3))
    for number, result in enumerate(found):
        if number % 4 == 3:
            assert isinstance(result, ValueError)
            assert str(result) == f"bad {number}"
        else:
            assert result == 10 * number


def test_decoding_stays_only_so_far_ahead() -> None:
    lock, started = threading.Lock(), []

    def load(number: int) -> int:
        with lock:
            started.append(number)
        return number

    reader = decode_ahead(range(1000), load, ahead=5, workers=2)
    assert next(reader) == 0
    time.sleep(0.05)
    assert len(started) <= 6
    reader.close()  # type: ignore[attr-defined]


# Many items


def halves(most: int) -> Callable[[list[int]], list[float]]:
    def run(batch: list[int]) -> list[float]:
        if len(batch) > most or 6 in batch:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [number / 2 for number in batch]

    return run


def load(number: int) -> int:
    if number % 5 == 3:
        raise ValueError(f"{number}: is bad")
    return number


def test_good_items_finish_and_bad_ones_are_named_when_memory_is_scarce() -> None:
    refused: dict[int, str] = {}
    batches = list(run_all(range(20), load, halves(2), 8, refused.__setitem__))
    found = [pair for batch in batches for pair in batch]
    assert found == [(number, number / 2) for number in range(20) if number % 5 != 3 and number != 6]
    assert sorted(refused) == [3, 6, 8, 13, 18]
    assert refused[3] == "3: is bad"
    assert "not enough memory" in refused[6]


def test_first_bad_item_raises_where_nobody_takes_it() -> None:
    with pytest.raises(ValueError, match="3: is bad"):
        list(run_all(range(20), load, halves(100), 8))


def test_programming_errors_are_not_reported_as_refused_items() -> None:
    def broken(number: int) -> int:
        raise KeyError(number)

    with pytest.raises(KeyError):
        list(run_all(range(3), broken, halves(100), 8, lambda index, reason: None))
