"""Python models: the same files `python_models/NAME/1/model.py` run on both sides.

Each name begins with the model that is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from math import prod
from typing import Any

from harness.case import Http, Step, Stream, get, infer, post
from harness.region import KEY

SQUARES = "square", "bls_decoupled_sync", "bls_decoupled_async"
KINDS = {
    "BOOL": [True, False, True], "UINT8": [0, 255], "UINT16": [0, 65535], "UINT32": [2**32 - 1], "UINT64": [2**64 - 1],
    "INT8": [-128, 127], "INT16": [-32768], "INT32": [-(2**31), 5], "INT64": [-(2**63), 2**63 - 1],
    "FP32": [0.5, -1.25], "FP64": [1e300, 0.1], "BYTES": ["é", "", "a b"],
}  # fmt: skip
FIELDS = {
    "INT32": "int_contents", "UINT32": "uint_contents", "FP32": "fp32_contents", "BYTES": "bytes_contents",
}  # fmt: skip


def tensor(name: str, datatype: str, data: list[Any], *shape: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape or (len(data),)), "data": data}


def ints(*data: int, name: str = "x") -> dict[str, Any]:
    return tensor(name, "INT32", list(data))


def ask(model: str, *inputs: dict[str, Any], outputs: str = "", **more: Any) -> Http:
    """outputs: letters, each the name of one that is asked for."""
    wanted = {"outputs": [{"name": name} for name in outputs]} if outputs else {}
    return infer({"inputs": list(inputs), **wanted, **more}, model)


def stream(model: str, *requests: list[dict[str, Any]], empty_final: bool = False) -> Stream:
    """Requests of one stream, each a list of inputs."""
    parameters = {"triton_enable_empty_final_response": {"bool_param": True}} if empty_final else {}
    return Stream(
        tuple(
            {"model_name": model, "id": str(number), "parameters": parameters, "inputs": list(map(_typed, inputs))}
            for number, inputs in enumerate(requests)
        )
    )


def _typed(given: dict[str, Any]) -> dict[str, Any]:
    shape = {name: one for name, one in given.items() if name != "data"}
    return {**shape, "contents": {FIELDS[given["datatype"]]: given["data"]}}


def four(first: str = "FP32", count: int = 4) -> list[dict[str, Any]]:
    return [tensor("INPUT0", first, [0.5, 1, 2, 3][:count]), tensor("INPUT1", "FP32", [4, 3, 2, 1])]


def texts(*data: str, rows: int = 1) -> dict[str, Any]:
    return tensor("x", "BYTES", list(data), rows, len(data) // rows)


def repeats(*values: int, delay_ms: int = 1) -> list[dict[str, Any]]:
    return [
        ints(*values, name="IN"),
        tensor("DELAY", "UINT32", [delay_ms] * len(values)),
        tensor("WAIT", "UINT32", [0]),
    ]


def image(*shape: int) -> dict[str, Any]:
    return tensor("IMAGE", "UINT8", [number * 8 % 256 for number in range(prod(shape))], *shape)


def grid(name: str, rows: int, columns: int) -> dict[str, Any]:
    return tensor(name, "FP32", [float(number) for number in range(rows * columns)], rows, columns)


def step(value: int, flags: str = "", name: int = 5, model: str = "sequence") -> Http:
    """A step of a sequence; flags: `<` begins it, `>` ends it."""
    marks = {"sequence_id": name, "sequence_start": "<" in flags, "sequence_end": ">" in flags}
    return ask(model, ints(value), parameters=marks)


def shared(size: int = 64, offset: int = 0, **more: Any) -> dict[str, Any]:
    where = {"shared_memory_region": "p", "shared_memory_byte_size": size, "shared_memory_offset": offset}
    return {"parameters": where, **more}


def in_region(*requests: Http) -> list[Step]:
    register = post("/v2/systemsharedmemory/region/p/register", {"key": KEY, "offset": 0, "byte_size": 256})
    return [register, *requests, post("/v2/systemsharedmemory/region/p/unregister")]


Cases = Iterator[tuple[str, Step | list[Step]]]


def _declared() -> Cases:
    """Configurations, and requests to other models."""
    for model in ("add_sub", "auto_complete", "bls_async"):
        yield f"{model}: good", ask(model, *four())
        yield f"{model}: a wrong shape", ask(model, *four(count=3))
        yield f"{model}: a wrong datatype", ask(model, *four("FP64"))
        yield f"{model}: an input is missing", ask(model, *four()[:1])
    for model in ("auto_complete", "auto_complete_batch", "sequence", "rescheduling", "reshaped", "states"):
        yield f"{model}: metadata and configuration", [get(f"/v2/models/{model}"), get(f"/v2/models/{model}/config")]
    for rows in (1, 3, 5):
        given = tensor("IN", "INT64", list(range(2 * rows)), rows, 2)
        yield f"auto_complete_batch: rows {rows}", ask("auto_complete_batch", given)
    for name in ("add_sub", "auto_complete", "nobody", "square"):
        yield f"bls_sync: {name}", ask("bls_sync", tensor("MODEL_NAME", "BYTES", [name]), *four())
    for model in SQUARES:
        for value in (0, 1, 4, 7, -1):
            given = ints(value, name="IN")
            asked = stream(model, [given], empty_final=True) if model == "square" else ask(model, given)
            yield f"{model}: {value}", asked


def _streams() -> Cases:
    """Several answers, sequences, iterations, and senders."""
    yield "square: two in one stream", stream("square", [ints(2, name="IN")])
    yield "square: one answer over HTTP", ask("square", ints(1, name="IN"))
    yield "square: two answers over HTTP", ask("square", ints(2, name="IN"))
    yield "square: no answer over HTTP", ask("square", ints(0, name="IN"))
    yield "repeat: three", stream("repeat", repeats(7, 8, 9))
    yield "repeat: three, and the end", stream("repeat", repeats(7, 8, 9), empty_final=True)
    yield "repeat: none", stream("repeat", repeats(), empty_final=True)
    yield "repeat: one after the other", stream("repeat", repeats(1), repeats(2))
    yield "cancellation: nobody has", stream("cancellation", [ints(1)])
    yield "cancellation: by the model", stream("cancellation", [ints(-1)], empty_final=True)
    for number in range(4):
        yield f"senders: {number}", ask("senders", ints(number))
    yield "stream_senders: all", stream("stream_senders", [ints(1)], empty_final=True)
    yield "async_execute: three", stream("async_execute", [ints(1, 2, 3)], empty_final=True)
    yield "async_execute: two requests", stream("async_execute", [ints(1)], [ints(2)])
    for turns in (0, 1, 2, 5):
        yield f"rescheduling: {turns} turns", ask("rescheduling", ints(turns))
    yield "sequence: three steps", [step(1, "<"), step(2), step(3, ">")]
    yield "sequence: one step", step(4, "<>")
    yield "sequence: no start", step(4, name=99)
    states = [step(value, flags, 8, "states") for value, flags in ((1, "<"), (2, ""), (3, ">"), (4, "<>"))]
    yield "states: two sequences", states
    yield "sequence: one after another", [step(1, "<", 6), step(2, ">", 6), step(5, "<>", 7)]


def _told() -> Cases:
    """What a model is told, and what it tells."""
    yield "instance_kind: what it is told", ask("instance_kind", ints(1))
    yield "logging: all ways", ask("logging", ints(1, 2))
    told: dict[str, Any] = {"a": 1, "b": "c", "d": True, "e": 0.5}
    yield "request_parameters: none", ask("request_parameters", ints(1))
    yield "request_parameters: all kinds", ask("request_parameters", ints(1), parameters=told, id="i")
    known = {"priority": 1, "timeout": 1000, "sequence_id": 7, "sequence_start": True, "sequence_end": True}
    yield "request_parameters: those that the protocol knows", ask("request_parameters", ints(1), parameters=known)
    yield "request_parameters: an id of text", ask("request_parameters", ints(1), parameters={"sequence_id": "me"})
    for number in range(9):
        yield f"error_codes: {number}", ask("error_codes", ints(number))
    for number in (0, 1, 2, 3, 7, 8, 9):  # what is no list, or holds None, Triton's program does not answer at all
        yield f"raising: {number}", ask("raising", ints(number))
    yield "helpers: what they give", ask("helpers", ints(1))
    yield "arguments: wrong ones", ask("arguments", ints(1))
    yield "bls_errors: all", ask("bls_errors", ints(1))
    yield "siblings: a product", ask("siblings", ints(1, 2))
    yield "partial_errors: even", ask("partial_errors", tensor("x", "INT32", [2, 4], 2, 1))
    yield "partial_errors: odd", ask("partial_errors", tensor("x", "INT32", [2, 5], 2, 1))


def _arrays() -> Cases:
    """Shapes, datatypes, layouts, places."""
    yield "jax: a product", ask("jax", grid("INPUT0", 2, 3), grid("INPUT1", 3, 4))
    yield "jax: of one number each", ask("jax", grid("INPUT0", 1, 3), grid("INPUT1", 3, 1))
    yield "jax: that does not suit", ask("jax", grid("INPUT0", 2, 2), grid("INPUT1", 3, 4))
    for shape in ((1, 4, 4, 3), (2, 9, 5, 3), (1, 1, 1, 3), (1, 4, 4, 4)):
        yield f"preprocessing: {shape}", ask("preprocessing", image(*shape))
    yield "strings: several", ask("strings", texts("a", "é日本😀", "", "x" * 300))
    yield "strings: in rows", ask("strings", texts("a", "b", "c", "d", rows=2))
    yield "strings: one output", infer({"inputs": [texts("a")], "outputs": [{"name": "length"}]}, "strings")
    yield "strings: NUL", ask("strings", texts("a\0b", "\0"))
    one = {name: ints(number, name=name) for number, name in enumerate("abc", 1)}
    for names in ("a", "ab", "ac", "abc", "cba", "b", "bc"):
        yield f"optional_inputs: {names}", ask("optional_inputs", *(one[name] for name in names))
    given = shared(name="x", datatype="INT32", shape=[1, 16])
    into = {"outputs": [{"name": "y", **shared(offset=128)}]}
    yield "shared_memory: in", in_region(ask("shared_memory", given))
    yield "shared_memory: in and out", in_region(ask("shared_memory", given, **into))
    yield "shared_memory: two rows", in_region(ask("shared_memory", {**given, **shared(128), "shape": [2, 16]}))
    yield "shared_memory: too little", in_region(ask("shared_memory", {**given, **shared(32)}))
    for width in (1, 3, 6):
        yield f"ragged: {width}", ask("ragged", tensor("x", "INT32", list(range(width)), 1, width))
    yield "ragged: two rows", ask("ragged", tensor("x", "INT32", list(range(6)), 2, 3))
    for rows in (1, 4, 5):
        yield f"batches: rows {rows}", ask("batches", tensor("x", "INT32", list(range(2 * rows)), rows, 2))
    for rows in (1, 3):
        yield f"reshaped: rows {rows}", ask("reshaped", tensor("x", "INT32", list(range(4 * rows)), rows, 2, 2))


def _odd() -> Cases:
    """Nothing, not everything, everything."""
    yield "zero_size: nothing in", ask("zero_size", tensor("x", "FP32", [], 0, 2))
    yield (
        "zero_size: nothing in, no strings",
        ask("zero_size", tensor("x", "FP32", [], 0, 2), tensor("s", "BYTES", [], 0)),
    )
    yield "zero_size: nothing out", ask("zero_size", tensor("x", "FP32", [-1, 0, -2, 0], 2, 2))
    yield "zero_size: something", ask("zero_size", tensor("x", "FP32", [1, 0, -2, 0], 2, 2), tensor("s", "BYTES", [""]))
    for outputs in ("", "a", "cb", "cab"):
        for value in (0, 1, 9):
            name = f"requested_outputs: {outputs or 'not said'}, {value}"
            yield name, ask("requested_outputs", ints(value, 2), outputs=outputs)
    for datatype, data in KINDS.items():
        yield f"datatypes: {datatype}", ask("datatypes", tensor(datatype.lower(), datatype, data))
    every = [tensor(datatype.lower(), datatype, data) for datatype, data in KINDS.items()]
    yield "datatypes: all", ask("datatypes", *every)
    yield "datatypes: none", ask("datatypes")
    for rows, columns in ((2, 3), (1, 1), (3, 1)):
        yield f"memory_layout: {rows} x {columns}", ask("memory_layout", grid("x", rows, columns))


CASES: dict[str, Step | list[Step]] = dict(chain(_declared(), _streams(), _told(), _arrays(), _odd()))
