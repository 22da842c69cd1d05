"""An endpoint of a manifest: ClearML-Serving's `model add` and `metrics add`, with their names for keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path

from naiad.core.errors import InvalidConfiguration
from naiad.core.nearest import did_you_mean
from naiad.core.user_code.endpoint import ENGINES, Endpoint, Tensors, Variable
from naiad.repository.layout import VERSION
from naiad.repository.listing import Signature, signature_of
from naiad.repository.manifest.fields import Fields, Position

ENDPOINT_KEYS = (
    "endpoint", "version", "engine", "preprocess", "model", "model_version", "model_file", "workers", "concurrency",
    "environment", "input_name", "input_type", "input_size", "output_name", "output_type", "output_size", "metrics",
)  # fmt: skip
_CANARY = (
    "requests are not split among versions; clients ask for one, as /serve/NAME/2, or what stands in front of the "
    "server splits them (docs/how-to/move-from-clearml.md, Canaries)"
)
_REGISTRY = "there is no model registry; give the model by 'model' or 'model_file'"
_UPDATES = "new files are found by --model-control-mode poll"
ELSEWHERE = {
    "weights": _CANARY,
    "input_endpoints": _CANARY,
    "input_endpoint_prefix": _CANARY,
    "load_endpoint_prefix": _CANARY,
    "model_id": _REGISTRY,
    "name": _REGISTRY,
    "tags": _REGISTRY,
    "project": _REGISTRY,
    "published": _REGISTRY,
    "max_versions": _UPDATES,
    "aux_config": "write a config.pbtxt for the model",
    "auxiliary_cfg": "write a config.pbtxt for the model",
}
"""ClearML-Serving's options that have no key here → what to do."""

METRICS_KEYS = ("log_freq", "variable_scalar", "variable_enum", "variable_value", "variable_counter")

MOST_WORKERS = 1024
MOST_BUCKETS = 1000
"""Of one variable: each is a line of every page."""

TYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
)  # fmt: skip

_NAME = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)?")


@dataclass(frozen=True, slots=True)
class EndpointEntry:
    """One endpoint to serve."""

    endpoint: Endpoint

    @property
    def name(self) -> str:
        """Its name as a model of the server."""
        return self.endpoint.model_name

    @property
    def files(self) -> tuple[Path, ...]:
        """What it is made of; environments are not looked at again."""
        endpoint = self.endpoint
        return (endpoint.code,) if endpoint.model_file is None else (endpoint.code, endpoint.model_file)

    @property
    def state(self) -> Signature:
        """How the files are now. Blocks."""
        return tuple(row for path in self.files for row in signature_of(path))


def read_endpoint_entry(document: object, place: Position, base: Path) -> EndpointEntry:
    """Read one item of a manifest's `endpoints`; relative paths begin at `base`. Raises InvalidConfiguration."""
    keys = Fields(document, place, ENDPOINT_KEYS, ELSEWHERE)
    name = keys.text("endpoint").strip("/")
    if not _NAME.fullmatch(name) or set(name.split("/")) & {".", ".."}:
        raise place.at("endpoint").refuse(
            f"'{name}' cannot be an endpoint; use letters, digits and . _ - in one part, or in two with a slash"
        )
    engine = _engine(keys)
    is_attached = engine == "triton"
    for key in ("model", "model_version"):
        if keys.has(key) and not is_attached:
            raise place.at(key).refuse(
                f"engine '{engine}' has no {key}, a model of this server; it takes model_file, which its workers load"
            )
    model_file = keys.text("model_file", "")
    metrics = Fields(keys.mapping("metrics"), place.at("metrics"), METRICS_KEYS)
    environment = keys.text("environment", "")
    return EndpointEntry(
        Endpoint(
            name,
            _existing(keys, "preprocess", base / keys.text("preprocess")),
            engine,
            _version(keys, "version"),
            keys.text("model") if is_attached else "",
            str(_version(keys, "model_version") or ""),
            _existing(keys, "model_file", base / model_file) if model_file else None,
            _count(keys, "workers", 1),
            _count(keys, "concurrency", 0),
            _existing(keys, "environment", base / environment) if environment else None,
            _tensors(keys, "input"),
            _tensors(keys, "output"),
            _log_freq(metrics),
            dict(_variables(metrics)),
        )
    )


def _engine(keys: Fields) -> str:
    engine = keys.text("engine", "triton")
    if engine in ENGINES:
        return engine
    if engine == "vllm":
        raise keys.place.at("engine").refuse(
            "engine 'vllm' is not served here; run vLLM itself, which has these routes"
        )
    hint = did_you_mean(engine, ENGINES)
    raise keys.place.at("engine").refuse(f"must be one of {', '.join(ENGINES)}, not '{engine}'{hint}")


def _existing(keys: Fields, key: str, path: Path) -> Path:
    if not path.exists():
        raise keys.place.at(key).refuse(f"there is no file or folder {path}")
    return path


def _version(keys: Fields, key: str) -> int:
    """ClearML's versions are texts; here they are numbers, quoted or not. 0: none is said."""
    if not keys.has(key):
        return 0
    given = keys.value(key)
    text = str(given)
    if isinstance(given, bool) or not VERSION.fullmatch(text):
        raise keys.place.at(key).refuse(f"must be a whole number above 0, not {given!r}")
    return int(text)


def _count(keys: Fields, key: str, otherwise: int) -> int:
    count = keys.whole(key) if keys.has(key) else otherwise
    if not min(otherwise, 1) <= count <= MOST_WORKERS:
        raise keys.place.at(key).refuse(f"must be at least {min(otherwise, 1)} and at most {MOST_WORKERS}, not {count}")
    return count


def _tensors(keys: Fields, side: str) -> Tensors:
    names, types = keys.texts(f"{side}_name"), keys.texts(f"{side}_type")
    for one in types:
        if one not in TYPES:
            raise keys.place.at(f"{side}_type").refuse(f"'{one}' is none of numpy's types: {', '.join(TYPES)}")
    given = keys.items(f"{side}_size") if keys.has(f"{side}_size") else []
    sizes = [given] if given and all(type(one) is int for one in given) else given
    if not all(isinstance(size, list) and all(type(one) is int for one in size) for size in sizes):
        raise keys.place.at(f"{side}_size").refuse("must be a list of sizes, such as [[1, 28, 28]]")
    for what, found in (("types", types), ("sizes", sizes)):
        if found and names and len(found) != len(names):
            raise keys.place.refuse(f"{side}: there are {len(names)} names, but {len(found)} {what}")
    return Tensors(names, types, tuple(tuple(size) for size in sizes))


def _log_freq(metrics: Fields) -> float:
    share = float(metrics.number("log_freq")) if metrics.has("log_freq") else 1.0
    if not 0 <= share <= 1:
        raise metrics.place.at("log_freq").refuse(f"must be between 0 and 1, not {share:g}")
    return share


def _variables(metrics: Fields) -> Iterator[tuple[str, Variable]]:
    seen: set[str] = set()
    for key in METRICS_KEYS[1:]:
        for text in metrics.texts(key):
            name, equals, rest = (part.strip() for part in text.partition("="))
            place = metrics.place.at(key)
            needs = key in ("variable_scalar", "variable_enum")
            if not name or bool(equals) != needs:
                example = {"variable_scalar": "x=0,0.2,1 or x=0/10/1", "variable_enum": "a=cat,dog"}.get(key, "x")
                raise place.refuse(f"'{text}' must be written as {example}")
            if name in seen:
                raise place.refuse(f"'{name}' is declared twice")
            seen.add(name)
            yield name, _variable(key.removeprefix("variable_"), rest, text, place)


def _variable(kind: str, rest: str, text: str, place: Position) -> Variable:
    if kind == "enum":
        words = tuple(dict.fromkeys(word.strip() for word in rest.split(",") if word.strip()))
        if not words:
            raise place.refuse(f"'{text}' names no values; write them as a=cat,dog")
        return Variable(kind, words=words)
    return Variable(kind, _buckets(rest, text, place) if kind == "scalar" else ())


def _buckets(rest: str, text: str, place: Position) -> tuple[float, ...]:
    """Upper bounds: listed, or `least/most/step`."""
    is_range = "/" in rest
    try:
        numbers = [float(one) for one in rest.split("/" if is_range else ",")]
    except ValueError:
        numbers = []
    if not numbers or not all(map(isfinite, numbers)) or (is_range and len(numbers) != 3):
        raise place.refuse(f"'{text}' must be numbers, as x=0,0.2,1, or a range least/most/step, as x=0/10/1")
    if is_range:
        least, most, step = numbers
        if step <= 0 or most < least or (most - least) / step >= MOST_BUCKETS:
            raise place.refuse(f"'{text}': a range goes up, in at most {MOST_BUCKETS} steps above 0")
        numbers = [least + index * step for index in range(int((most - least) / step + 1e-9) + 1)]
    if len(numbers) > MOST_BUCKETS or any(left >= right for left, right in pairwise(numbers)):
        raise place.refuse(f"'{text}': bounds must go up, and be {MOST_BUCKETS} at most")
    return tuple(numbers)


def check_endpoints(entries: tuple[EndpointEntry, ...]) -> None:
    """Raise InvalidConfiguration for endpoints whose URLs contradict each other."""
    by_name: dict[str, list[int]] = {}
    for entry in entries:
        by_name.setdefault(entry.endpoint.name, []).append(entry.endpoint.version)
    for name, versions in by_name.items():
        if len(set(versions)) < len(versions):
            raise InvalidConfiguration(
                f"endpoint '{name}' is there twice; give each a version of its own", endpoint=name
            )
        if 0 in versions and len(versions) > 1:
            raise InvalidConfiguration(
                f"endpoint '{name}' is there with versions and without; give each a version, and /serve/{name} is the "
                "newest",
                endpoint=name,
            )
