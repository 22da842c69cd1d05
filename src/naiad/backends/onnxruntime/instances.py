"""The instances of one loaded encoder: some for many packs at a time, one for a request that is alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from naiad.core.contracts import Instance, Item
from naiad.core.encoder import EncoderResult


@dataclass(frozen=True, slots=True)
class EncoderInstances(Generic[Item]):
    """What a scheduler gives batches to; all share one copy of the weights."""

    narrow: tuple[Instance[Item, EncoderResult], ...]
    """One thread each, to run several batches side by side under load."""
    wide: Instance[Item, EncoderResult]
    """All threads on one batch, for a request that has the machine to itself; the first narrow one on a single core."""

    def close(self) -> None:
        """Close all of them."""
        for instance in (*self.narrow, self.wide):
            instance.close()
