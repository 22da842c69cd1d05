"""Measure at load what a model's runs cost: texts alone and together, on one instance and on all, and on the wide one.

It runs on `Instances`, so it knows no runtime. Sizes grow, rounds are repeated while there is time, and each size keeps
its least time, because noise only adds. A model that is too slow for all of it is measured as far as the time goes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Batch, Instance, Instances, Samples
from naiad.core.errors import NaiadError
from naiad.core.machine.daemon_threads import DaemonThreads
from naiad.scheduling.learned.curve import Curve, Times

BUDGET_S = 0.9
"""For the rounds; a model is ready a second later once, and never again on this machine."""

SLOW_BUDGET_S = 3.0
"""For the first packs of a model whose budget ends before them: a curve of two texts only would choose packs of two."""

LONE_BUDGET_S = 1.0
"""Besides, where rounds ended early: for slow models, whose lone texts would go by a single, perhaps unlucky, run."""

ROUNDS = 4
"""Rounds of cheap models; more would hardly lower the least time."""

TEXT = 32
"""Tokens of the texts that are measured together; a usual text has about as many."""

ALONE = (TEXT, 8, 128)
TOGETHER = (2, 3, 4, 6, 8, 12, 16)
"""Texts of TEXT tokens in one run."""

FEW = (2, 4, 8)
"""The same, for slow models."""

TOO_MUCH = 1.15
"""Sizes that cost so many times the best for each token are the last to be measured: larger ones are worse."""

UNDISTURBED = 0.8
"""Share of a run's time that its thread must have computed; else other work had the processor, too."""

_turn = threading.Lock()
"""Models load side by side; two that are measured at once would measure each other."""

_log = logging.getLogger("naiad.scheduling")


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found."""

    curve: Curve | None = None
    """None where a run failed, or the time did not even suffice for two texts in one run."""
    is_disturbed: bool = True
    """Other work had the processor meanwhile: good enough for now, not to be kept."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One kind of run to time."""

    place: str
    """quiet, busy or wide."""
    texts: int
    size: int
    """Tokens of each text."""

    @property
    def tokens(self) -> int:
        return self.texts * self.size


def measure(
    instances: Instances[Any],
    samples: Samples[Any],
    limit: int,
    *,
    budget_s: float = BUDGET_S,
    clock: Clock = monotonic,
    cpu_clock: Clock = time.thread_time,
) -> Measured:
    """Time runs of up to `limit` tokens.

    cpu_clock: seconds that the calling thread has computed; narrow instances of one thread compute on their caller's.
    Blocks, so it is called off the event loop, before anybody else uses the instances.
    """
    with _turn:
        measuring = _Measuring(instances, samples, clock, cpu_clock, budget_s)
        try:
            measuring.warm_up()
            for number in range(ROUNDS):
                if not measuring.run_round(limit):
                    measuring.repeat_lone(ROUNDS - number)
                    break
        except (NaiadError, RuntimeError) as error:
            _log.warning("a model could not be measured and is batched by default sizes", extra={"reason": str(error)})
            return Measured()
        finally:
            measuring.close()
        return Measured(measuring.curve(), measuring.computed_share < UNDISTURBED)


class _Measuring:
    """The instances, the time that is left, and the least seconds of each step."""

    def __init__(
        self, instances: Instances[Any], samples: Samples[Any], clock: Clock, cpu_clock: Clock, budget_s: float
    ) -> None:
        narrow = instances.narrow
        self._narrow: Sequence[Any] = narrow
        self._wide = instances.wide
        self._samples = samples
        self._clock = clock
        self._cpu_clock = cpu_clock
        self.computed_share = 0.0
        """Share of the least disturbed run on one narrow instance that it spent computing."""
        self._began_s = clock()
        self._until_s = self._began_s + budget_s
        self._least: dict[_Step, float] = {}
        self._pool = DaemonThreads(len(narrow), "naiad-measuring") if len(narrow) > 1 else None
        self._loaded = "busy" if self._pool else "quiet"
        """How runs are timed that count most: as under load."""
        self._barrier = threading.Barrier(len(narrow))

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._barrier.abort()
            self._pool.shutdown()

    def warm_up(self) -> None:
        """Run each kind of instance once: the first run takes memory that later ones find."""
        for instance in (self._narrow[0], *((self._wide,) if self._wide else ())):
            self._on_one(instance, self._samples.make([self._samples.size_near(min(ALONE))]))

    def run_round(self, limit: int) -> bool:
        """Time everything once, as far as the time goes; False when it is used up."""
        places = ["quiet", *(["busy"] if self._pool else []), *(["wide"] if self._wide else [])]
        usual, *others = dict.fromkeys(self._samples.size_near(size) for size in ALONE)
        counts = [texts for texts in TOGETHER if texts * usual <= limit or texts == TOGETHER[0]]
        done = [self._time_usual(usual, places, counts)]
        done += [self._time(_Step(place, 1, size)) for size in others for place in places]
        if self._pool:
            done.append(self._grow([_Step("quiet", texts, usual) for texts in counts]))
        return all(done)

    def repeat_lone(self, times: int) -> None:
        """Time a usual text on one instance and on all cores by turns, as long as LONE_BUDGET_S lasts."""
        if self._wide is None:
            return
        self._until_s = self._clock() + LONE_BUDGET_S
        usual = self._samples.size_near(TEXT)
        for _ in range(times):
            if not all(self._time(_Step(place, 1, usual)) for place in ("quiet", "wide")):
                return

    def curve(self) -> Curve | None:
        """What was found; a quiet machine's packs follow from a busy one's where the time was too short for them."""
        quiet, busy = self._times("quiet", 1), self._times(self._loaded, 1)
        quiet_together, busy_together = self._times("quiet", 2), self._times(self._loaded, 2)
        if not (quiet.points and busy.points and busy_together.points):
            return None
        if len(quiet_together.points) < len(busy_together.points):
            size = self._samples.size_near(TEXT)
            quiet_together = busy_together.scaled(min(1.0, quiet.seconds(size) / busy.seconds(size)))
        return Curve(quiet, quiet_together, busy, busy_together, self._times("wide", 1))

    def _time_usual(self, size: int, places: Sequence[str], counts: Sequence[int]) -> bool:
        """Time what nothing can be chosen without: a text alone, and texts together as under load.

        Slow models get more time for it in the first round, and fewer sizes.
        """
        until_s, is_first = self._until_s, not self._least
        if is_first:
            self._until_s = max(until_s, self._began_s + SLOW_BUDGET_S)
        done = [self._time(_Step(place, 1, size)) for place in places]
        steps = [_Step(self._loaded, texts, size) for texts in counts]
        if is_first:
            if self._clock() + sum(self._expected_s(step) for step in steps if step.texts <= max(FEW)) > until_s:
                steps = [step for step in steps if step.texts in FEW]
            else:
                self._until_s = until_s
        done.append(self._grow(steps))
        self._until_s = until_s
        return all(done)

    def _grow(self, steps: Sequence[_Step]) -> bool:
        """Time larger and larger runs until they are worse; False when there was no time for one."""
        best = float("inf")
        for step in steps:
            if not self._time(step):
                return False
            per_token = self._least[step] / step.tokens
            if per_token > TOO_MUCH * best:
                break
            best = min(best, per_token)
        return True

    def _time(self, step: _Step) -> bool:
        """Time one step, unless it would take longer than there is time."""
        if self._clock() + self._expected_s(step) > self._until_s:
            return False
        items = self._samples.make([step.size] * step.texts)
        if step.place == "busy":
            seconds = self._on_all(items)
        else:
            instance = self._narrow[0] if step.place == "quiet" else self._wide
            assert instance is not None
            began_s = self._cpu_clock()
            seconds = self._on_one(instance, items)
            if step.place == "quiet" and seconds > 0:
                self.computed_share = max(self.computed_share, (self._cpu_clock() - began_s) / seconds)
        self._least[step] = min(seconds, self._least.get(step, float("inf")))
        return True

    def _expected_s(self, step: _Step) -> float:
        """Return the time of a step that was timed; else in proportion to the costliest smaller one."""
        known = self._least.get(step)
        if known is not None:
            return known
        rates = [seconds / other.tokens for other, seconds in self._least.items() if other.tokens <= step.tokens]
        return step.tokens * min(rates, default=0.0)

    def _on_one(self, instance: Instance[Any, Any], items: Sequence[Any]) -> float:
        began_s = self._clock()
        results = instance.execute(Batch(items))
        seconds = self._clock() - began_s
        for result in results:
            if isinstance(result, NaiadError):
                raise result
        return seconds

    def _on_all(self, items: Sequence[Any]) -> float:
        """The mean over all narrow instances, which begin together."""
        assert self._pool is not None

        def run(instance: Instance[Any, Any]) -> float:
            try:
                self._barrier.wait()
                return self._on_one(instance, items)
            except BaseException:
                self._barrier.abort()
                raise

        taken = list(self._pool.map(run, self._narrow))
        return sum(taken) / len(taken)

    def _times(self, place: str, texts: int) -> Times:
        """Return the times of texts alone (1) or together (2)."""
        return Times.of(
            (step.tokens, max(seconds, 1e-9))
            for step, seconds in self._least.items()
            if step.place == place and min(step.texts, 2) == texts
        )
