"""The local store: one SQLite file in the model's cache directory, which every replica of the model opens.

It outlives replicas and restarts. Entries past their time are never given out, and are deleted as new ones come."""

from __future__ import annotations

import os
import threading
import time

FILE = "potassium-store.sqlite3"
WAIT = 10.0
"""Seconds a writer waits for another replica's write: those take milliseconds."""

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires REAL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS entries_by_expiry ON entries (expires) WHERE expires IS NOT NULL",
)
_GET = "SELECT value FROM entries WHERE key = ? AND (expires IS NULL OR expires > ?)"
_SET = "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)"
_EXPIRE = "DELETE FROM entries WHERE expires <= ?"


class LocalFile:
    """Opened at the first use, since a Store is often made while a module is imported, where nothing should be written."""

    def __init__(self):
        # A connection belongs to one thread of one process: a handler may start threads, and may fork.
        self._own = threading.local()

    def get(self, key):
        found = self._connection().execute(_GET, (_text(key), time.time())).fetchone()
        return None if found is None else found[0]

    def set(self, key, value, ttl):
        if ttl is not None and ttl <= 0:
            raise ValueError("the ttl of a key is a number of seconds above 0, or None for ever, not %r" % (ttl,))
        now = time.time()
        connection = self._connection()
        connection.execute(_EXPIRE, (now,))
        connection.execute(_SET, (_text(key), _blob(value), None if ttl is None else now + ttl))

    def _connection(self):
        if getattr(self._own, "process", None) != os.getpid():
            self._own.connection = _open()
            self._own.process = os.getpid()
        return self._own.connection


def _open():
    import sqlite3  # not every Python is built with it, and not every app has a store

    connection = sqlite3.connect(_place(), timeout=WAIT, isolation_level=None)
    deadline = time.monotonic() + WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            for statement in _SCHEMA:
                connection.execute(statement)
            return connection
        except sqlite3.OperationalError as error:
            # Replicas start together, and the change to WAL does not wait for another's by itself.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _place():
    folder = os.environ.get("HOSTLER_CACHE_DIR")
    if not folder:
        return ":memory:"  # not a replica: a file that is only being looked at
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, FILE)
    try:
        # Values are unpickled, which runs code, and may be private. SQLite gives the same mode to its files beside this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass  # not opened here again: closing it would drop the locks of this process's other connections
    return path


def _text(key):
    return key.decode("utf-8") if isinstance(key, bytes) else str(key)


def _blob(value):
    return value.encode("utf-8") if isinstance(value, str) else value
