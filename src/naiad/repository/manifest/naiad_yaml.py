"""`naiad.yaml`: the models of a server.

    models:
      - source: sentence-transformers/all-MiniLM-L6-v2     # the only key that must be there
        name: minilm
        revision: v1.0             # hf:// only; or in the source, org/name@v1.0
        token_env: TEAM_TOKEN      # NAME of an environment variable; tokens themselves have no place in a file
        task: feature-extraction
        allow: ["*.json", "onnx/model_fp16.onnx"]
        ignore: ["*.md"]
        allow_code: false
        device: cpu
        weights: auto              # auto, onnx, safetensors, or the path of an .onnx file
        quantize: int8             # none, int8
        output: dense_vecs         # ONNX files whose outputs do not tell which one is meant
        inputs: {task_id: 1}       # ONNX files with inputs that are the same for every text
        batching: {max_tokens_per_batch: 2048, max_queue_delay_ms: 2, max_queue_size: 1000, instances: 2}
        response_cache: true       # keep its answers; with --cache-config
        options: {labels: [bad, good]}

    ensembles:                     # models made of models; inputs and outputs follow from these
      - name: search
        steps:
          - model: minilm
            inputs: {text: query}              # input of the model: tensor of the ensemble
            outputs: {embedding: vector}
          - model: judge
            version: 2
            when: {parameter: judged, equals: true}
            inputs: {text: query}
            outputs: {scores: scores}
        outputs: [vector, scores]              # default: what no step reads
        response_cache: true
        max_inflight_requests: 8               # runs of one step at the same time

    endpoints:                     # ClearML-Serving's Preprocess: POST /serve/sentiment/1
      - endpoint: sentiment
        version: 1
        engine: triton             # a model of this server; or custom, custom_async, sklearn, xgboost, lightgbm
        model: minilm
        preprocess: ./preprocess.py            # or a folder with __init__.py
        workers: 2
        metrics: {log_freq: 1.0, variable_scalar: ["length=0/512/32"], variable_enum: ["label=good,bad"]}

Relative folders are relative to the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.repository.manifest.endpoint import read_endpoint_entry
from naiad.repository.manifest.ensemble import read_ensemble_entry
from naiad.repository.manifest.entry import Batching, Manifest, ModelEntry
from naiad.repository.manifest.fields import Fields, Position
from naiad.repository.manifest.fields import Path as KeyPath
from naiad.repository.manifest.secret import Secret, secret_from_environment
from naiad.repository.reference import HubReference, Reference, parse_reference

_KEYS = (
    "source", "name", "revision", "token_env", "task", "allow", "ignore", "allow_code", "device", "weights",
    "quantize", "output", "inputs", "batching", "response_cache", "options",
)  # fmt: skip
_BATCHING_KEYS = tuple(each.name for each in fields(Batching))


ReadSecret = Callable[[str], Secret]
"""Gives the token in a variable. Raises InvalidConfiguration."""


def manifest_from_yaml(text: str, path: Path, read_secret: ReadSecret = secret_from_environment) -> Manifest:
    """Read a manifest; `path` is for messages and for relative folders. Raises InvalidConfiguration."""
    document, lines = _load(text, path)
    top = Fields(document, Position(path.name, (), lines), ("models", "ensembles", "endpoints"))
    base = path.absolute().parent
    endpoints = [
        read_endpoint_entry(item, top.place.at("endpoints").at(index), base)
        for index, item in enumerate(top.items("endpoints") if top.has("endpoints") else ())
    ]
    entries = [
        _entry(item, top.place.at("models").at(index), base, read_secret)
        for index, item in enumerate(top.items("models") if top.has("models") or not endpoints else ())
    ]
    ensembles = [
        read_ensemble_entry(item, top.place.at("ensembles").at(index))
        for index, item in enumerate(top.items("ensembles") if top.has("ensembles") else ())
    ]
    try:
        return Manifest(tuple(entries), path, tuple(ensembles), tuple(endpoints))
    except InvalidConfiguration as error:
        raise top.place.refuse(error.message) from error


def entry_from_mapping(keys: Mapping[str, Any]) -> ModelEntry:
    """Read an entry that a program gives, with the same keys; relative folders begin in the working directory."""
    return _entry(keys, Position("model entry", (), {}), Path.cwd())


def _entry(
    document: object, place: Position, base: Path, read_secret: ReadSecret = secret_from_environment
) -> ModelEntry:
    keys = Fields(document, place, _KEYS)
    token_env = keys.text("token_env", "")
    try:
        return ModelEntry(
            source=_source(keys, base),
            name=keys.text("name", ""),
            token=read_secret(token_env) if token_env else None,
            task=keys.text("task", ""),
            allow=keys.texts("allow"),
            ignore=keys.texts("ignore"),
            allow_code=keys.flag("allow_code"),
            device=keys.text("device", "auto"),
            weights=keys.text("weights", "auto"),
            quantize=keys.text("quantize", "none"),
            output=keys.text("output", ""),
            inputs=_inputs(keys),
            batching=_batching(keys),
            response_cache=keys.flag("response_cache"),
            options=keys.mapping("options"),
        )
    except InvalidConfiguration as error:
        if error.detail.get("file"):
            raise
        key = error.detail.get("key")
        raise (place.at(key) if isinstance(key, str) else place).refuse(error.message) from error


def _source(keys: Fields, base: Path) -> Reference:
    reference, revision = parse_reference(keys.text("source"), base), keys.text("revision", "")
    if not revision:
        return reference
    if not isinstance(reference, HubReference):
        raise keys.place.at("revision").refuse(f"only Hub sources have revisions, and {reference} is not one")
    if reference.revision not in ("", revision):
        raise keys.place.at("revision").refuse(f"'{revision}' contradicts the source {reference}; keep one of them")
    return replace(reference, revision=revision)


def _inputs(keys: Fields) -> Mapping[str, float]:
    given = keys.mapping("inputs")
    own = Fields(given, keys.place.at("inputs"), tuple(given))
    return {name: own.number(name) for name in given}


def _batching(keys: Fields) -> Batching:
    place = keys.place.at("batching")
    own = Fields(keys.mapping("batching"), place, _BATCHING_KEYS)
    return Batching(
        own.whole("max_tokens_per_batch"),
        float(own.number("max_queue_delay_ms")),
        own.whole("max_queue_size"),
        own.whole("instances"),
    )


def _load(text: str, path: Path) -> tuple[object, dict[KeyPath, int]]:
    """The document and the line of each of its values."""
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[KeyPath, int] = {}
        if node is not None:
            _note_lines(node, (), lines, _Walk(path))
        return yaml.safe_load(text), lines
    except RecursionError as error:
        raise InvalidConfiguration(f"{path.name}: nested too deeply", file=path.name) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error)
        raise InvalidConfiguration(f"{path.name}{line}: not YAML: {problem}", file=path.name) from error


@dataclass(slots=True)
class _Walk:
    """A walk through a YAML document; aliases make it a graph, and each node is visited once."""

    path: Path
    seen: set[int] = field(default_factory=set)


def _note_lines(node: Any, where: KeyPath, lines: dict[KeyPath, int], walk: _Walk) -> None:
    """Write down where everything stands; a key that is there twice is refused (YAML would drop the first)."""
    lines.setdefault(where, node.start_mark.line + 1)
    if id(node) in walk.seen:
        return
    walk.seen.add(id(node))
    if node.id == "sequence":
        for index, item in enumerate(node.value):
            _note_lines(item, (*where, index), lines, walk)
    if node.id != "mapping":
        return
    for key_node, value_node in node.value:
        key = (*where, str(key_node.value))
        line = key_node.start_mark.line + 1
        if key in lines:
            raise Position(walk.path.name, key, {key: line}).refuse("this key appears twice")
        lines[key] = line
        _note_lines(value_node, key, lines, walk)
