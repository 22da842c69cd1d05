"""What is only told over gRPC: keys of our own, for which Triton's messages have no field, stay away."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from naiad.observe.statistics import ModelStatistics
from naiad.protocol.grpc.messages import encode
from naiad.wire.grpc.methods.reading import reading_methods


def test_statistics_of_a_model_whose_batching_learns() -> None:
    statistics = ModelStatistics("m", "1")
    statistics.batching = lambda: {"tokens_chosen": 128, "seconds": []}
    overview = SimpleNamespace(statistics=lambda name, version: [statistics.as_json()])
    services: Any = SimpleNamespace(overview=overview)
    request: Any = SimpleNamespace(name="m", version="")
    answer = reading_methods(services)["ModelStatistics"](request)
    assert answer["model_stats"][0]["name"] == "m"
    assert encode("ModelStatisticsResponse", answer)
