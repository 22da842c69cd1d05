"""All cases: configuration of the servers → name of the group → table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cases import python_models
from cases.grpc import inference, others, streams
from cases.http import (
    generate,
    infer_binary,
    infer_json,
    outputs,
    reading,
    repository,
    restricted,
    routing,
    settings,
    several_faults,
    shared_memory,
    transport,
)

from harness.case import Http, Step, Table

TABLES: Mapping[str, Mapping[str, Table]] = {
    "plain": {
        "routing": routing.CASES,
        "reading": reading.CASES,
        "json": infer_json.CASES,
        "binary": infer_binary.CASES,
        "outputs": outputs.CASES,
        "several faults": several_faults.CASES,
        "transport": transport.CASES,
        "generate": generate.CASES,
        "repository": repository.CASES,
        "shared memory": shared_memory.CASES,
        "settings": settings.CASES,
        "grpc": inference.CASES,
        "grpc streams": streams.CASES,
        "grpc others": others.CASES,
    },
    "python models": {"python": python_models.CASES},
    "explicit": {"explicit": repository.EXPLICIT},
    "restricted": {"restricted": restricted.CASES, "grpc restricted": others.RESTRICTED},
}

FATAL: Mapping[str, Http] = {**infer_json.FATAL, **outputs.FATAL}
"""Requests that end the process of Triton 2.51; only ours is asked."""


def all_cases() -> Iterator[tuple[str, str, list[Step]]]:
    """Give configuration, `group/name` and steps of every case."""
    for configuration, groups in TABLES.items():
        for group, table in groups.items():
            for name, step in table.items():
                yield configuration, f"{group}/{name}", step if isinstance(step, list) else [step]
