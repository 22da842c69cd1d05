"""The order in which steps can run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from naiad.core.model.ensemble import Step


def in_order(steps: Sequence[Step], inputs: Iterable[str]) -> Iterator[int]:
    """Give the numbers of the steps that can run, each behind those that it waits for.

    inputs: tensors that are there from the start. A tensor of several steps is there behind the last of them.
    """
    readers: dict[str, list[int]] = {}
    for number, step in enumerate(steps):
        for name in step.reads:
            readers.setdefault(name, []).append(number)
    makers = Counter(name for step in steps for name in step.outputs.values())
    missing = [len(step.reads) for step in steps]
    new = list(inputs)
    while new:
        for number in readers.get(new.pop(), ()):
            missing[number] -= 1
            if not missing[number]:
                for name in steps[number].outputs.values():
                    makers[name] -= 1
                    if not makers[name]:
                        new.append(name)
                yield number
