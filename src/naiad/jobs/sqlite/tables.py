"""The tables of the file, and rows as jobs. Bodies and results lie in tables of their own, so that looking up is quick.

`totals` has one row, which triggers keep: counting on every new job would take longer the more there are.
"""

from __future__ import annotations

import json
import sqlite3

from naiad.jobs.job import Job, JobRequest, JobState

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    state TEXT NOT NULL,
    created_s REAL NOT NULL,
    started_s REAL NOT NULL DEFAULT 0,
    finished_s REAL NOT NULL DEFAULT 0,
    due_s REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    responses INTEGER NOT NULL DEFAULT 0,
    status INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    code TEXT NOT NULL DEFAULT '',
    size INTEGER NOT NULL,
    key TEXT UNIQUE,
    fingerprint TEXT NOT NULL,
    callback TEXT NOT NULL,
    callback_left INTEGER NOT NULL DEFAULT 0,
    callback_due_s REAL
);
CREATE INDEX IF NOT EXISTS waiting ON jobs (model, number) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS by_state ON jobs (state, model, created_s);
CREATE INDEX IF NOT EXISTS by_end ON jobs (finished_s) WHERE finished_s > 0;
CREATE INDEX IF NOT EXISTS by_callback ON jobs (callback_due_s) WHERE callback_due_s IS NOT NULL;
CREATE TABLE IF NOT EXISTS requests (id TEXT PRIMARY KEY, form TEXT, headers TEXT, body BLOB);
CREATE TABLE IF NOT EXISTS results (id TEXT PRIMARY KEY, content_type TEXT, header_length TEXT, body BLOB);
CREATE TABLE IF NOT EXISTS totals (count INTEGER, size INTEGER);
INSERT INTO totals SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM totals);
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON jobs BEGIN
    UPDATE totals SET count = count + 1, size = size + NEW.size;
END;
CREATE TRIGGER IF NOT EXISTS changed AFTER UPDATE OF size ON jobs BEGIN
    UPDATE totals SET size = size + NEW.size - OLD.size;
END;
CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON jobs BEGIN
    UPDATE totals SET count = count - 1, size = size - OLD.size;
    DELETE FROM requests WHERE id = OLD.id;
    DELETE FROM results WHERE id = OLD.id;
END;
"""

_COLUMNS = (
    *("id", "model", "version", "created_s", "started_s", "finished_s", "attempts", "responses", "status", "error"),
    *("code", "callback"),
)


def job_of(row: sqlite3.Row) -> Job:
    """Make a job of a row."""
    return Job(state=JobState(row["state"]), **{name: row[name] for name in _COLUMNS})


def write_request(connection: sqlite3.Connection, job_id: str, request: JobRequest) -> None:
    """Keep what is needed to run a job."""
    headers = json.dumps(dict(request.headers))
    connection.execute("INSERT INTO requests VALUES (?, ?, ?, ?)", (job_id, request.form, headers, request.body))


def read_request(connection: sqlite3.Connection, job_id: str, model: str, version: str) -> JobRequest:
    """Return what is needed to run a job."""
    (row,) = connection.execute("SELECT form, headers, body FROM requests WHERE id = ?", (job_id,))
    return JobRequest(model, version, row["form"], row["body"], json.loads(row["headers"]))
