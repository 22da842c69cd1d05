"""Good, broken, leaving, slow, greedy and forbidden clients together: `python tests/soak/soak.py --seconds 30`.

Every good request must be answered right, whatever the others do and while models are loaded again; and when all of
them have gone, the server must have as many open files and threads as before, and hardly more memory. The log must hold
no traceback. What was sent, and what is left, is printed; docs/explanation/reliability.md shows a run of ten minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import time

from bad_company import BAD
from crowd import GOOD, Crowd, WrongAnswer
from served import Served, served

MOST_GROWTH_MIB = 64
MORE_THREADS = 2
"""The model's own starts when a batch is first too slow for the event loop; the two models have one each."""
REST_S = 10.0
"""What the server gets to notice that everybody has gone."""
WARM_UP_S = 5.0
"""What is made once, and kept."""


async def run(crowd: Crowd) -> None:
    try:
        async with asyncio.TaskGroup() as tasks:
            for kind, count in (*GOOD, *BAD):
                for _ in range(count):
                    tasks.create_task(kind(crowd), name=kind.__name__)  # type: ignore[arg-type]  # they are coroutines
    except* WrongAnswer as wrong:
        raise SystemExit(f"answered wrong: {wrong.exceptions[0]}") from None


def check_rest(running: Served, before: tuple[int, int, float]) -> None:
    """When everybody has gone, everything is as it was."""
    end_s = time.monotonic() + REST_S
    while time.monotonic() < end_s and running.files() > before[0]:
        time.sleep(0.1)
    after = running.files(), running.threads(), running.memory_mib()
    print("open files, threads, MiB before:", before, "after:", after)
    if after[0] > before[0] or after[1] > before[1] + MORE_THREADS or after[2] > before[2] + MOST_GROWTH_MIB:
        raise SystemExit("something is left of clients that have gone")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    limits = [f"--http-{part}-timeout-s=2" for part in ("header", "body", "write")]
    with served(*limits, "--model-control-mode=explicit", "--load-model=*") as running:
        asyncio.run(run(Crowd(running, WARM_UP_S, 0)))
        time.sleep(1.0)
        before = running.files(), running.threads(), running.memory_mib()
        crowd = Crowd(running, options.seconds, options.seed)
        asyncio.run(run(crowd))
        running.check_alive()
        check_rest(running, before)
    print(", ".join(f"{count} {kind}" for kind, count in sorted(crowd.counts.items())))


if __name__ == "__main__":
    main()
