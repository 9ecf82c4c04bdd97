"""Turns of the owners of waiting jobs: who is next, and how long the others wait."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

REMEMBERED = 1000  # owners; whoever had no turn since that many others counts as new
MEASURED = 20  # groups whose mean time is expected of the next ones


@dataclass(frozen=True)
class Waiting:
    """A group of queued jobs. owner: who asked for it; jobs: their number."""

    group: int
    owner: str
    jobs: int


class Turns:
    """Round robin over owners: a group of whoever had no turn for the longest time comes first.

    Within an owner, and among owners without a turn so far, the older group comes first. Not for several threads.
    """

    def __init__(self) -> None:
        self._turn_of: OrderedDict[str, int] = OrderedDict()  # the number of each owner's last turn
        self._turns = 0
        self._begun: dict[int, tuple[float, int]] = {}  # when each running group began, and its number of jobs
        self._seconds_per_job: deque[float] = deque(maxlen=MEASURED)

    def order(self, waiting: Sequence[Waiting]) -> list[Waiting]:
        """The groups in the order in which they will be taken, if no other comes."""
        last = {one.owner: self._turn_of.get(one.owner, -1) for one in waiting}
        queues: dict[str, deque[Waiting]] = {owner: deque() for owner in last}
        for one in sorted(waiting, key=lambda one: one.group):
            queues[one.owner].append(one)
        ordered: list[Waiting] = []
        while queues:
            owner = min(queues, key=lambda owner: (last[owner], queues[owner][0].group))
            ordered.append(queues[owner].popleft())
            last[owner] = self._turns + len(ordered)
            if not queues[owner]:
                del queues[owner]
        return ordered

    def begin(self, taken: Waiting, running: Collection[int]) -> None:
        """Note that a group was taken. running: the groups that run now; others have ended in some way."""
        self._turns += 1
        self._turn_of[taken.owner] = self._turns
        self._turn_of.move_to_end(taken.owner)
        if len(self._turn_of) > REMEMBERED:
            self._turn_of.popitem(last=False)
        self._begun = {group: begun for group, begun in self._begun.items() if group in running}
        self._begun[taken.group] = (time.monotonic(), taken.jobs)

    @property
    def any_timed(self) -> bool:
        """Whether a group is under way whose time will count."""
        return bool(self._begun)

    def end(self, group: int) -> None:
        """Note that the last job of a group has ended."""
        if group in self._begun:
            begun, jobs = self._begun.pop(group)
            self._seconds_per_job.append((time.monotonic() - begun) / jobs)

    def seconds_of(self, before: Sequence[Waiting], running: Collection[int]) -> float | None:
        """How long it takes until these groups have ended, and the running ones; None as long as nothing is known."""
        if not self._seconds_per_job:
            return None
        each, now = sum(self._seconds_per_job) / len(self._seconds_per_job), time.monotonic()
        left = [
            max(0.0, jobs * each - (now - begun)) for group, (begun, jobs) in self._begun.items() if group in running
        ]
        return sum(left) + each * sum(one.jobs for one in before)
