"""The parts of the table about the batcher: how long it waits, what the scheduler costs. Pure: data in, text out."""

from __future__ import annotations

from report_words import NAIAD, against, middle, ratio, table

FULL = "Triton, 5 ms of delay"
"""Whose batches are full at eight clients."""
TRITON = "Triton, default"
FULL_AIM, ALONE_AIM, BURST_AIM = 0.9, 0.95, 1.0
"""Against full batches at eight clients; one client against waiting for nobody; the bursts' p99 against Triton's."""
OVERHEAD_AIM, WHOLE_AIM = 0.5, 1.1
"""Of an ensemble of three steps against Triton's; of an ensemble against the sum of its parts."""
LEAST_RATE, MOST_BYTES, BACKLOG_AIM, MANY_AIM = 100_000, 2048, 1.1, 0.95


def delay(data: dict) -> str:
    """A table for the closed loop and one for the bursts."""
    rounds = data["rounds"]
    closed, opened = [one["closed"] for one in rounds], [one["open"] for one in rounds]
    clients = list(closed[0][NAIAD])
    rows = [
        [name, *(f"{middle(closed, name, c, 'per_second'):,.0f}/s ({middle(closed, name, c, 'p50_ms'):.1f} / "
                 f"{middle(closed, name, c, 'p99_ms'):.1f} ms)" for c in clients)]
        for name in closed[0]
    ]  # fmt: skip
    aims = [(name, "8", aim) for name, aim in ((FULL, FULL_AIM), (TRITON, None)) if name in closed[0]]
    for name, at_c, aim in [*aims, ("Naiad, waiting for nobody", "1", ALONE_AIM)]:
        cells = [against(ratio(closed, (NAIAD, c, "per_second"), (name, c, "per_second")), aim if c == at_c else None)
                 for c in clients]  # fmt: skip
        rows.append([f"Naiad / {name}", *cells])
    parts = [
        "## How long to wait: a model that takes 10 ms for a batch of any size",
        "Clients that wait for their answers, batches of up to 8: answers/s (p50 / p99)",
        table(["", *(f"{c} client{'s' * (c != '1')}" for c in clients)], rows),
        "50 requests every 100 ms, batches of up to 64: latencies, and the longest of the last burst",
        table(["", "p50", "p99", "last burst"], [
            [name, *(f"{middle(opened, name, key):,.1f} ms" for key in ("p50_ms", "p99_ms", "last_ms"))]
            for name in opened[0]
        ]),
    ]  # fmt: skip
    if TRITON in opened[0]:
        compared = ratio(opened, (NAIAD, "p99_ms"), (TRITON, "p99_ms"))
        parts.append(f"p99, Naiad / Triton: {against(compared, BURST_AIM, at_most=True)}.")
    return "\n\n".join(parts)


def scheduler(data: dict) -> str:
    """A row for each cost with its bound."""
    alone, rounds = data["alone"], data["rounds"]
    few, many = alone["seconds"]["100"], alone["seconds"]["100000"]
    rate, size = 1 / few, alone["bytes"]
    rows = [
        [
            "no-op requests through queue, batch and answer, on the loop",
            f"{rate:,.0f}/s",
            _bound(rate >= LEAST_RATE, f"≥ {LEAST_RATE:,}/s"),
        ],
        ["the same, run in the instance's thread", f"{1 / alone['threaded_s']:,.0f}/s", ""],
        ["memory of a waiting request", f"{size:,.0f} bytes", _bound(size <= MOST_BYTES, f"≤ {MOST_BYTES:,} bytes")],
        [
            "a request while 100,000 wait, against 100",
            f"{many * 1e6:.2f} / {few * 1e6:.2f} µs",
            against(many / few, BACKLOG_AIM, at_most=True),
        ],
        [
            "one busy model among 200, against alone",
            f"{middle(rounds, 'many', 'per_second'):,.0f}/s / {middle(rounds, 'one', 'per_second'):,.0f}/s",
            against(ratio(rounds, ("many", "per_second"), ("one", "per_second")), MANY_AIM),
        ],
    ]
    return "## The scheduler\n\n" + table(["", "measured", "aim"], rows)


def ensembles(data: dict) -> str:
    """A row for each server, and what the text model in steps costs."""
    rounds, rows = data["rounds"], []
    names = [name for name in rounds[0] if name != "text"]
    for name in names:
        three, alone = (middle(rounds, name, model, "p50_ms") * 1000 for model in ("three", "part"))
        rows.append([name, f"{three:,.0f} µs", f"{alone:,.0f} µs", f"{middle(rounds, name, 'overhead_us'):,.0f} µs"])
    lines = [
        "## Ensembles: three identity steps, one client (p50)",
        table(["", "the ensemble", "the model alone", "overhead"], rows),
    ]
    for name in names if "Triton" in names else ():
        if name != "Triton":
            compared = ratio(rounds, (name, "overhead_us"), ("Triton", "overhead_us"))
            lines.append(f"Overhead, {name} / Triton: {against(compared, OVERHEAD_AIM, at_most=True)}.")
    whole = ratio(rounds, ("text", "ensemble_us"), ("text", "parts_us"))
    lines.append(f"Tokenise, encode, normalise as an ensemble / its parts: {against(whole, WHOLE_AIM, at_most=True)}.")
    return "\n\n".join(lines)


def _bound(is_reached: bool, words: str) -> str:
    return f"{words}: {'reached' if is_reached else '**missed**'}"
