"""What can be wrong with an ensemble whatever its parts are: fields that it may not have, tensors that go nowhere.

Words and order are Triton's (core, `ValidateEnsembleSchedulingConfig`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from naiad.core.model.ensemble import Step
from naiad.modelconfig.ensemble.order import in_order
from naiad.modelconfig.ensemble.steps import read_ensemble
from naiad.modelconfig.layout import ENSEMBLE
from naiad.modelconfig.refusing import refuse
from naiad.modelconfig.schema import Document


def validate_ensemble(document: Document) -> None:
    """Check a normalised document that has steps or calls itself an ensemble. Raises InvalidConfiguration."""
    model, platform = document["name"], document["platform"]
    if platform == ENSEMBLE and document["backend"]:
        refuse(model, f"Ensemble model '{model}' must have platform type '{ENSEMBLE}' and empty backend type")
    if "ensemble_scheduling" not in document:
        refuse(model, f"ensemble scheduling must be set for ensemble {model} whose platform is {ENSEMBLE}")
    if platform != ENSEMBLE:
        refuse(model, f"ensemble scheduling cannot be set for model '{model}' whose platform is not {ENSEMBLE}")
    if document["instance_group"]:
        refuse(model, f"instance group should not be specified for ensemble '{model}'")
    if "optimization" in document:
        refuse(model, f"optimization should not be specified for ensemble '{model}'")
    if document["model_warmup"]:
        refuse(model, f"model_warmup can not be specified for ensemble '{model}'")
    ensemble = read_ensemble(document)
    if ensemble is None or not ensemble.steps:
        refuse(model, f"must specify 'step' for ensemble '{model}'")
    inputs, outputs = ([tensor["name"] for tensor in document[side]] for side in ("input", "output"))
    _validate_maps(model, ensemble.steps, inputs)
    _validate_flow(model, ensemble.steps, inputs, outputs)


def _validate_maps(model: str, steps: Sequence[Step], inputs: Sequence[str]) -> None:
    makers: dict[str, Step] = {}
    for number, step in enumerate(steps):
        for field, value in (("model_name", step.model), ("input_map", step.inputs), ("output_map", step.outputs)):
            if not value:
                refuse(model, f"must specify '{field}' in step {number} of ensemble '{model}'")
        for name in step.outputs.values():
            other = makers.get(name)
            if other is not None and (other is step or other.when is None or step.when is None):
                refuse(
                    model,
                    f"ensemble tensor '{name}' can appear in an output map only once for ensemble '{model}' "
                    f"step {number}",
                )
            if name in inputs:  # Triton would run the step again and again
                refuse(
                    model,
                    f"ensemble tensor '{name}' is an input of ensemble '{model}' and cannot appear in an output map, "
                    f"as in step {number}",
                )
            makers[name] = step


def _validate_flow(model: str, steps: Sequence[Step], inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Every tensor comes from somewhere and goes somewhere, and no step waits for itself."""
    read = {name for step in steps for name in step.reads}
    makers = {name: step for step in steps for name in step.outputs.values()}
    for name in inputs:
        if name not in read:
            refuse(model, f"ensemble input '{name}' for ensemble {model}' is not used")
    walked = [steps[number] for number in in_order(steps, inputs)]
    ready = {*inputs, *(name for step in walked for name in step.outputs.values())}
    for name in outputs:
        if name not in makers and name not in read:
            refuse(model, f"ensemble output '{name}' for ensemble {model}' is not used")
        if name not in ready:
            source = _source(name, makers, ready)
            detail = f": at least one of its depending tensors, '{source}', is not connected" if source != name else ""
            refuse(model, f"output '{name}' for ensemble '{model}' is not written{detail}")
    for name in sorted(read | set(makers)):
        if name not in outputs and (name not in ready or name not in read):
            refuse(model, f"ensemble tensor '{name}' is unused in ensemble '{model}'")


def _source(name: str, makers: Mapping[str, Step], ready: set[str]) -> str:
    """Go back from a tensor that is never there to where that begins; in a circle, to one of it."""
    seen: set[str] = set()
    while name in makers:
        missing = [before for before in makers[name].reads if before not in ready | seen]
        if not missing:
            break
        name = missing[0]
        seen.add(name)
    return name
