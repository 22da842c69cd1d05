"""Steps of sequences that the scheduler alone gets done in a second of one core; no model, no door.

    .venv/bin/python bench/sequence_steps.py
    .venv/bin/python bench/sequence_steps.py --sequences 10000 --seconds 5

Every sequence has one step under way all the time: as soon as it is answered the next is submitted. The instance gives
back what it is given, on the event loop. `controls` are the four of Triton's example models, `state` is an implicit
one.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from naiad.core.contracts import Batch, Instances
from naiad.core.message import InferRequest, InferResponse, SequenceStep
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.model.sequences import OldestFirst, SequenceBatching, SequenceControl, SequenceState
from naiad.core.tensor import Tensor
from naiad.scheduling.contract import Job
from naiad.scheduling.kinds import open_scheduler

CONTROLS = (
    *(SequenceControl(kind, kind, "INT32") for kind in ("START", "END", "READY")),
    SequenceControl("CORRID", "CORRID", "UINT64"),
)
STATE = SequenceState("STATE_IN", "STATE_OUT", "INT32", (1,))
X = TensorConfig("INPUT", "INT32", (1,))
ROWS = 64


class Echo:
    """Gives inputs back, the state too."""

    def __init__(self, has_state: bool) -> None:
        self._has_state = has_state

    def execute(self, batch: Batch[Any]) -> Sequence[Any]:
        """Answer every item."""
        return [InferResponse("m", "1", self._outputs(item)) for item in batch.items]

    def close(self) -> None:
        """Nothing to release."""

    def _outputs(self, request: InferRequest) -> list[Tensor]:
        outputs = [request.inputs["INPUT"]]
        if self._has_state:
            outputs.append(Tensor("STATE_OUT", "INT32", request.inputs["STATE_IN"].data))
        return outputs


def config(strategy: str, sequences: int, *, controls: bool, state: bool) -> ModelConfig:
    """The model of one row of the table."""
    oldest = OldestFirst(max_candidates=sequences) if strategy == "oldest" else None
    batching = SequenceBatching(CONTROLS if controls else (), (STATE,) if state else (), 60.0, oldest)
    rows = ROWS if strategy == "oldest" else sequences
    return ModelConfig("m", max_batch_size=rows, inputs=(X,), outputs=(X,), sequence_batching=batching)


async def measure(model: ModelConfig, sequences: int, seconds: float) -> float:
    """Steps in a second of processor time: what else the machine does is no business of the scheduler's."""
    state = bool(model.sequence_batching and model.sequence_batching.states)
    scheduler = open_scheduler(model, Instances((Echo(state),), may_inline=True))
    inputs = {"INPUT": Tensor("INPUT", "INT32", np.ones((1, 1), np.int32))}
    count, over = 0, asyncio.get_running_loop().create_future()
    end_s = time.perf_counter() + seconds

    def submit(name: int, is_first: bool) -> None:
        request = InferRequest("m", inputs=inputs, sequence=SequenceStep(name, is_first))
        scheduler.submit(Job(request, 1, done))

    def done(job: Job, *_: object) -> None:
        nonlocal count
        count += 1
        if time.perf_counter() < end_s:
            submit(job.item.sequence.id, False)
        elif not over.done():
            over.set_result(None)

    began_s = time.process_time()
    for name in range(1, sequences + 1):
        submit(name, True)
    await over
    took_s = time.process_time() - began_s
    await scheduler.quiet()
    scheduler.close()
    return count / took_s


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=1000, help="live at the same time")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each row")
    options = parser.parse_args()
    print(f"{options.sequences} live sequences, steps per processor second")
    for strategy in ("oldest", "direct"):
        for what in ((), ("controls",), ("controls", "state")):
            model = config(strategy, options.sequences, controls="controls" in what, state="state" in what)
            rate = asyncio.run(measure(model, options.sequences, options.seconds))
            print(f"| {strategy} | {' and '.join(what) or 'nothing added'} | {rate:,.0f} |")


if __name__ == "__main__":
    main()
