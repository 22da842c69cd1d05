"""The gate's course over runners whose faults are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from naiad.convert.gate.check import Gate, batches
from naiad.convert.gate.runners import Answers, Sample
from naiad.core.errors import GateFailed, ModelFailed

SAMPLES: list[Sample] = [{"input_ids": np.arange(1, length + 1)} for length in (3, 9, 1, 40, 2, 7, 5, 30, 300, 4, 6)]


class Runner:
    """Answers with the sum of the ids; `leak` of it comes from the others of the batch."""

    def __init__(self, factor: float = 1.0, leak: float = 0.0, longest: int = 1000) -> None:
        self.factor, self.leak, self.longest = factor, leak, longest

    def run(self, samples: Sequence[Sample]) -> list[Answers]:
        totals = [float(sample["input_ids"].sum()) for sample in samples]
        if any(len(sample["input_ids"]) > self.longest for sample in samples):
            raise ModelFailed("too long")
        strange = sum(totals) * self.leak if len(samples) > 1 else 0
        return [{"logits": np.array([self.factor * total + strange, 1.0])} for total in totals]


def findings(runner: Runner) -> list[str]:
    gate = Gate(SAMPLES)
    reference = gate.alone(Runner(), "reference")
    alone = gate.alone(runner, "candidate")
    found = [*gate.against("fp32", alone, reference, "transformers"), *gate.in_company("fp32", runner, alone)]
    return [finding.against for finding in found if finding.objections]


@pytest.mark.parametrize(
    ("runner", "expected"),
    [
        (Runner(), []),
        (Runner(factor=1.001), ["transformers"]),
        (Runner(leak=0.01), ["each input alone"]),
        (Runner(factor=-1), ["transformers"]),
    ],
)
def test_faults_are_found_where_they_are(runner: Runner, expected: list[str]) -> None:
    assert findings(runner) == expected


def test_a_graph_that_cannot_take_an_input_fails_the_gate() -> None:
    with pytest.raises(GateFailed, match="fails where the original does not: too long"):
        findings(Runner(longest=100))


def test_what_cannot_be_padded_is_only_with_its_like() -> None:
    samples: list[Sample] = [{"input_values": np.zeros(length)} for length in (5, 5, 5, 7, 7, 5)]
    assert [[len(sample["input_values"]) for sample in batch] for batch in batches(samples)] == [[5, 5, 5], [7, 7], [5]]


def test_batches_mix_lengths_and_hold_every_sample_once() -> None:
    made = batches(SAMPLES)
    assert [sample for batch in made for sample in batch] == SAMPLES
    assert len({len(sample["input_ids"]) for sample in made[0]}) > 4
    assert all(len(batch) <= 2 for batch in made if any(len(sample["input_ids"]) >= 256 for sample in batch))
