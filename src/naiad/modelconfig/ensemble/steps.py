"""The steps in a document as values, and conditions, which Triton has none of and which therefore are parameters.

    parameters { key: "when.1" value { string_value: "parameter rerank equals true" } }

says when step 1 runs, counted from 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.core.model.condition import When
from naiad.core.model.ensemble import Ensemble, Step
from naiad.modelconfig.refusing import refuse

LATEST = -1
"""The version of a step that takes the highest there is."""

WHEN = "when."
"""What the names of conditions begin with; the number of the step follows."""


def read_ensemble(document: Mapping[str, Any]) -> Ensemble | None:
    """Return the ensemble that a normalised document describes; None: another model.

    Raises InvalidConfiguration for conditions that make no sense.
    """
    scheduling = document.get("ensemble_scheduling")
    if scheduling is None:
        return None
    conditions = _conditions(document, len(scheduling["step"]))
    steps = (
        Step(
            step["model_name"],
            step["input_map"],
            step["output_map"],
            "" if step["model_version"] == LATEST else str(step["model_version"]),
            conditions.get(number),
        )
        for number, step in enumerate(scheduling["step"])
    )
    return Ensemble(tuple(steps), scheduling["max_inflight_requests"])


def write_ensemble(ensemble: Ensemble) -> dict[str, Any]:
    """Return the fields of a document that describe an ensemble."""
    steps = [
        {
            "model_name": step.model,
            "model_version": int(step.version or LATEST),
            "input_map": dict(step.inputs),
            "output_map": dict(step.outputs),
        }
        for step in ensemble.steps
    ]
    conditions = {f"{WHEN}{number}": step.when for number, step in enumerate(ensemble.steps) if step.when is not None}
    return {
        "platform": "ensemble",
        "ensemble_scheduling": {"step": steps, "max_inflight_requests": ensemble.max_inflight_requests},
        "parameters": {name: {"string_value": str(when)} for name, when in conditions.items()},
    }


def _conditions(document: Mapping[str, Any], steps: int) -> dict[int, When]:
    conditions = {}
    for name, value in document["parameters"].items():
        if not name.startswith(WHEN):
            continue
        number = name.removeprefix(WHEN)
        if not (number.isascii() and number.isdecimal() and int(number) < steps):
            refuse(
                document["name"],
                f"parameter '{name}' of ensemble '{document['name']}' names no step",
                f"steps are counted from 0 to {steps - 1}",
            )
        try:
            conditions[int(number)] = When.parse(value["string_value"])
        except InvalidConfiguration as error:
            refuse(document["name"], f"parameter '{name}' of ensemble '{document['name']}': {error.message}")
    return conditions
