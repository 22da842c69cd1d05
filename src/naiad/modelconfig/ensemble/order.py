"""The order in which steps can run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence


def in_order(steps: Sequence[tuple[Mapping[str, str], Mapping[str, str]]], inputs: Iterable[str]) -> Iterator[int]:
    """Give the numbers of the steps that can run, each behind those that it waits for.

    steps: the input map and the output map of each. inputs: tensors that are there from the start.
    """
    readers: dict[str, list[int]] = {}
    for number, (read, _) in enumerate(steps):
        for name in set(read.values()):
            readers.setdefault(name, []).append(number)
    missing = [len(set(read.values())) for read, _ in steps]
    new = list(inputs)
    while new:
        for number in readers.get(new.pop(), ()):
            missing[number] -= 1
            if not missing[number]:
                new += steps[number][1].values()
                yield number
