"""From a loaded model to an ONNX file. Runs in the child process only.

torch's exporter of today (`dynamo=True`) comes first; what it cannot take apart is tried with the older one, which
records one run: the gate sees to it that what depends on the recorded input does not pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from naiad.convert.export.loaded import LoadedModel, Refused, pick_outputs

BATCH, LENGTH = 2, 11
"""Shape of the example that is exported; neither is 1, which exporters take for a constant."""

LEGACY_OPSET = 17

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def export_graph(loaded: LoadedModel, call: Mapping[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
    """Write call["into"]; gives the exporter and the graph's outputs. call: into, opset, size. Raises Refused."""
    example = make_example(loaded, tuple(call["size"]))
    outputs = tuple(loaded.run(example))
    if not outputs:
        raise Refused(f"{type(loaded.model).__name__} gives none of {', '.join(loaded.row.outputs)}")
    module = by_position(loaded, tuple(example), outputs)
    into = Path(call["into"])
    failures = []
    for exporter, write in (("torch.export", write_dynamo), ("torch.jit.trace", write_legacy)):
        progress(f"exporting with {exporter}")
        try:
            write(module, example, outputs, into, call.get("opset"))
        except Exception as error:  # noqa: BLE001 (torch's exporters have no common base)
            failures.append(f"{exporter}: {type(error).__name__}: {gist(error)}")
            continue
        return {"exporter": exporter, "outputs": list(outputs), "failures": failures}
    raise Refused(f"torch cannot export {type(loaded.model).__name__}: {'; '.join(failures)}")


def gist(error: BaseException) -> str:
    """What an exporter's error says, which may be pages long and in colours: its own summary, else its beginning."""
    text = _COLOURS.sub("", str(error))
    said = text.partition("## Exception summary")[2] or text
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " ".join(lines[:2])[:300]


def make_example(loaded: LoadedModel, size: tuple[int, ...]) -> dict[str, Any]:
    """Inputs that the model is exported with. size: of an image (channels, height, width), of sound (…)."""
    import torch

    if loaded.row.kind != "text":
        return {loaded.inputs[0]: torch.randn(BATCH, *size)}
    least = 5 if int(loaded.config.vocab_size) > 5 + LENGTH else 0
    ids = torch.arange(BATCH * LENGTH).reshape(BATCH, LENGTH) % (int(loaded.config.vocab_size) - least) + least
    mask = torch.ones_like(ids)
    mask[1, LENGTH - 3 :] = 0
    end = getattr(loaded.config, "eos_token_id", None)
    if isinstance(end, int):  # classifiers with a decoder read the state of the one end token of each text
        ids[ids == end] = (end + 1) % int(loaded.config.vocab_size)
        ids[0, -1] = ids[1, LENGTH - 4] = end
    everything = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    return {name: everything[name] for name in loaded.inputs}


def by_position(loaded: LoadedModel, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Any:
    """A module that takes and gives tuples, as exporters want it."""
    import torch

    class ByPosition(torch.nn.Module):  # type: ignore[misc, unused-ignore]  # Any where torch is not installed
        def __init__(self) -> None:
            super().__init__()
            self.model = loaded.model

        def forward(self, *tensors: Any) -> Any:
            given = self.model(**dict(zip(inputs, tensors, strict=True)))
            picked = pick_outputs(loaded.row, given)
            return tuple(picked[name] for name in outputs)

    return ByPosition().eval()


def dynamic_axes(name: str, tensor: Any) -> dict[int, str]:
    """Axes that may have any size: the batch, and of texts and sound the length. Images have the size they have."""
    if tensor.dim() > 2:
        return {0: "batch"}
    return {0: "batch", 1: "samples" if name == "input_values" else "sequence"}


def write_dynamo(module: Any, example: Mapping[str, Any], outputs: tuple[str, ...], into: Path, opset: Any) -> None:
    """The exporter of today."""
    import torch

    shapes = tuple(
        dict.fromkeys(dynamic_axes(name, tensor), torch.export.Dim.DYNAMIC) for name, tensor in example.items()
    )
    program: Any = torch.onnx.export(
        module,
        tuple(example.values()),
        input_names=list(example),
        output_names=list(outputs),
        dynamic_shapes=(shapes,),
        opset_version=opset,
        dynamo=True,
        verbose=False,
    )
    program.save(str(into), external_data=True)


def write_legacy(module: Any, example: Mapping[str, Any], outputs: tuple[str, ...], into: Path, opset: Any) -> None:
    """The exporter before it."""
    import torch

    axes: dict[str, dict[int, str]] = {name: dynamic_axes(name, tensor) for name, tensor in example.items()}
    torch.onnx.export(
        module,
        tuple(example.values()),
        str(into),
        input_names=list(example),
        output_names=list(outputs),
        dynamic_axes={**axes, **{name: {0: "batch"} for name in outputs}},
        opset_version=opset or LEGACY_OPSET,
        dynamo=False,
    )
