"""Models for jobs, and requests to a server that takes them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

IDENTITY = (
    'input {{ name: "x" data_type: TYPE_INT32 dims: [ 1 ] }} output {{ name: "y" data_type: TYPE_INT32 dims: [ 1 ] }} '
)
DELAYED = (
    'parameters {{ key: "execute_delay_ms" value {{ string_value: "{ms}" }} }} '
    "instance_group {{ count: {count} kind: KIND_CPU }}"
)
REPEAT = """
name: "repeat" backend: "repeat" model_transaction_policy { decoupled: true }
input [ { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }, { name: "DELAY" data_type: TYPE_UINT32 dims: [ -1 ] },
        { name: "WAIT" data_type: TYPE_UINT32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }, { name: "IDX" data_type: TYPE_UINT32 dims: [ 1 ] } ]
"""


def put(repository: Path, name: str = "same", ms: int = 0, count: int = 1) -> Path:
    """Write a model that answers with its number after so many milliseconds."""
    (repository / name / "1").mkdir(parents=True, exist_ok=True)
    text = f'name: "{name}" backend: "identity" ' + (IDENTITY + DELAYED).format(ms=ms, count=count)
    (repository / name / "config.pbtxt").write_text(text)
    return repository


def put_repeat(repository: Path) -> Path:
    """Write the decoupled model `repeat`."""
    (repository / "repeat" / "1").mkdir(parents=True)
    (repository / "repeat" / "config.pbtxt").write_text(REPEAT)
    return repository


def body(number: int, **more: Any) -> bytes:
    return json.dumps({"inputs": [tensor("x", [number])], **more}).encode()


def tensor(name: str, data: list[int], datatype: str = "INT32") -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: Mapping[str, str], raw: bytes) -> None:
        self.status, self.headers, self.raw = status, headers, raw

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def error(self) -> str:
        return str(self.json["error"])


def ask(url: str, method: str = "GET", data: bytes | None = None, **headers: str) -> Answer:
    """Send one request; header names have underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    made = urllib.request.Request(url, data, named, method=method)
    try:
        with urllib.request.urlopen(made, timeout=90) as answer:
            return Answer(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read())


def post(url: str, data: bytes, model: str = "same", form: str = "", **headers: str) -> Answer:
    """Submit a job."""
    return ask(f"{url}/v2/models/{model}/jobs{form}", "POST", data, **headers)
