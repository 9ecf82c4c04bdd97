"""Batches rows for large models: decodes ahead in threads, and makes batches smaller when memory runs out."""

from __future__ import annotations

import gc
import itertools
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")
Loaded = TypeVar("Loaded")
Output = TypeVar("Output")

GROW_AFTER = 8  # successful batches before a halved size is doubled again


class BatchSize:
    """An adaptive batch size: halved by `shrink`, doubled up to `limit` after GROW_AFTER successful batches."""

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"the batch size is {limit}: expected 1 or more")
        self.limit = self.now = limit
        self._successes = 0

    def shrink(self, tried: int) -> None:
        self.now, self._successes = max(1, tried // 2), 0

    def record_success(self) -> None:
        self._successes += 1
        if self._successes >= GROW_AFTER and self.now < self.limit:
            self.now, self._successes = min(self.limit, 2 * self.now), 0


def in_batches(
    items: Iterable[Item],
    run: Callable[[list[Item]], Result],
    size: BatchSize,
    on_oversized: Callable[[Item, BaseException], None] | None = None,
) -> Iterator[tuple[list[Item], Result]]:
    """Runs `run` on batches of the items, in order; a batch that runs out of memory is split into halves.

    An item that does not fit in memory alone goes to `on_oversized`, or raises MemoryError if there is none.
    """
    source, waiting = iter(items), deque[Item]()
    while True:
        waiting.extend(itertools.islice(source, max(0, size.now - len(waiting))))
        if not waiting:
            return
        taken = [waiting.popleft() for _ in range(min(size.now, len(waiting)))]
        failure: str | None = None
        try:
            result = run(taken)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            failure = " ".join(str(error).split())[:160]
        if failure is None:
            yield taken, result
            size.record_success()
            continue
        # Memory can be freed only here, where the error, which refers to the frames of the failed run, is gone.
        _free_memory()
        if len(taken) > 1:
            size.shrink(len(taken))
            waiting.extendleft(reversed(taken))
        elif on_oversized is None:
            raise MemoryError(f"not enough memory for one picture alone: choose a smaller size ({failure})")
        else:
            on_oversized(taken[0], MemoryError("not enough memory for it, even alone: shrink it"))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that memory of the device or the machine ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def decode_ahead(
    items: Iterable[Item], load: Callable[[Item], Result], ahead: int, workers: int | None = None
) -> Generator[Result | Exception, None, None]:
    """Yields `load(item)` of every item in order; threads load up to `ahead` items in advance.

    If `load` raises an error, the error is yielded instead, so that one bad picture among thousands stops nothing.
    """
    source = iter(items)
    with ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1), thread_name_prefix="decode") as pool:
        waiting: deque[Future[Result]] = deque(
            pool.submit(load, item) for item in itertools.islice(source, max(1, ahead))
        )
        try:
            while waiting:
                future = waiting.popleft()
                error = future.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                waiting.extend(pool.submit(load, item) for item in itertools.islice(source, 1))
                yield future.result() if error is None else error
        finally:
            for future in waiting:
                future.cancel()


def run_all(
    items: Sequence[Item],
    load: Callable[[Item], Loaded],
    run: Callable[[list[Loaded]], Sequence[Output]],
    batch_size: int,
    on_refused: Callable[[int, str], None] | None = None,
    progress: bool = False,
    workers: int | None = None,
) -> Iterator[list[tuple[int, Output]]]:
    """Loads items ahead in threads and runs a model on batches. Yields lists of (index, result), in order.

    A batch is halved when memory runs out. An item that cannot be loaded, or does not fit in memory even alone, goes to
    `on_refused` with the reason in one line; without `on_refused` its error is raised.
    """
    # tqdm prints nothing if stderr is not a terminal.
    with tqdm(total=len(items), unit="img", disable=None if progress else True) as bar:

        def refuse(index: int, error: BaseException) -> None:
            if on_refused is None or not isinstance(error, ValueError | FileNotFoundError | MemoryError):
                raise error
            bar.update()
            on_refused(index, " ".join(str(error).split()) or type(error).__name__)

        def readable() -> Iterator[tuple[int, Loaded]]:
            loaded = decode_ahead(items, load, ahead=2 * batch_size + 8, workers=workers)
            for index, found in enumerate(loaded):
                if isinstance(found, Exception):
                    refuse(index, found)
                else:
                    yield index, found

        def run_pairs(pairs: list[tuple[int, Loaded]]) -> Sequence[Output]:
            return run([loaded for _, loaded in pairs])

        def too_big(pair: tuple[int, Loaded], error: BaseException) -> None:
            refuse(pair[0], error)

        for pairs, found in in_batches(readable(), run_pairs, BatchSize(batch_size), too_big):
            bar.update(len(pairs))
            yield [(index, one) for (index, _), one in zip(pairs, found, strict=True)]
