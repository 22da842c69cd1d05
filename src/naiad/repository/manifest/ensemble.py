"""An ensemble that a manifest or a program describes: its steps; inputs and outputs follow from the models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.core.model.condition import WHEN_KEYS, When
from naiad.core.model.ensemble import Ensemble, Step
from naiad.repository.layout import VERSION
from naiad.repository.manifest.fields import Fields, Position
from naiad.repository.names import check_model_name

ENSEMBLE_KEYS = ("name", "steps", "outputs", "response_cache", "max_inflight_requests")
STEP_KEYS = ("model", "version", "inputs", "outputs", "when")


@dataclass(frozen=True, slots=True)
class EnsembleEntry:
    """One ensemble to serve."""

    name: str
    ensemble: Ensemble
    outputs: tuple[str, ...] = ()
    """Empty: the tensors that no step reads."""
    response_cache: bool = False
    """Keep its answers, where the server has a cache."""

    def __post_init__(self) -> None:
        check_model_name(self.name)
        if not self.ensemble.steps:
            raise InvalidConfiguration(f"ensemble '{self.name}' needs at least one step", key="steps")
        for number, step in enumerate(self.ensemble.steps):
            for what, given in (("a model", step.model), ("inputs", step.inputs), ("outputs", step.outputs)):
                if not given:
                    raise InvalidConfiguration(f"ensemble '{self.name}': step {number} needs {what}", key="steps")
            if step.version and not VERSION.fullmatch(step.version):
                raise InvalidConfiguration(
                    f"ensemble '{self.name}': the version of step {number} must be a whole number above 0, not "
                    f"'{step.version}'",
                    key="steps",
                )


def read_ensemble_entry(document: object, place: Position) -> EnsembleEntry:
    """Read one item of a manifest's `ensembles`. Raises InvalidConfiguration."""
    keys = Fields(document, place, ENSEMBLE_KEYS)
    name = keys.text("name")
    steps = tuple(_step(item, place.at("steps").at(number)) for number, item in enumerate(keys.items("steps")))
    most = keys.whole("max_inflight_requests")
    if most < 0:
        raise place.at("max_inflight_requests").refuse("must not be negative; 0 is no limit")
    try:
        return EnsembleEntry(name, Ensemble(steps, most), keys.texts("outputs"), keys.flag("response_cache"))
    except InvalidConfiguration as error:
        raise place.refuse(error.message) from error


def _step(document: object, place: Position) -> Step:
    keys = Fields(document, place, STEP_KEYS)
    maps = [_names(keys, side) for side in ("inputs", "outputs")]
    when = keys.mapping("when")
    version = keys.whole("version")
    return Step(keys.text("model"), maps[0], maps[1], str(version) if version else "", _when(when, place.at("when")))


def _names(keys: Fields, side: str) -> dict[str, str]:
    """A map from the model's names to those of the ensemble."""
    given: Mapping[str, Any] = keys.mapping(side)
    own = Fields(given, keys.place.at(side), tuple(given))
    return {name: own.text(name) for name in given}


def _when(document: Mapping[str, Any], place: Position) -> When | None:
    if not document:
        return None
    Fields(document, place, WHEN_KEYS)
    try:
        return When(**document)
    except InvalidConfiguration as error:
        raise place.refuse(error.message.removeprefix("when: ")) from error
