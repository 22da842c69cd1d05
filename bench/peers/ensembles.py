"""Ensembles: three times the same identity model, the same files on Naiad and on Triton; and a text model in steps."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

from contender import FP32, Files, Setting
from peers.naiad import Naiad
from peers.slow import OverRepository, write
from server_process import Launch

THREE, PART = "three", "part"
TEXT, TEXT_PARTS = "embed", ("tokenise", "encode", "normalise")

_PYTHON = 'name: "{name}"\nbackend: "python"\ninstance_group [ {{ kind: KIND_CPU count: 1 }} ]\n'
_ENSEMBLE = 'name: "{name}"\nplatform: "ensemble"\nensemble_scheduling {{ {steps} }}\n'
_IDENTITY = 'input [ { name: "IN" data_type: TYPE_FP32 dims: [ 4 ] } ]\noutput [ { name: "OUT" data_type: TYPE_FP32 dims: [ 4 ] } ]\n'  # noqa: E501
_TOKENS = ("input_ids", "attention_mask", "token_type_ids")


def identities(files: Files, name: str, backend: str) -> Path:
    """Write the ensemble of three steps; name: of its server's folder."""
    repository = files.folder / "ensembles" / f"{name.lower()}-{backend}"
    config = _PYTHON.format(name=PART).replace("python", backend) + _IDENTITY
    write(repository, config, "identity.py" if backend == "python" else "", PART)
    tensors = ["IN", "first", "second", "OUT"]
    steps = " ".join(_step(PART, {"IN": read}, {"OUT": made}) for read, made in pairwise(tensors))
    write(repository, _ENSEMBLE.format(name=THREE, steps=steps) + _IDENTITY, name=THREE)
    return repository


def launch(name: str, files: Files, backend: str = "python") -> Launch:
    """Start Naiad or Triton with it. backend: of the identity model."""
    repository = identities(files, name, backend)
    if name == Naiad.name:
        return Naiad.serve([str(repository)], f"/v2/models/{THREE}/ready", files)
    return OverRepository(repository).launch(THREE, Setting(), files)


def launch_text(files: Files) -> Launch:
    """Start Naiad with the text model in steps."""
    repository = files.folder / "ensembles" / "text"
    tokens = [_tensor(name, "INT64", -1) for name in _TOKENS]
    vector, text = _tensor("embedding", "FP32", 384), _tensor("text", "STRING", 1)
    more = f'parameters {{ key: "tokenizer" value {{ string_value: "{files.tokenizer}" }} }}\n'
    rows = "max_batch_size: 8\n"
    for name, inputs, outputs in (("tokenise", [text], tokens), ("normalise", [vector], [vector])):
        config = _PYTHON.format(name=name) + rows + _sides(inputs, outputs) + (more if inputs == [text] else "")
        write(repository, config, f"{name}.py", name)
    write(repository, 'name: "encode"\nplatform: "onnxruntime_onnx"\n' + rows + _sides(tokens, [vector]), name="encode")
    graph = repository / "encode" / "1" / "model.onnx"
    graph.unlink(missing_ok=True)
    os.link(files.graphs[FP32], graph)
    same = {name: name for name in _TOKENS}
    steps = [
        _step("tokenise", {"text": "text"}, same),
        _step("encode", same, {"embedding": "raw"}),
        _step("normalise", {"embedding": "raw"}, {"embedding": "embedding"}),
    ]
    config = _ENSEMBLE.format(name=TEXT, steps=" ".join(steps)) + rows + _sides([text], [vector])
    write(repository, config, name=TEXT)
    return Naiad.serve([str(repository)], f"/v2/models/{TEXT}/ready", files)


def _step(model: str, inputs: dict[str, str], outputs: dict[str, str]) -> str:
    maps = [f'input_map {{ key: "{key}" value: "{value}" }}' for key, value in inputs.items()]
    maps += [f'output_map {{ key: "{key}" value: "{value}" }}' for key, value in outputs.items()]
    return f'step {{ model_name: "{model}" model_version: -1 {" ".join(maps)} }}'


def _tensor(name: str, datatype: str, size: int) -> str:
    return f'{{ name: "{name}" data_type: TYPE_{datatype} dims: [ {size} ] }}'


def _sides(inputs: list[str], outputs: list[str]) -> str:
    return f"input [ {', '.join(inputs)} ]\noutput [ {', '.join(outputs)} ]\n"
