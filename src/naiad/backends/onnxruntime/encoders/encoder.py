"""One instance for every kind of encoder: refuse what cannot run, gather the rest into runs, run, give each its part.

What a kind of graph takes and gives is said by a form: `packed.py`, `padded.py`, `images.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from naiad.backends.onnxruntime.encoders.float_session import FloatSession
from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import EncoderResult
from naiad.core.errors import InvalidRequest, ModelFailed, NaiadError
from naiad.core.tensor import Array

Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)


class Gathered(Protocol):
    """Items that share a run of the graph."""

    @property
    def names(self) -> Sequence[str]:
        """The graph's outputs that are wanted."""
        ...

    @property
    def size(self) -> str:
        """How much runs together, for an error: `128 tokens`."""
        ...

    def feeds(self) -> Mapping[str, Array]:
        """Every input of the graph."""
        ...

    def split(self, arrays: Mapping[str, Array]) -> list[EncoderResult]:
        """One result for each item, of the arrays by `names`."""
        ...


class Form(Protocol[Item_contra]):
    """What a kind of graph takes and gives."""

    def objection(self, item: Item_contra) -> InvalidRequest | None:
        """Why an item cannot run, or None: the runtime would fail the whole run, and with it everybody else's."""
        ...

    def gather(self, items: Sequence[Item_contra]) -> Sequence[Gathered]:
        """Make runs of items, in their order."""
        ...


class Encoder(Generic[Item]):
    """An Instance[Item, EncoderResult] on one session; safe to call from several threads at a time."""

    def __init__(self, session: FloatSession, form: Form[Item], clock: Clock = monotonic) -> None:
        self._session: FloatSession | None = session
        self._form = form
        self._clock = clock

    def execute(self, batch: Batch[Item]) -> Sequence[EncoderResult | NaiadError]:
        """Run all items; see Instance.

        An InvalidRequest stands in for an item that the graph cannot take (too long, unknown output, a row outside …);
        the others run. Raises ModelFailed where the runtime does.
        """
        errors = [self._form.objection(item) for item in batch.items]
        good = [item for item, error in zip(batch.items, errors, strict=True) if error is None]
        groups = self._form.gather(good) if good else ()
        feeds = [group.feeds() for group in groups]
        batch.input_ready_s = self._clock()
        runs = [self._run(group, feed) for group, feed in zip(groups, feeds, strict=True)]
        batch.output_ready_s = self._clock()
        results = iter([result for group, run in zip(groups, runs, strict=True) for result in group.split(run)])
        return [error or next(results) for error in errors]

    def close(self) -> None:
        """Forget the session; its memory goes with its last instance."""
        self._session = None

    def _run(self, group: Gathered, feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        if self._session is None:
            raise ModelFailed("this instance is closed")
        try:
            return self._session.run(group.names, feeds)
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise ModelFailed(f"ONNX Runtime failed on {group.size}: {error}") from error
