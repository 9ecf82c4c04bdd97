"""A cache that holds at most so many bytes, for what requests of a long-running server leave behind."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class BoundedCache(Generic[Value]):
    """Values by key; the least recently used ones are dropped beyond a budget. Threads may share it.

    budget: in bytes. size: of a value with its key, in bytes; a key that holds pixels has to be counted too.
    """

    def __init__(self, budget: int, size: Callable[[Hashable, Value], int]) -> None:
        self.budget, self.held = budget, 0
        self._size = size
        self._kept: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made outside of the lock if it is not there; the last one made always stays."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found[0]
        value = make()
        size = self._size(key, value)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = (value, size)
                self.held += size
            while self.held > self.budget and len(self._kept) > 1:
                self.held -= self._kept.popitem(last=False)[1][1]
        return value
