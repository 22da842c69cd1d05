"""One file of SQLite and the one thread that uses it: what comes meanwhile shares the next commit, which is one fsync.

The event loop never waits for the disk. A call is answered when what it wrote is durable.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from naiad.core.errors import InvalidConfiguration, NaiadError, NotReady, Overloaded

Result = TypeVar("Result")
Do = Callable[[sqlite3.Connection], Any]

FILE, LOCK = "jobs.sqlite3", "jobs.lock"
_AT_ONCE = 256
"""Calls that share a commit at most."""
_LITTLE_BYTES = 2**20
"""Where less is free, a disk that fails is full: SQLite calls that an I/O error at times."""
_BUSY_S = 5.0
"""How long another program may hold the file, as a backup does."""


class Ledger:
    """Owned by the event loop's thread; what is done to the file is done in another."""

    def __init__(self, folder: Path, schema: str) -> None:
        """Touch nothing yet."""
        self.path = folder / FILE
        self._schema = schema
        self._work: SimpleQueue[tuple[Do, asyncio.Future[Any]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = -1

    def open(self) -> None:
        """Open the file, made if need be. Raises InvalidConfiguration: it cannot be had, or is none of ours."""
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except BlockingIOError as error:
            self._unlock()
            raise InvalidConfiguration(
                f"--jobs {folder}: another server keeps its jobs there; give this one a folder of its own, or let both "
                "use Redis"
            ) from error
        except OSError as error:
            self._unlock()
            raise InvalidConfiguration(f"--jobs {folder}: jobs cannot be kept there: {error.strerror}") from error
        try:
            connection = self._connect()
        except sqlite3.Error as error:
            self._unlock()
            raise InvalidConfiguration(self._unusable(error)) from error
        self._thread = threading.Thread(target=self._serve, args=[connection], name="jobs", daemon=True)
        self._thread.start()

    async def run(self, do: Callable[[sqlite3.Connection], Result]) -> Result:
        """Call `do` in a transaction; returns what it did when that is durable.

        Raises what `do` raises, Overloaded for a disk that is full, NotReady for a file that cannot be used now.
        """
        if self._thread is None:
            raise NotReady("jobs are not taken now: the server is stopping")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._work.put((do, future))
        return await future

    async def close(self) -> None:
        """End when everything is done that was asked for."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._work.put(None)
            await asyncio.to_thread(thread.join)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = FAST")
            _check(connection)
            connection.executescript(self._schema)
        except BaseException:
            connection.close()
            raise
        return connection

    def _unusable(self, error: sqlite3.Error) -> str:
        if "locked" in str(error):
            return f"--jobs: {self.path} is locked by another program; end that first"
        return (
            f"--jobs: {self.path} cannot be used ({error}). If the file is damaged, move it away; the server then "
            "starts without the jobs in it"
        )

    def _serve(self, connection: sqlite3.Connection) -> None:
        with contextlib.closing(connection):
            goes_on = True
            while goes_on:
                batch = [self._work.get()]
                with contextlib.suppress(Empty):
                    while len(batch) < _AT_ONCE and batch[-1] is not None:
                        batch.append(self._work.get_nowait())
                goes_on = batch[-1] is not None
                self._do(connection, [one for one in batch if one is not None])

    def _do(self, connection: sqlite3.Connection, batch: list[tuple[Do, asyncio.Future[Any]]]) -> None:
        """Do some calls in one transaction, each undone by itself if it fails; tell the callers after the commit."""
        outcomes: list[tuple[Any, BaseException | None]] = []
        try:
            if batch:
                connection.execute("BEGIN IMMEDIATE")
                outcomes = [self._attempt(connection, do) for do, _ in batch]
                connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever happens, who asked is answered
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            outcomes = [(None, self._translated(error))] * len(batch)
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            with contextlib.suppress(RuntimeError):  # the loop is closed
                future.get_loop().call_soon_threadsafe(_settle, future, *outcome)

    def _attempt(self, connection: sqlite3.Connection, do: Do) -> tuple[Any, BaseException | None]:
        connection.execute("SAVEPOINT one")
        try:
            result = do(connection)
        except Exception as error:
            if not connection.in_transaction:  # a full disk, for example, has ended all of it
                raise
            connection.execute("ROLLBACK TO one")
            connection.execute("RELEASE one")
            return None, self._translated(error)
        connection.execute("RELEASE one")
        return result, None

    def _has_no_room(self) -> bool:
        try:
            return shutil.disk_usage(self.path.parent).free < _LITTLE_BYTES
        except OSError:
            return False

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, NaiadError):
            return error.with_traceback(None)
        if not isinstance(error, sqlite3.Error):
            return error
        reason = str(error)
        if "full" in reason or ("I/O" in reason and self._has_no_room()):
            return Overloaded(f"jobs cannot be kept now: the disk of --jobs is full ({reason})")
        if "locked" in reason or "busy" in reason:
            return NotReady("jobs cannot be kept now: the file of --jobs is locked by another program; try again")
        return NotReady(
            f"jobs cannot be kept now: the file of --jobs cannot be used ({reason}); the operator must look"
        )


def _check(connection: sqlite3.Connection) -> None:
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # nobody waits any more
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
