"""Promises of turns: owners take them one after the other, and whoever waits is told place and time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analogen.batch import turns
from analogen.batch.jobs import JobStore
from analogen.batch.turns import REMEMBERED, Turns, Waiting


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(turns, "time", clock)
    return clock


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[JobStore]:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        yield store


def ask(store: JobStore, owner: str | None, jobs: int = 1) -> int:
    """Queue a group of jobs of somebody; returns its number."""
    group = store.next_group()
    payload: dict[str, Any] = {} if owner is None else {"owner": owner}
    store.add(("create", group, payload) for _ in range(jobs))
    return group


def work(store: JobStore) -> int:
    """Claim a group and finish it; returns its number."""
    jobs = store.claim("create")
    for job in jobs:
        store.finish(job.id, {})
    return jobs[0].group


def test_owners_take_turns_whoever_asked_first(store: JobStore) -> None:
    ann = [ask(store, "ann") for _ in range(4)]
    bob, eve = ask(store, "bob"), ask(store, "eve")
    assert [work(store) for _ in range(6)] == [ann[0], bob, eve, *ann[1:]]


def test_nobody_starves_beside_one_who_asks_again_at_once(store: JobStore) -> None:
    ann = [ask(store, "ann") for _ in range(3)]
    order = []
    for _ in range(3):
        bob = ask(store, "bob")
        order += ["ann" if work(store) in ann else "bob" for _ in range(2)]
        assert store.counts()["queued"] == 0 or bob
    assert order.count("ann") == 3
    assert order[:4] == ["ann", "bob", "ann", "bob"]


def test_jobs_without_owners_are_taken_in_order(store: JobStore) -> None:
    groups = [ask(store, None) for _ in range(3)]
    assert [store.groups_ahead(group, "create") for group in groups] == [0, 1, 2]
    assert [work(store) for _ in groups] == groups


def test_place_and_time_are_those_of_the_turns(store: JobStore, clock: Clock) -> None:
    first = ask(store, "ann", jobs=2)
    assert store.seconds_ahead(first, "create") is None  # nothing is known yet
    jobs = store.claim("create")
    clock.now += 8
    for job in jobs:
        store.finish(job.id, {})
    # Ann had her turn: her next run waits for all others.
    ann, bob, eve = ask(store, "ann"), ask(store, "bob", jobs=3), ask(store, "eve")
    assert [store.groups_ahead(group, "create") for group in (bob, eve, ann)] == [0, 1, 2]
    assert [store.seconds_ahead(group, "create") for group in (bob, eve, ann)] == [0.0, 12.0, 16.0]
    store.claim("create")
    clock.now += 5
    assert [store.groups_ahead(group, "create") for group in (eve, ann)] == [1, 2]
    assert [store.seconds_ahead(group, "create") for group in (eve, ann)] == [7.0, 11.0]
    clock.now += 60  # it takes longer than expected
    assert store.seconds_ahead(eve, "create") == 0.0


def test_a_cancelled_run_does_not_count_as_a_time(store: JobStore, clock: Clock) -> None:
    ask(store, "ann")
    (job,) = store.claim("create")
    store.cancel(job.id)
    clock.now += 500
    waiting = ask(store, "ann")
    work(store)
    assert store.seconds_ahead(waiting, "create") == 0.0


def test_owners_are_forgotten_not_collected() -> None:
    order = Turns()
    for number in range(2 * REMEMBERED):
        order.begin(Waiting(number, f"owner {number}", 1), [])
    assert len(order._turn_of) == REMEMBERED
    assert len(order._begun) == 1
