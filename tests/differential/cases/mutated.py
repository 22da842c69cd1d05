"""Right requests with one or two mistakes in them, the same ones each time: what nobody thought of writing down.

Known ways to differ are at the end; they are those of the page.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

from harness.case import Rpc, Step, binary, infer, post
from harness.region import KEY

from cases.grpc.inference import KINDS, RAW, tensor

ROW = list(range(16))
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.5, 2**31, 2**63, 2**64, "", "x", "1", "true", "INT32", "FP32", [], {}, [[]], [1],
    {"a": 1}, "é", ["x"], [None],
)  # fmt: skip
KEYS = ("x", "name", "id", "data", "parameters", "triton_x", "shared_memory_region")


def _entry(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": [1, 16], "datatype": "INT32", **more}


JSON: dict[str, Any] = {
    "id": "a",
    "inputs": [_entry("INPUT0", data=ROW), _entry("INPUT1", data=ROW)],
    "outputs": [
        {"name": "OUTPUT0", "parameters": {"binary_data": False}},
        {"name": "OUTPUT1", "parameters": {"classification": 2}},
    ],
    "parameters": {
        "mine": 1, "priority": 1, "timeout": 5, "sequence_id": 3, "sequence_start": True, "sequence_end": False,
        "binary_data_output": False,
    },
}  # fmt: skip
BINARY = {
    "inputs": [_entry(f"INPUT{n}", parameters={"binary_data_size": 64}) for n in (0, 1)],
    "outputs": [{"name": "OUTPUT0", "parameters": {"binary_data": True}}],
}


def _in_memory(offset: int) -> dict[str, Any]:
    return {"shared_memory_region": "r", "shared_memory_byte_size": 64, "shared_memory_offset": offset}


MEMORY = {
    "inputs": [_entry(f"INPUT{n}", parameters=_in_memory(64 * n)) for n in (0, 1)],
    "outputs": [{"name": "OUTPUT0", "parameters": _in_memory(128)}],
}
GENERATE = {"INPUT0": ROW, "INPUT1": ROW, "id": "q", "parameters": {"a": 1}, "mine": 2}
TRACE = {"trace_level": ["TIMESTAMPS"], "trace_rate": "7", "trace_count": "3", "log_frequency": "2"}
UNTRACED = {"trace_level": ["OFF"], "trace_rate": "1000", "trace_count": "-1", "log_frequency": "0"}
LOG = {"log_info": True, "log_warning": False, "log_error": True, "log_verbose_level": 1, "log_format": "default"}
USUAL_LOG = {**LOG, "log_warning": True, "log_verbose_level": 0}
REGION = {"key": KEY, "offset": 0, "byte_size": 64}
CUDA = {"raw_handle": {"b64": "A" * 86 + "=="}, "device_id": 0, "byte_size": 64}


class Mutations:
    """Makes requests; the same ones for the same group."""

    def __init__(self, group: str) -> None:
        self._random = random.Random(group)  # noqa: S311 - the same requests each time
        self._make: Callable[[], list[Step]] = getattr(self, "_" + group)

    def __iter__(self) -> Iterator[list[Step]]:
        while True:
            yield self._make()

    def _json(self) -> list[Step]:
        return [infer(self._small(JSON))]

    def _binary(self) -> list[Step]:
        return [binary(self._small(BINARY), b"\1\0\0\0" * self._random.choice((32, 32, 32, 16, 31, 33)))]

    def _memory(self) -> list[Step]:
        register = post("/v2/systemsharedmemory/region/r/register", {"key": KEY, "byte_size": 256})
        return [register, infer(self._small(MEMORY)), post("/v2/systemsharedmemory/unregister")]

    def _generate(self) -> list[Step]:
        return [post(f"/v2/models/simple/{self._random.choice(('generate', 'generate_stream'))}", self._of(GENERATE))]

    def _trace(self) -> list[Step]:
        return [post("/v2/trace/setting", self._of(TRACE)), post("/v2/trace/setting", UNTRACED)]

    def _log(self) -> list[Step]:
        return [post("/v2/logging", self._of({**LOG, "log_file": None})), post("/v2/logging", USUAL_LOG)]

    def _register(self) -> list[Step]:
        path = "/v2/systemsharedmemory"
        return [post(f"{path}/region/r/register", self._of(REGION)), post(f"{path}/unregister")]

    def _cuda(self) -> list[Step]:
        return [post("/v2/cudasharedmemory/region/r/register", self._of(CUDA))]

    def _index(self) -> list[Step]:
        return [post("/v2/repository/index", self._of({"ready": True, "x": 1}))]

    def _grpc(self) -> list[Step]:
        choose, inputs = self._random.choice, [tensor("INPUT0"), tensor("INPUT1")]
        fields: dict[str, Any] = {"model_name": "simple", "inputs": inputs, "raw_input_contents": [RAW, RAW]}
        if choose((True, False)):
            fields["raw_input_contents"] = []
            inputs = [{**one, "contents": {"int_contents": ROW}} for one in inputs]
            fields["inputs"] = inputs
        kinds = [{kind: value} for kind, value in KINDS.items()]
        contents = ({"int_contents": ROW}, {"int_contents": [1]}, {"fp32_contents": [1.0] * 16}, {})
        for _ in range(choose((1, 1, 2))):
            one, key = choose(inputs), choose(("priority", "timeout", "sequence_id", "sequence_start", "mine", ""))
            memory = choose(("shared_memory_region", "shared_memory_byte_size", "shared_memory_offset", "x"))
            change: Callable[[], Any] = choose((
                lambda one=one: one.update(name=choose(("INPUT0", "INPUT1", "OUTPUT0", "x", ""))),
                lambda one=one: one.update(datatype=choose(("FP32", "BYTES", "FP8", "", "UINT8", "BOOL"))),
                lambda one=one: one.update(shape=choose(((2, 16), (16,), (), (1, 15), (0, 16), (1, 16, 1), (9, 16)))),
                lambda one=one: one.update(contents=choose(contents)),
                lambda one=one, memory=memory: one.update(parameters={memory: choose(kinds)}),
                lambda one=one: inputs.append(dict(one)),
                lambda: fields.update(raw_input_contents=choose(([RAW], [RAW, RAW[:60]], [RAW, RAW * 2], [b"", RAW]))),
                lambda key=key: fields.update(parameters={key: choose(kinds)}),
                lambda memory=memory: fields.update(
                    outputs=[{"name": choose(("OUTPUT0", "x", "")), "parameters": {
                        choose(("classification", memory)): choose(kinds)}}]),
            ))  # fmt: skip
            change()
        return [Rpc("ModelInfer", fields)]

    def _small(self, document: Any) -> Any:
        """A mutation without a shape so large that it would end Triton."""
        while True:
            made = self._of(document)
            entries = made.get("inputs")
            shapes = [one.get("shape") for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
            if not any(isinstance(shape, list) and any(_is_large(dim) for dim in shape) for shape in shapes):
                return made

    def _of(self, document: Any) -> Any:
        """A copy with one mistake, or two."""
        made, choose = copy.deepcopy(document), self._random.choice
        for _ in range(choose((1, 1, 1, 2))):
            places = [place for place in self._places(made) if place]
            if not places:
                break
            *way, last = choose(places)
            inside = made
            for step in way:
                inside = inside[step]
            kind = choose(("odd", "odd", "odd", "without", "twice", "more"))
            if kind == "odd":
                inside[last] = copy.deepcopy(choose(ODD))
            elif kind == "without":
                del inside[last]
            elif isinstance(inside, list):
                inside.append(copy.deepcopy(inside[last]))
            else:
                inside[choose(KEYS)] = copy.deepcopy(choose(ODD))
        return made

    def _places(self, value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        yield way
        if isinstance(value, dict):
            for key in value:
                yield from self._places(value[key], (*way, key))
        elif isinstance(value, list) and value:
            few = range(len(value)) if len(value) <= 4 else [self._random.randrange(len(value))]
            for at in few:
                yield from self._places(value[at], (*way, at))


def _is_large(dim: Any) -> bool:
    return type(dim) is int and abs(dim) > 2**20


GROUPS = ("json", "binary", "memory", "generate", "trace", "log", "register", "cuda", "index", "grpc")

KNOWN = {
    r"; known: BOOL, ": "The error for an unknown datatype names it and lists the valid ones.",
    r"output '.*' already exists in request": "It is an error to name an output twice.",
    r"byte size mismatch|string elements|incomplete string": (
        "If a request has several errors, the one reported first may be that its bytes do not fill a shape."
    ),
    r"Invalid value for 'ready'": "`ready` in an index request must be true or false.",
    r"holds a number that|unsigned-integer as unsigned": (
        "A number that its datatype cannot hold is an error; Triton takes its lower bits."
    ),
    r"'r': invalid args|\A200 b''\n200 b''\Z": (
        "A region of shared memory may begin at any byte; a region of zero bytes is an invalid argument."
    ),
    r"unexpected additional raw_input_contents": "It is an error to send more raw contents than inputs.",
    r"invalid value for 'timeout'": "A negative `timeout` is an error.",
    r"invalid shm key '/+'": "A key of shared memory that is only a slash is an invalid argument.",
}
"""What ours says where it differs, and the line of the page that says why."""
