"""Configurations of ensembles and of their parts, short to write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def part(rows: int = 0, dims: str = "-1", datatype: str = "INT32", more: str = "", backend: str = "identity") -> str:
    """A model with input X and output Y."""
    tensor = f"data_type: TYPE_{datatype} dims: [ {dims} ]"
    return (
        f'backend: "{backend}" max_batch_size: {rows} input {{ name: "X" {tensor} }} output {{ name: "Y" {tensor} }} '
        f"instance_group {{ kind: KIND_CPU count: 1 }} {more}\n"
    )


def step(model: str, inputs: Mapping[str, str], outputs: Mapping[str, str], version: int = -1) -> str:
    """One step; the maps are from the model's names to those of the ensemble."""
    maps = [f'input_map {{ key: "{key}" value: "{value}" }}' for key, value in inputs.items()]
    maps += [f'output_map {{ key: "{key}" value: "{value}" }}' for key, value in outputs.items()]
    return f'step {{ model_name: "{model}" model_version: {version} {" ".join(maps)} }}'


def chain(*steps: str) -> str:
    """Steps written as `p:ab`: model p, from tensor a to tensor b."""
    return " ".join(step(one[:-3], {"X": one[-2]}, {"Y": one[-1]}) for one in steps)


def ensemble(
    steps: str,
    inputs: str = "a",
    outputs: str = "b",
    rows: int = 0,
    dims: str = "-1",
    datatype: str = "INT32",
    more: str = "",
    limit: str = "",
) -> str:
    """An ensemble; its tensors have one letter."""
    tensor = f"data_type: TYPE_{datatype} dims: [ {dims} ]"
    sides = [f'input {{ name: "{name}" {tensor} }}' for name in inputs]
    sides += [f'output {{ name: "{name}" {tensor} }}' for name in outputs]
    scheduling = f"ensemble_scheduling {{ {steps} {limit} }}"
    return f'platform: "ensemble" max_batch_size: {rows} {" ".join(sides)} {scheduling} {more}\n'


def write(folder: Path, name: str, text: str, *versions: int, files: Mapping[str, str] | None = None) -> Path:
    """Write a model; files: for each of its versions."""
    model = folder / name
    for version in versions or (1,):
        (model / str(version)).mkdir(parents=True, exist_ok=True)
        for file, content in (files or {}).items():
            (model / str(version) / file).write_text(content)
    (model / "config.pbtxt").write_text(f'name: "{name}"\n{text}')
    return model
