"""An ensemble over the models that serve now: checked against them, and made ready to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from naiad.core.errors import InvalidConfiguration
from naiad.core.model.config import ModelConfig
from naiad.loading.ensembles.definition import Definition
from naiad.modelconfig import finish
from naiad.modelconfig.ensemble.complete import complete_ensemble
from naiad.modelconfig.ensemble.parts import check_parts
from naiad.serving.engine import Engine
from naiad.serving.ensemble.model import EnsembleModel
from naiad.serving.ensemble.plan import make_plan
from naiad.serving.model import ServedModel

Find = Callable[[str, str], ServedModel | str]
"""Gives the model of a name and a version (empty: the highest), or why there is none, in Triton's words."""


def bind(definition: Definition, find: Find, engine: Engine) -> EnsembleModel:
    """Make the model. Raises InvalidConfiguration where a part is missing or does not fit, in Triton's words."""
    config, ensemble = definition.config, definition.config.ensemble
    assert ensemble is not None
    found = [find(step.model, step.version) for step in ensemble.steps]
    missing = dict.fromkeys(step.model for step, part in zip(ensemble.steps, found, strict=True) if part == "")
    if missing:
        _refuse(
            config,
            f"ensemble {config.name} contains models that are not available or ambiguous: {', '.join(sorted(missing))}",
        )
    parts: list[ServedModel] = []
    for step, part in zip(ensemble.steps, found, strict=True):
        if isinstance(part, str):
            _refuse(config, f"ensemble '{config.name}' depends on '{step.model}' {part}")
        parts.append(part)
    part_configs = [part.config for part in parts]
    if definition.outputs is not None:
        config = finish(complete_ensemble(config.document, ensemble, definition.outputs, part_configs))
    streams = check_parts(config, part_configs)
    plan = make_plan(config, part_configs, streams)
    config = _completed(config, plan.is_decoupled)
    return EnsembleModel(
        config,
        definition.version,
        plan,
        parts,
        engine,
        labels={**_inherited(config, parts), **definition.labels},
        statistics=definition.statistics(config, definition.version),
    )


def _refuse(config: ModelConfig, reason: str) -> NoReturn:
    raise InvalidConfiguration(reason, model=config.name)


def _completed(config: ModelConfig, is_decoupled: bool) -> ModelConfig:
    """Let the configuration say whether there may be several answers, which follows from the parts, as in Triton."""
    if is_decoupled and config.uses_response_cache:
        _refuse(
            config,
            f"Response Cache does not currently support model {config.name} with 'decoupled' transaction policy. "
            "Please disable the response cache.",
        )
    completed = finish({**config.document, "model_transaction_policy": {"decoupled": is_decoupled}})
    return replace(config, is_decoupled=is_decoupled, document=completed.document)


def _inherited(config: ModelConfig, parts: Sequence[ServedModel]) -> Mapping[str, Sequence[str]]:
    """The labels of the models that the outputs come from."""
    assert config.ensemble is not None
    labels: dict[str, Sequence[str]] = {}
    for step, part in zip(config.ensemble.steps, parts, strict=True):
        labels.update({step.outputs[name]: part.labels[name] for name in step.outputs if name in part.labels})
    return labels
