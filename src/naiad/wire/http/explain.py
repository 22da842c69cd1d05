"""Why a model's batches have the size they have: `GET /v2/models/NAME/explain?seconds=3`. Triton has no such route.

The answer comes when the seconds are over: it is about what happened in them.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from math import isfinite
from urllib.parse import parse_qs

from naiad.core.clock import monotonic
from naiad.core.errors import InvalidRequest, NaiadError, NotReady
from naiad.protocol.status import http_status
from naiad.serving.catalog import Catalog
from naiad.serving.explaining.facts import Look, facts_between, look
from naiad.serving.explaining.words import explain
from naiad.serving.model import ServedModel
from naiad.wire.http.answering import internal_error, send_json
from naiad.wire.http.exchange import Exchange

USUAL_S, LONGEST_S = 3.0, 60.0


class ExplainHandler:
    """Looks at a model's statistics, and again some seconds later."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def __call__(self, exchange: Exchange, model: str, version: str = "") -> None:
        """Answer later. Raises NotFound, NotReady, InvalidRequest."""
        seconds = _seconds(exchange.url)
        served = self._catalog.find(model, version)
        timer = asyncio.get_running_loop().call_later(
            seconds, self._answer, exchange, served, look(served, monotonic())
        )
        exchange.on_abandon = timer.cancel

    def _answer(self, exchange: Exchange, served: ServedModel, before: Look) -> None:
        try:
            send_json(exchange, self._explained(served, before))
        except NaiadError as error:
            exchange.fail(http_status(error), error.message)
        except Exception:  # noqa: BLE001 - whatever happens, who asked is answered
            internal_error(exchange)

    def _explained(self, served: ServedModel, before: Look) -> dict[str, object]:
        """Raise NotFound or NotReady for a model that is no longer the one that was looked at."""
        if self._catalog.find(served.name, served.version).statistics is not served.statistics:
            raise NotReady(f"model '{served.name}' was loaded again meanwhile; ask again", model=served.name)
        facts = facts_between(before, look(served, monotonic()), served.config)
        said = explain(facts)
        return {
            "model": facts.model,
            "version": facts.version,
            "seconds": facts.seconds,
            "headline": said.headline,
            "parts": said.parts,
            "facts": _plain(asdict(facts)),
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
