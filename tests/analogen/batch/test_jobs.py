"""Promises of the job store: every job is done once, whoever dies, and nothing is half written."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analogen.batch import jobs
from analogen.batch.jobs import JobStore
from analogen.batch.process_identity import has_ended
from analogen.errors import RunError, UserError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        yield store


def add(store: JobStore, *groups: int | None) -> None:
    store.add(("draw", group, {"number": number}) for number, group in enumerate(groups))


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_job_goes_from_the_queue_to_its_end(store: JobStore) -> None:
    add(store, None, None)
    (job,) = store.claim("draw")
    assert (job.state, job.payload, job.attempts) == ("running", {"number": 0}, 1)
    assert store.holds(job.id)
    assert store.finish(job.id, {"path": "a.png"})
    (other,) = store.claim("draw")
    assert store.fail(other.id, "the reference is damaged")
    done, failed = store.ended()
    assert (done.state, done.result, done.error) == ("done", {"path": "a.png"}, None)
    assert (failed.state, failed.result, failed.error) == ("failed", None, "the reference is damaged")
    assert failed.finished is not None
    assert store.claim("draw") == []
    assert store.counts() == {"queued": 0, "running": 0, "done": 1, "failed": 1, "cancelled": 0}


def test_groups_are_claimed_whole_and_in_order(store: JobStore) -> None:
    add(store, 2, 1, 2, 1)
    assert [job.payload["number"] for job in store.claim("draw")] == [1, 3]
    assert [job.payload["number"] for job in store.claim("draw")] == [0, 2]
    assert store.claim("draw") == []


def test_other_kinds_stay_in_the_queue(store: JobStore) -> None:
    store.add([("paint", None, {}), ("draw", None, {})])
    assert [job.kind for job in store.claim("draw")] == ["draw"]
    assert store.claim("draw") == []


def test_what_was_done_comes_along_with_the_rest_of_its_group(store: JobStore) -> None:
    add(store, 1, 1)
    first, second = store.claim("draw")
    store.finish(first.id, {})
    store.release()
    assert [job.state for job in store.claim("draw")] == ["done", "running"]
    assert store.holds(second.id)


def test_only_the_holder_ends_a_job(store: JobStore) -> None:
    add(store, None)
    (job,) = store.claim("draw")
    with JobStore(store.path) as other:
        assert other.claim("draw") == []
        assert other.others_run()
        assert not other.finish(job.id, {})
        assert not other.fail(job.id, "not mine")
    assert store.finish(job.id, {})
    assert not store.finish(job.id, {})


def test_closing_gives_back_what_was_held(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as first:
        add(first, None)
        first.claim("draw")
    with JobStore(tmp_path / "jobs.sqlite") as second:
        assert len(second.claim("draw")) == 1


def test_jobs_that_a_full_disk_kept_from_being_given_back_are_free_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = JobStore(tmp_path / "jobs.sqlite")
    first.add([("asset", None, {})])
    assert first.claim("asset")

    def full() -> None:
        raise RunError("cannot be written (database or disk is full)")

    monkeypatch.setattr(first, "release", full)
    first.close()
    with JobStore(tmp_path / "jobs.sqlite") as second:
        assert not second.others_run()
        assert second.claim("asset")


def test_jobs_of_a_killed_process_are_free_at_once(store: JobStore) -> None:
    add(store, None, None)
    code = """
import os, signal, sys
from analogen.batch.jobs import JobStore
from analogen.batch.process_identity import has_ended
store = JobStore(sys.argv[1])
store.claim("draw")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run_python(code, str(store.path)).returncode == -9
    assert store.counts()["running"] == 1
    assert [job.attempts for job in store.claim("draw")] == [2]


def test_jobs_of_a_silent_holder_are_free_after_the_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where nothing tells whether a process lives, on another machine say, the lease alone decides.
    monkeypatch.setattr(jobs, "_has_ended", lambda worker: False)
    with JobStore(tmp_path / "a", lease_seconds=0.3) as silent, JobStore(tmp_path / "a", lease_seconds=0.3) as other:
        add(silent, None)
        (job,) = silent.claim("draw")
        assert other.claim("draw") == []
        for _ in range(3):
            time.sleep(0.15)
            silent.heartbeat()
            assert other.claim("draw") == []
        time.sleep(0.35)
        assert len(other.claim("draw")) == 1
        assert not silent.holds(job.id)
        assert not silent.finish(job.id, {})
        assert other.finish(job.id, {})


def test_living_process_is_never_taken_for_dead(store: JobStore) -> None:
    assert not has_ended(store.worker)
    for worker in ("", "null", "{}", json.dumps({"system": "another machine", "pid": 1, "started": "0"})):
        assert not has_ended(worker)
    if Path("/proc/self/stat").exists():
        found = json.loads(store.worker)
        assert has_ended(json.dumps({**found, "started": "1"}))
        assert has_ended(json.dumps({**found, "pid": 2**22 + 5}))


def test_processes_and_threads_share_the_work_without_doing_any_twice(store: JobStore) -> None:
    add(store, *(number // 3 for number in range(150)))
    code = """
import sys, threading
from analogen.batch.jobs import JobStore
from analogen.batch.process_identity import has_ended
store = JobStore(sys.argv[1])
def work():
    while claimed := store.claim("draw"):
        for job in claimed:
            assert store.finish(job.id, {"by": sys.argv[2]})
            sys.stdout.write(f"{job.id} ")  # print writes the end of its line apart
threads = [threading.Thread(target=work) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    command = [sys.executable, "-P", "-c", code, str(store.path)]
    running = [subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, text=True) for n in range(2)]
    done = [int(line) for one in running for line in one.communicate(timeout=60)[0].split()]
    assert sorted(done) == list(range(1, 151))
    assert store.counts()["done"] == 150
    places = [job.id for job in store.ended()]
    assert sorted(places) == [job.id for job in store.ended(in_order_of_ending=False)] == list(range(1, 151))


def test_transaction_is_all_or_nothing(store: JobStore) -> None:
    add(store, None)
    (job,) = store.claim("draw")

    def break_off() -> None:
        with store.transaction():
            store.finish(job.id, {})
            store.set_note("file", "7")
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert store.holds(job.id)
    assert store.note("file") is None
    with pytest.raises(TypeError):
        store.add([("draw", None, {}), ("draw", None, {"a": object()})])
    assert store.counts() == {"queued": 0, "running": 1, "done": 0, "failed": 0, "cancelled": 0}


def test_cancelled_job_is_no_longer_held(store: JobStore) -> None:
    add(store, None, None)
    (job,) = store.claim("draw")
    assert store.cancel(job.id)
    assert not store.holds(job.id)
    assert not store.finish(job.id, {})
    assert store.cancel(2)
    assert not store.cancel(2)
    assert store.claim("draw") == []
    assert store.counts()["cancelled"] == 2


def test_failed_jobs_are_tried_again_in_a_group_of_their_own(store: JobStore) -> None:
    add(store, 1, 1, 1)
    for job in store.claim("draw"):
        store.fail(job.id, "no") if job.id != 2 else store.finish(job.id, {})
    store.retry([1, 2, 3], store.next_group())
    again = store.claim("draw")
    assert [(job.id, job.group, job.error, job.attempts) for job in again] == [(1, 2, None, 2), (3, 2, None, 2)]
    assert [job.id for job in store.ended()] == [2]


def test_history_pages_backwards(store: JobStore) -> None:
    add(store, *[None] * 7)
    page = store.history(limit=3)
    assert [job.id for job in page] == [7, 6, 5]
    assert [job.id for job in store.history(limit=9, before=5)] == [4, 3, 2, 1]
    assert store.history("done") == []
    assert store.get(3) == store.history(before=4, limit=1)[0]
    assert store.get(99) is None


def test_many_ended_jobs_come_page_by_page(store: JobStore) -> None:
    add(store, *[1] * 1203)
    for job in reversed(store.claim("draw")):
        store.finish(job.id, {})
    assert [job.id for job in store.ended()] == list(range(1203, 0, -1))


def test_store_of_another_version_is_refused(tmp_path: Path) -> None:
    JobStore(tmp_path / "jobs.sqlite").close()
    with sqlite3.connect(tmp_path / "jobs.sqlite") as base:
        base.execute("PRAGMA user_version = 7")
    with pytest.raises(UserError, match="is a job store of version 7, expected 1"):
        JobStore(tmp_path / "jobs.sqlite")


def test_file_that_is_no_store_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"something of the user's" * 400)
    with pytest.raises(UserError, match="is not a job store"):
        JobStore(path)
    assert path.read_bytes().startswith(b"something")
    with sqlite3.connect(tmp_path / "other.sqlite") as base:
        base.execute("CREATE TABLE mine (a)")
    with pytest.raises(UserError, match="is a job store of version 0"):
        JobStore(tmp_path / "other.sqlite")
    with pytest.raises(RunError, match="cannot be opened"):
        JobStore(tmp_path / "no folder" / "jobs.sqlite")


def test_removed_store_is_noticed_before_anything_is_lost(store: JobStore) -> None:
    add(store, None)
    (job,) = store.claim("draw")
    store.path.unlink()
    with pytest.raises(RunError, match="was removed while it was in use"):
        store.finish(job.id, {})
    assert not store.path.exists()


def test_full_disk_is_one_clear_error_and_the_store_stays_whole(store: JobStore) -> None:
    add(store, None)
    pages = store._base.execute("PRAGMA page_count").fetchone()[0]
    store._base.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(RunError, match=r"cannot be written .*full"):
        store.add(("draw", None, {"text": "a" * 1000}) for _ in range(100))
    store._base.execute("PRAGMA max_page_count = 100000")
    assert store.counts()["queued"] == 1
    assert store._base.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_threads_of_one_process_wait_for_each_other(store: JobStore) -> None:
    add(store, *range(40))
    taken: list[int] = []

    def work() -> None:
        while claimed := store.claim("draw"):
            with store.transaction():
                taken.append(claimed[0].id)
                store.finish(claimed[0].id, {})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 41))


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["claim", "finish", "fail", "release", "cancel", "retry"]), st.integers(0, 7)),
    max_size=30,
)


@settings(max_examples=30, deadline=None)
@given(groups=st.lists(st.integers(1, 3), min_size=1, max_size=8), operations=OPERATIONS)
def test_no_order_of_calls_loses_or_doubles_a_job(
    tmp_path_factory: pytest.TempPathFactory, groups: list[int], operations: list[tuple[str, int]]
) -> None:
    with JobStore(tmp_path_factory.mktemp("store") / "jobs.sqlite") as store:
        add(store, *groups)
        ends: dict[int, int] = {}
        for operation, number in operations:
            job = number % len(groups) + 1
            if operation == "claim":
                store.claim("draw")
            elif operation in ("finish", "fail"):
                held = store.holds(job)
                ended = store.finish(job, {}) if operation == "finish" else store.fail(job, "no")
                assert ended == held
                ends[job] = ends.get(job, 0) + (ended and operation == "finish")
            elif operation == "release":
                store.release()
                assert store.counts()["running"] == 0
            elif operation == "cancel":
                store.cancel(job)
            else:
                store.retry([job], store.next_group())
            assert sum(store.counts().values()) == len(groups)
        assert all(count <= 1 for count in ends.values())
        assert {job.id for job in store.ended() if job.state == "done"} == {j for j, count in ends.items() if count}
