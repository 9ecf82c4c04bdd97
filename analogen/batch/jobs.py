"""The job store: a queue in one SQLite file, so that work survives the process that does it.

A job has a kind, a JSON payload, a state and a JSON result. The jobs of one group are claimed together. A process holds
a lease on the jobs that it claims, which its heartbeats renew; the jobs of a process that died go back to the queue.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analogen.batch.process_identity import has_ended, new_identity
from analogen.batch.turns import Turns, Waiting
from analogen.errors import RunError, UserError

SCHEMA = 1
LEASE_SECONDS = 60.0
STATES = ("queued", "running", "done", "failed", "cancelled")
_TABLES = """
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    batch INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    payload TEXT NOT NULL,
    result TEXT,
    error TEXT,
    worker TEXT,
    lease REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    finished REAL,
    place INTEGER
);
CREATE INDEX jobs_by_state ON jobs (state, batch);
CREATE INDEX jobs_by_batch ON jobs (batch);
CREATE INDEX jobs_by_place ON jobs (place) WHERE place IS NOT NULL;
"""
_COLUMNS = "id, kind, batch, state, payload, result, error, attempts, created, finished"


@dataclass(frozen=True)
class Job:
    """One job.

    group              Number of the jobs that are claimed together.
    state              One of STATES.
    error              Why it failed.
    attempts           How often it was claimed.
    created, finished  Seconds since 1970.
    """

    id: int
    kind: str
    group: int
    state: str
    payload: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    attempts: int
    created: float
    finished: float | None


class JobStore:
    """A job store, opened by one process. Its threads may share it; other processes open the file themselves.

    Raises UserError for a file that is not a job store, RunError for failures of the file later.
    """

    def __init__(self, path: str | Path, lease_seconds: float = LEASE_SECONDS) -> None:
        self.path = Path(path)
        self.lease_seconds = lease_seconds
        self.worker = new_identity()
        self._lock = threading.RLock()
        self._depth = 0
        self._turns = Turns()
        try:
            self._base = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            version = self._prepare()
        except sqlite3.DatabaseError as error:
            raise _opening_error(self.path, error) from error
        if version != SCHEMA:
            self._base.close()
            raise UserError(
                f"{self.path}: is a job store of version {version}, expected {SCHEMA}: use another analogen"
            )
        self._file_key = _file_key(self.path)

    def _prepare(self) -> int:
        """Create the tables in a new file. Returns the version of the schema."""
        self._base.execute("PRAGMA journal_mode = WAL")
        # A power cut may lose the last commit, never a part of one; pictures are on disk before their job is finished.
        self._base.execute("PRAGMA synchronous = NORMAL")
        self._base.execute("BEGIN IMMEDIATE")
        try:
            version = int(self._base.execute("PRAGMA user_version").fetchone()[0])
            empty = self._base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            if version == 0 and empty:
                for statement in _TABLES.split(";"):
                    self._base.execute(statement)
                self._base.execute(f"PRAGMA user_version = {SCHEMA}")
                version = SCHEMA
        finally:
            self._base.execute("COMMIT")
        return version

    def close(self) -> None:
        """Release the jobs of this process and close the file."""
        with self._lock:
            with suppress(RunError):
                self.release()
            _closed.add(self.worker)
            self._base.close()

    def __enter__(self) -> JobStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all or nothing, with other writers locked out. Transactions may be nested."""
        with self._lock:
            try:
                if self._depth == 0:
                    # SQLite would continue to write to a removed file, and the results would be lost.
                    if _file_key(self.path) != self._file_key:
                        raise RunError(f"{self.path}: was removed while it was in use: start again in a fresh folder")
                    self._base.execute("BEGIN IMMEDIATE")
                self._depth += 1
                try:
                    yield self._base
                finally:
                    self._depth -= 1
                if self._depth == 0:
                    self._base.execute("COMMIT")
            except BaseException as error:
                if self._depth == 0 and self._base.in_transaction:
                    with suppress(sqlite3.Error):
                        self._base.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    reason = f"cannot be written ({error}): free some space, or check its disk"
                    raise RunError(f"{self.path}: {reason}") from error
                raise

    def add(self, jobs: Iterable[tuple[str, int | None, dict[str, Any]]]) -> int:
        """Queue jobs of (kind, group, payload), all or none; None gives a job its own group. Returns their number."""
        added, now = 0, time.time()
        with self.transaction() as base:
            for kind, group, payload in jobs:
                row = (kind, -1 if group is None else group, json.dumps(payload, separators=(",", ":")), now)
                found = base.execute(
                    "INSERT INTO jobs (kind, batch, state, payload, created) VALUES (?, ?, 'queued', ?, ?)", row
                )
                if group is None:
                    base.execute("UPDATE jobs SET batch = ? WHERE id = ?", (found.lastrowid, found.lastrowid))
                added += 1
        return added

    def claim(self, kind: str) -> list[Job]:
        """Claim the next group with queued jobs that no process holds; the claimed jobs become `running`.

        Next is the oldest; where payloads name an `owner`, the owners take turns. Returns all jobs of the group, also
        those that were finished before; an empty list if nothing is queued.
        """
        with self.transaction() as base:
            self._requeue_lost()
            first = base.execute(
                f"SELECT q.batch, q.payload FROM jobs q WHERE {_FREE} ORDER BY batch, id LIMIT 1", (kind,)
            )
            row = first.fetchone()
            if row is None:
                return []
            group = row[0]
            if "owner" in json.loads(row[1]):
                taken = self._turns.order(self._waiting(kind))[0]
                group = taken.group
                self._turns.begin(taken, self._running(kind))
            base.execute(
                "UPDATE jobs SET state = 'running', worker = ?, lease = ?, attempts = attempts + 1 "
                "WHERE batch = ? AND state = 'queued'",
                (self.worker, time.time() + self.lease_seconds, group),
            )
            return self._select("WHERE batch = ? ORDER BY id", (group,))

    def _waiting(self, kind: str) -> list[Waiting]:
        """The groups of a kind that can be claimed."""
        found = self._query(
            "SELECT g.batch, p.payload, g.jobs FROM "
            f"(SELECT q.batch, min(q.id) AS first, count(*) AS jobs FROM jobs q WHERE {_FREE} GROUP BY q.batch) g "
            "JOIN jobs p ON p.id = g.first",
            (kind,),
        )
        return [Waiting(group, str(json.loads(payload).get("owner", "")), jobs) for group, payload, jobs in found]

    def _running(self, kind: str) -> set[int]:
        """The groups of a kind that have running jobs."""
        return {
            row[0]
            for row in self._query("SELECT DISTINCT batch FROM jobs WHERE state = 'running' AND kind = ?", (kind,))
        }

    def heartbeat(self) -> None:
        """Renew the lease of all jobs of this process. Call it several times per `lease_seconds`."""
        with self.transaction() as base:
            lease = time.time() + self.lease_seconds
            base.execute("UPDATE jobs SET lease = ? WHERE state = 'running' AND worker = ?", (lease, self.worker))

    def finish(self, job: int, result: dict[str, Any]) -> bool:
        """Mark a job as done. Returns False if this process no longer holds it; its new holder will finish it."""
        return self._end(job, "done", json.dumps(result, separators=(",", ":")), None)

    def replace_result(self, job: int, result: dict[str, Any]) -> bool:
        """Replace the result of a job that is done. Returns False if it is not done."""
        text = json.dumps(result, separators=(",", ":"))
        with self.transaction() as base:
            return bool(
                base.execute("UPDATE jobs SET result = ? WHERE id = ? AND state = 'done'", (text, job)).rowcount
            )

    def fail(self, job: int, error: str) -> bool:
        """Mark a job as failed, with the reason. Returns False as `finish` does."""
        return self._end(job, "failed", None, error)

    def _end(self, job: int, state: str, result: str | None, error: str | None) -> bool:
        with self.transaction() as base:
            ended = base.execute(
                "UPDATE jobs SET state = ?, result = ?, error = ?, finished = ?, worker = NULL, lease = NULL, "
                "place = (SELECT coalesce(max(place), 0) + 1 FROM jobs WHERE place IS NOT NULL) "
                "WHERE id = ? AND state = 'running' AND worker = ?",
                (state, result, error, time.time(), job, self.worker),
            ).rowcount
            if ended and self._turns.any_timed:
                (group,) = base.execute("SELECT batch FROM jobs WHERE id = ?", (job,)).fetchone()
                more = "SELECT 1 FROM jobs WHERE batch = ? AND state IN ('queued', 'running') LIMIT 1"
                if base.execute(more, (group,)).fetchone() is None:
                    self._turns.end(group)
            return bool(ended)

    def release(self) -> None:
        """Put the jobs that this process holds back into the queue."""
        with self.transaction() as base:
            base.execute(_REQUEUE + "worker = ?", (self.worker,))

    def cancel(self, job: int) -> bool:
        """Cancel a queued or running job; its holder notices by `holds`. Returns False if the job has ended."""
        with self.transaction() as base:
            return bool(
                base.execute(
                    "UPDATE jobs SET state = 'cancelled', worker = NULL, lease = NULL, finished = ? "
                    "WHERE id = ? AND state IN ('queued', 'running')",
                    (time.time(), job),
                ).rowcount
            )

    def retry(self, jobs: Iterable[int], group: int) -> None:
        """Queue failed jobs again, as a group of their own."""
        with self.transaction() as base:
            base.executemany(
                "UPDATE jobs SET state = 'queued', error = NULL, finished = NULL, place = NULL, batch = ? "
                "WHERE id = ? AND state = 'failed'",
                [(group, job) for job in jobs],
            )

    def counts(self) -> dict[str, int]:
        """The number of jobs in each state."""
        found = dict(self._query("SELECT state, count(*) FROM jobs GROUP BY state"))
        return {state: int(found.get(state, 0)) for state in STATES}

    def get(self, job: int) -> Job | None:
        """The job with this id, None if there is none."""
        return next(iter(self._select("WHERE id = ?", (job,))), None)

    def holds(self, job: int) -> bool:
        """Whether this process still holds the job. It does not if the job was cancelled, or its lease ran out."""
        return bool(
            self._query("SELECT 1 FROM jobs WHERE id = ? AND state = 'running' AND worker = ?", (job, self.worker))
        )

    def of_group(self, group: int) -> list[Job]:
        """The jobs of a group, in the order in which they were added."""
        return self._select("WHERE batch = ? ORDER BY id", (group,))

    def groups_ahead(self, group: int, kind: str) -> int:
        """The number of groups of a kind that are running, or are claimed before this one."""
        running, before = self._ahead(group, kind)
        return len(running) + len(before)

    def seconds_ahead(self, group: int, kind: str) -> float | None:
        """How long it takes until this group is claimed, by the last ones; None as long as this is not known.

        Only groups whose payloads name an owner are timed, and only those of this process.
        """
        running, before = self._ahead(group, kind)
        return self._turns.seconds_of(before, running)

    def _ahead(self, group: int, kind: str) -> tuple[set[int], list[Waiting]]:
        """The other groups that run, and those that are claimed before this one, in order."""
        with self._lock:
            running, order = self._running(kind) - {group}, self._turns.order(self._waiting(kind))
        places = [place for place, one in enumerate(order) if one.group == group]
        return running, order[: places[0]] if places else []

    def unfinished(self, kind: str | None = None) -> list[Job]:
        """All queued and running jobs, oldest first."""
        only = " AND kind = ?" if kind else ""
        return self._select(f"WHERE state IN ('queued', 'running'){only} ORDER BY id", (kind,) if kind else ())

    def history(
        self,
        state: str | None = None,
        limit: int = 100,
        before: int = 2**62,
        kind: str | None = None,
        text: str | None = None,
    ) -> list[Job]:
        """Jobs, newest first. before: only jobs with a smaller id, for the next page.

        text: words that must all occur in payload or result, in upper or lower case.
        """
        where = ["id < ?"]
        values: list[Any] = [before]
        for column, value in (("state", state), ("kind", kind)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        for word in (text or "").split():
            where.append("(payload || ' ' || coalesce(result, '')) LIKE ? ESCAPE '!'")
            # The columns hold JSON, which escapes letters outside of ASCII.
            escaped = json.dumps(word)[1:-1]
            values.append("%" + "".join("!" + letter if letter in "!%_" else letter for letter in escaped) + "%")
        return self._select(f"WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?", (*values, limit))

    def ended(self, in_order_of_ending: bool = True) -> Iterator[Job]:
        """All done and failed jobs, in the order in which they ended or in which they were added."""
        order, page = ("place" if in_order_of_ending else "id"), 500
        last = 0
        while jobs := self._query(
            f"SELECT {_COLUMNS}, {order} FROM jobs WHERE {order} > ? AND state IN ('done', 'failed') "
            f"ORDER BY {order} LIMIT {page}",
            (last,),
        ):
            last = jobs[-1][-1]
            yield from (_job(row[:-1]) for row in jobs)

    def others_run(self) -> bool:
        """Whether another running process holds jobs."""
        with self.transaction() as base:
            self._requeue_lost()
            return bool(
                base.execute(
                    "SELECT 1 FROM jobs WHERE state = 'running' AND worker <> ? LIMIT 1", (self.worker,)
                ).fetchone()
            )

    def next_group(self) -> int:
        """A group number that is not used yet."""
        return int(self._query("SELECT coalesce(max(batch), 0) + 1 FROM jobs")[0][0])

    def note(self, name: str) -> str | None:
        """A text that `set_note` has stored under a name, such as the hash of the manifest; None if there is none."""
        rows = self._query("SELECT value FROM notes WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def set_note(self, name: str, value: str) -> None:
        """Store a text under a name."""
        with self.transaction() as base:
            base.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def _requeue_lost(self) -> None:
        """Put jobs back into the queue whose lease has run out, or whose holder is known to have ended."""
        workers = [row[0] for row in self._base.execute("SELECT DISTINCT worker FROM jobs WHERE state = 'running'")]
        for worker in workers:
            if worker != self.worker and _has_ended(worker):
                self._base.execute(_REQUEUE + "worker = ?", (worker,))
        if workers:
            self._base.execute(_REQUEUE + "lease < ? AND worker <> ?", (time.time(), self.worker))

    def _select(self, where: str, values: tuple[Any, ...] = ()) -> list[Job]:
        return [_job(row) for row in self._query(f"SELECT {_COLUMNS} FROM jobs {where}", values)]

    def _query(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._base.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise RunError(f"{self.path}: cannot be read ({error}): check the disk") from error


# Identities of stores that this process has closed: on a full disk they could not release their jobs.
_closed: set[str] = set()


def _has_ended(worker: str) -> bool:
    return worker in _closed or has_ended(worker)


# Queued jobs q of one kind, of groups that nobody works on.
_FREE = (
    "q.state = 'queued' AND q.kind = ? AND NOT EXISTS "
    "(SELECT 1 FROM jobs r WHERE r.batch = q.batch AND r.state = 'running')"
)
_REQUEUE = "UPDATE jobs SET state = 'queued', worker = NULL, lease = NULL WHERE state = 'running' AND "


def _job(row: tuple[Any, ...]) -> Job:
    number, kind, group, state, payload, result, error, attempts, created, finished = row
    parsed = None if result is None else json.loads(result)
    return Job(number, kind, group, state, json.loads(payload), parsed, error, attempts, created, finished)


def _file_key(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file, None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def _opening_error(path: Path, error: sqlite3.DatabaseError) -> Exception:
    if isinstance(error, sqlite3.OperationalError):
        return RunError(f"{path}: cannot be opened ({error}): check the disk and its permissions")
    return UserError(f"{path}: is not a job store ({error}): move it away, or name another folder")
