"""What was a Celery task with a broker, a result backend and a worker: a function, left to a server that keeps jobs.

.venv/bin/python examples/migrate/celery_task.py
"""
# ruff: noqa: INP001, T201 - a script; it prints

import tempfile
import time

import naiad
from naiad.functions import sample


@sample  # was: @app.task
def add(x: int, y: int) -> int:
    """Add two numbers, slowly."""
    time.sleep(0.2)
    return x + y


def main() -> None:
    """Leave three tasks with the server, fetch what came of two of them, and revoke the third."""
    with tempfile.TemporaryDirectory() as folder, naiad.Server(http_port=0, jobs=folder) as server:
        server.bind("add", add)
        with naiad.Client(server.http_address) as client:
            jobs = [client.submit("add", {"x": x, "y": 4}) for x in (2, 3, 5)]  # add.delay(x, 4)
            print(jobs[2].cancel().state)  # result.revoke()
            print([job.result(timeout_s=10).value for job in jobs[:2]])  # result.get(timeout=10)
            print(client.job("add", jobs[0].id).status().state)  # AsyncResult(id).state


if __name__ == "__main__":
    main()
