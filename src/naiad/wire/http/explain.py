"""Why a model's batches have the size they have: `GET /v2/models/NAME/explain?seconds=3`. Triton has no such route.

The answer comes when the seconds are over: it is about what happened in them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import isfinite
from urllib.parse import parse_qs

from naiad.core.clock import monotonic
from naiad.core.errors import InvalidRequest, NaiadError, NotFound, NotReady
from naiad.core.machine.cores import available_cores
from naiad.core.user_code.endpoint import SUFFIX
from naiad.protocol.status import http_status
from naiad.serving.catalog import Catalog
from naiad.serving.explaining.facts import Facts, Look, facts_between, look
from naiad.serving.explaining.preprocess import PreprocessFacts, diagnose, explain_endpoint
from naiad.serving.explaining.preprocess import facts_between as preprocess_between
from naiad.serving.explaining.words import explain
from naiad.serving.model import ServedModel
from naiad.wire.http.answering import internal_error, send_json
from naiad.wire.http.exchange import Exchange

USUAL_S, LONGEST_S = 3.0, 60.0


@dataclass(frozen=True, slots=True)
class _Watched:
    """A model, and what its statistics said when the watching began."""

    served: ServedModel
    before: Look

    def facts(self, now: float) -> Facts:
        """What it has done since."""
        return facts_between(self.before, look(self.served, now), self.served.config)

    def preprocess(self, now: float) -> PreprocessFacts | None:
        """What its hooks have done since; None: it is no endpoint."""
        before, times = self.before.preprocess, self.served.statistics.preprocess
        return None if before is None or times is None else preprocess_between(before, times(), now - self.before.at_s)


class ExplainHandler:
    """Looks at a model's statistics, and again some seconds later; also at those of endpoints that lead to it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def __call__(self, exchange: Exchange, model: str, version: str = "") -> None:
        """Answer later. Raises NotFound, NotReady, InvalidRequest."""
        seconds = _seconds(exchange.url)
        knows = self._catalog.knows
        served = self._catalog.find(model if knows(model) or not knows(model + SUFFIX) else model + SUFFIX, version)
        watched = [_Watched(one, look(one, monotonic())) for one in (served, *self._beside(served))]
        timer = asyncio.get_running_loop().call_later(seconds, self._answer, exchange, watched)
        exchange.on_abandon = timer.cancel

    def _beside(self, served: ServedModel) -> Iterator[ServedModel]:
        """Give the model that an endpoint leads to, or the endpoints that lead to a model."""
        if served.statistics.preprocess is not None:
            attached = served.statistics.preprocess().model
            with suppress(NotFound, NotReady):
                if attached:
                    yield self._catalog.find(attached)
            return
        for one in self._catalog.models():
            if one.statistics.preprocess is not None and one.statistics.preprocess().model == served.name:
                yield one

    def _answer(self, exchange: Exchange, watched: Sequence[_Watched]) -> None:
        try:
            send_json(exchange, self._explained(watched))
        except NaiadError as error:
            exchange.fail(http_status(error), error.message)
        except Exception:  # noqa: BLE001 - whatever happens, who asked is answered
            internal_error(exchange)

    def _explained(self, watched: Sequence[_Watched]) -> dict[str, object]:
        """Raise NotFound or NotReady for a model that is no longer the one that was looked at."""
        for one in watched:
            served = one.served
            if self._catalog.find(served.name, served.version).statistics is not served.statistics:
                raise NotReady(f"model '{served.name}' was loaded again meanwhile; ask again", model=served.name)
        now = monotonic()
        facts, own = watched[0].facts(now), watched[0].preprocess(now)
        cores = available_cores()
        if own is not None:
            model = watched[1].facts(now) if len(watched) > 1 else None
            said = explain_endpoint(facts, diagnose(own, model, cores))
            shown = {"preprocess": {**asdict(own), "starved": own.starved, "held": own.held}}
        else:
            said, shown = explain(facts), {}
            for one in watched[1:]:
                found = one.preprocess(now)
                if found is not None and found.requests:
                    what = diagnose(found, facts, cores)
                    said.parts[f"Endpoint {one.served.name}"] = f"{what.why} {what.change}".strip()
        return {
            "model": facts.model,
            "version": facts.version,
            "seconds": facts.seconds,
            "headline": said.headline,
            "parts": said.parts,
            "facts": _plain({**asdict(facts), **shown}),
        }


def _plain(value: object) -> object:
    """Make keys text, as JSON wants them."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return value


def _seconds(url: bytes) -> float:
    query = parse_qs(url.partition(b"?")[2].decode("latin-1"), keep_blank_values=True)
    text = query.get("seconds", [str(USUAL_S)])[-1]
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not (isfinite(seconds) and 0 < seconds <= LONGEST_S):
        raise InvalidRequest(f"'seconds' must be a number above 0, and {LONGEST_S:g} at most, not '{text[:64]}'")
    return seconds
