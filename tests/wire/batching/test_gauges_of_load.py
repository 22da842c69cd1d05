"""The gauges that pickers of endpoints read: what waits and what runs, of the whole server."""

from __future__ import annotations

from pathlib import Path

import httpx2
from gated import house

from naiad.testing import RunningServer


def gauges(server: RunningServer) -> tuple[int, int]:
    page = dict(line.rsplit(" ", 1) for line in httpx2.get(server.metrics_url).text.splitlines() if line[0] != "#")
    return int(page["naiad_requests_waiting"]), int(page["naiad_requests_running"])


SEQUENCES = "sequence_batching { }"


def test_what_waits_and_what_runs(tmp_path: Path) -> None:
    """A busy instance has its next batch in hand already: that one counts as running."""
    with house(tmp_path, {"one": "", "other": ""}, most=1) as made:
        asked = [*made.keep_busy("http", "one"), *made.keep_busy("grpc", "other")]
        assert gauges(made.running) == (0, 2)
        asked += [made.ask("grpc", "one", name) for name in "abcd"]
        made.until(lambda: gauges(made.running) == (3, 3))
        made.gate.open()
        assert [one.result(30) for one in asked]
        assert gauges(made.running) == (0, 0)


def test_steps_of_sequences_count_too(tmp_path: Path) -> None:
    with house(tmp_path, {"steps": SEQUENCES}) as made:
        first = made.ask("grpc", "steps", "busy", sequence_id=1, sequence_start=True)
        made.gate.until_began()
        second = made.queue("grpc", "steps", "a", sequence_id=1)
        assert gauges(made.running) == (1, 1)
        made.gate.open()
        assert [one.result(30) for one in (first, *second)]
        assert gauges(made.running) == (0, 0)
