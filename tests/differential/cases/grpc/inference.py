"""ModelInfer: raw and typed contents, parameters of every kind, outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness.case import Rpc, Step
from harness.region import KEY

RAW = np.arange(16, dtype=np.int32).tobytes()
FULL = {"int_contents": list(range(16))}
WORDS = [b"1"] * 16
SEVEN = b"\1\0\0\0" + b"7"
KINDS: dict[str, Any] = {
    "bool_param": True, "int64_param": 1, "string_param": "1", "double_param": 0.5, "uint64_param": 1,
}  # fmt: skip
FIELDS = {
    "BOOL": "bool_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
HOLDS: dict[str, list[Any]] = {
    "bool_contents": [True, False], "int_contents": [1, -1], "int64_contents": [1, -1], "uint_contents": [1, 2],
    "uint64_contents": [1, 2], "fp32_contents": [0.5, 1.0], "fp64_contents": [0.5, 1.0], "bytes_contents": [b"a", b""],
}  # fmt: skip
DTYPES = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "u2", "UINT32": "u4", "UINT64": "u8", "INT8": "i1", "INT16": "i2",
    "INT32": "i4", "INT64": "i8", "FP16": "f2", "FP32": "f4", "FP64": "f8",
}  # fmt: skip


def tensor(name: str, datatype: str = "INT32", shape: tuple[int, ...] = (1, 16), **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, **more}


def numbers(**more: Any) -> Rpc:
    """A call that is right, but for what is said."""
    fields = {"model_name": "simple", "inputs": [tensor("INPUT0"), tensor("INPUT1")], "raw_input_contents": [RAW, RAW]}
    return Rpc("ModelInfer", {**fields, **more})


def typed(*contents: dict[str, Any] | None, datatype: str = "INT32", model: str = "simple", **more: Any) -> Rpc:
    inputs = [
        tensor(f"INPUT{n}", datatype, **({} if one is None else {"contents": one})) for n, one in enumerate(contents)
    ]
    return Rpc("ModelInfer", {"model_name": model, "inputs": inputs, **more})


def one(datatype: str, shape: tuple[int, ...], **more: Any) -> Rpc:
    entry = tensor(
        datatype.lower(), datatype, shape, **({"contents": more.pop("contents")} if "contents" in more else {})
    )
    return Rpc("ModelInfer", {"model_name": "all", "inputs": [entry], **more})


def parameter(key: str, kind: str, value: Any) -> Rpc:
    return numbers(parameters={key: {kind: value} if kind else {}})


def output(name: str = "OUTPUT0", **parameters: Any) -> dict[str, Any]:
    return {"name": name, "parameters": parameters}


def words(first: bytes) -> Rpc:
    inputs = [tensor("INPUT0", "BYTES"), tensor("INPUT1", "BYTES")]
    return Rpc("ModelInfer", {"model_name": "text", "inputs": inputs, "raw_input_contents": [first, SEVEN * 16]})


def strings(first: list[bytes]) -> Rpc:
    return typed({"bytes_contents": first}, {"bytes_contents": WORDS}, datatype="BYTES", model="text")


RIGHT: dict[str, Step] = {
    "raw": numbers(id="a"),
    "typed": typed(FULL, FULL, id="b"),
    "unicode id": numbers(id="é日本"),
    "strings": strings(WORDS),
    "raw strings": words(SEVEN * 16),
    "a version": numbers(model_version="1"),
    "batch 8": numbers(inputs=[tensor(f"INPUT{n}", shape=(8, 16)) for n in (0, 1)], raw_input_contents=[RAW * 8] * 2),
    **{f"raw {name}": one(name, (3,), raw_input_contents=[np.arange(3).astype(code).tobytes()])
       for name, code in DTYPES.items()},
    **{f"typed {name}": one(name, (2,), contents={field: HOLDS[field]}) for name, field in FIELDS.items()},
    "raw BYTES": one("BYTES", (2,), raw_input_contents=[SEVEN + b"\2\0\0\0\xff\xfe"]),
    "NaN": one("FP32", (2,), contents={"fp32_contents": [float("nan"), float("inf")]}),
    "nothing, raw": one("FP32", (0,), raw_input_contents=[b""]),
    "nothing, typed": one("FP32", (0,), contents={"fp32_contents": []}),
    "nothing, no contents": one("FP32", (0,)),
    "no BYTES, raw": one("BYTES", (0,), raw_input_contents=[b""]),
}  # fmt: skip

CONTENTS: dict[str, Step] = {
    "short": numbers(raw_input_contents=[RAW, RAW[:8]], id="a"),
    "long": numbers(raw_input_contents=[RAW, RAW + RAW]),
    "empty": numbers(raw_input_contents=[RAW, b""]),
    "one missing": numbers(raw_input_contents=[RAW]),
    "short, same input twice": numbers(inputs=[tensor("INPUT0")] * 2, raw_input_contents=[RAW[:8], RAW]),
    "no data, same input twice": numbers(inputs=[tensor("INPUT1"), *[tensor("INPUT0")] * 2], raw_input_contents=[]),
    "short, a wrong output": numbers(raw_input_contents=[RAW, RAW[:8]], outputs=[output(classification={"bool_param": True})]),
    "memory's size as text, no region": numbers(
        inputs=[tensor("INPUT0", parameters={"shared_memory_byte_size": {"string_param": "1"}}), tensor("INPUT1")]),
    "memory's offset as bool, no region": numbers(
        inputs=[tensor("INPUT0", parameters={"shared_memory_offset": {"bool_param": True}}), tensor("INPUT1")]),
    "no rows of the last": numbers(
        inputs=[tensor("INPUT0"), tensor("INPUT1", shape=(0, 16))], raw_input_contents=[RAW, b""]),
    "no rows of the last, bytes": numbers(inputs=[tensor("INPUT0"), tensor("INPUT1", shape=(0, 16))]),
    "both short": numbers(raw_input_contents=[RAW[:8], RAW[:8]]),
    "first short": numbers(raw_input_contents=[RAW[:8], RAW]),
    "short and long": numbers(raw_input_contents=[RAW[:8], RAW + RAW]),
    "both short and typed": typed({"int_contents": [1]}, {"int_contents": [1]}),
    "short, then of another type": typed({"int_contents": [1]}, {"fp32_contents": [1.0] * 16}),
    "short, then nothing": typed({"int_contents": [1]}, None),
    "one too many": numbers(raw_input_contents=[RAW] * 3),
    "short and typed": typed(FULL, {"int_contents": [1]}),
    "long and typed": typed(FULL, {"int_contents": [1] * 17}),
    "raw and typed": typed(FULL, None, raw_input_contents=[RAW, RAW]),
    "typed and raw for one each": typed(FULL, None, raw_input_contents=[RAW]),
    "no data": typed(None, None),
    "no data for one": typed(FULL, None),
    "other field": typed(FULL, {"fp32_contents": [1.0] * 16}),
    "two fields": typed(FULL, {"int_contents": list(range(16)), "fp32_contents": [1.0]}),
    "two fields, the other first": typed(FULL, {"int_contents": list(range(16)), "bool_contents": [True]}),
    "no contents": typed(FULL, {}),
    **{f"{field} for {name}": one(name, (2,), contents={field: HOLDS[field]})
       for name in ("INT8", "UINT16", "INT64", "FP32", "BOOL", "BYTES", "FP16") for field in HOLDS if FIELDS.get(name) != field},
    "INT8 too large": one("INT8", (2,), contents={"int_contents": [128, -129]}),
    "INT16 too large": one("INT16", (2,), contents={"int_contents": [32768, 0]}),
    "UINT8 too large": one("UINT8", (2,), contents={"uint_contents": [256, 0]}),
    "few strings": strings(WORDS[:3]),
    "many strings": strings([b"1"] * 17),
    "few raw strings": words(SEVEN * 3),
    "many raw strings": words(SEVEN * 17),
    "a length cut": words(SEVEN * 15 + b"\1\0"),
    "a string cut": words(SEVEN * 15 + b"\7\0\0\0a"),
    "a length of 4 GB": words(SEVEN * 15 + b"\xff\xff\xff\xff"),
}  # fmt: skip

TENSORS: dict[str, Step] = {
    "unknown datatype": typed(FULL, FULL, datatype="FP8"),
    "no datatype": typed(FULL, FULL, datatype=""),
    "another datatype": typed({"fp32_contents": [1.0] * 16}, {"fp32_contents": [1.0] * 16}, datatype="FP32"),
    "no name": numbers(inputs=[tensor(""), tensor("INPUT1")]),
    "unknown input": numbers(inputs=[tensor("x"), tensor("INPUT1")]),
    "same input twice": numbers(inputs=[tensor("INPUT0")] * 2),
    "no inputs": numbers(inputs=[], raw_input_contents=[]),
    "one input": numbers(inputs=[tensor("INPUT0")], raw_input_contents=[RAW]),
    "three inputs": numbers(inputs=[tensor(f"INPUT{n}") for n in range(3)], raw_input_contents=[RAW] * 3),
    "no shape": numbers(inputs=[tensor("INPUT0", shape=()), tensor("INPUT1")]),
    "shape of one": numbers(inputs=[tensor("INPUT0", shape=(16,)), tensor("INPUT1")]),
    "shape of three": numbers(inputs=[tensor("INPUT0", shape=(1, 4, 4)), tensor("INPUT1")]),
    "another shape": numbers(inputs=[tensor("INPUT0", shape=(1, 15)), tensor("INPUT1")], raw_input_contents=[RAW[:60], RAW]),
    "batch 9": numbers(inputs=[tensor(f"INPUT{n}", shape=(9, 16)) for n in (0, 1)], raw_input_contents=[RAW * 9] * 2),
    "batches that differ": numbers(inputs=[tensor("INPUT0", shape=(2, 16)), tensor("INPUT1")], raw_input_contents=[RAW * 2, RAW]),
    "dimension -1": numbers(inputs=[tensor("INPUT0", shape=(1, -1)), tensor("INPUT1")]),
    "a negative batch": numbers(inputs=[tensor("INPUT0", shape=(-1, 16)), tensor("INPUT1")]),
    "unknown model": numbers(model_name="nope"),
    "no model": numbers(model_name=""),
    "nothing": Rpc("ModelInfer", {}),
    **{f"version {version!r}": numbers(model_version=version) for version in
       ("-1", "-2", "x", "9", "0", "01", "1.0", "1x", " 1", "+1", "99999999999999999999")},
    "unknown version of an unknown model": numbers(model_name="nope", model_version="x"),
}  # fmt: skip

PARAMETERS: dict[str, Step] = {
    **{f"{key}, {kind}": parameter(key, kind, value)
       for key in ("mine", "sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "binary_data_output",
                   "headers", "triton_enable_empty_final_response", "triton_x")
       for kind, value in {**KINDS, "": None}.items()},
    "priority -1": parameter("priority", "int64_param", -1),
    "priority 2**63": parameter("priority", "uint64_param", 2**63),
    "timeout -1": parameter("timeout", "int64_param", -1),
    "sequence_id -1": parameter("sequence_id", "int64_param", -1),
    "sequence_id empty": parameter("sequence_id", "string_param", ""),
    "an empty key": parameter("", "int64_param", 1),
    "a parameter of an input": numbers(inputs=[tensor("INPUT0", parameters={"mine": {"int64_param": 1}}), tensor("INPUT1")]),
    "binary_data_size of an input": numbers(
        inputs=[tensor("INPUT0", parameters={"binary_data_size": {"int64_param": 3}}), tensor("INPUT1")]),
}  # fmt: skip

OUTPUTS: dict[str, Step] = {
    "one output": numbers(outputs=[{"name": "OUTPUT1"}]),
    "same output twice": numbers(outputs=[{"name": "OUTPUT0"}] * 2),
    "unknown output": numbers(outputs=[{"name": "X"}]),
    "an output without a name": numbers(outputs=[{}]),
    "classes": numbers(outputs=[output(classification={"int64_param": 2})]),
    "more classes than elements": numbers(outputs=[output(classification={"int64_param": 99})]),
    "classes of both": numbers(outputs=[output(f"OUTPUT{n}", classification={"int64_param": n + 1}) for n in (0, 1)]),
    **{f"classes, {kind}": numbers(outputs=[output(classification={kind: value} if kind else {})])
       for kind, value in {**KINDS, "": None}.items()},
    "classes 0": numbers(outputs=[output(classification={"int64_param": 0})]),
    "classes -2": numbers(outputs=[output(classification={"int64_param": -2})]),
    "labels": Rpc("ModelInfer", {"model_name": "rows", "inputs": [tensor("x", "FP32", (2, 3))],
                                 "raw_input_contents": [np.array([[1, 3, 2], [0.5, 0.5, 1e-7]], np.float32).tobytes()],
                                 "outputs": [{"name": "out_x", "parameters": {"classification": {"int64_param": 3}}}]}),
    "classes of FP16": one("FP16", (2,), raw_input_contents=[b"\0\0\0\0"],
                           outputs=[{"name": "out_fp16", "parameters": {"classification": {"int64_param": 1}}}]),
    "an unknown parameter": numbers(outputs=[output(mine={"int64_param": 2})]),
    "binary_data": numbers(outputs=[output(binary_data={"bool_param": False})]),
}  # fmt: skip


def in_memory(region: Any = "r", size: Any = 64, **more: Any) -> dict[str, Any]:
    return {"shared_memory_region": {"string_param": region}, "shared_memory_byte_size": {"int64_param": size}, **more}


def shared(first: dict[str, Any], contents: list[bytes], **more: Any) -> list[Step]:
    return [
        Rpc("SystemSharedMemoryRegister", {"name": "r", "key": KEY, "byte_size": 256}),
        numbers(inputs=[tensor("INPUT0", parameters=first), tensor("INPUT1")], raw_input_contents=contents, **more),
        Rpc("SystemSharedMemoryUnregister", {"name": "r"}),
    ]


def offset(value: int) -> dict[str, Any]:
    return {"shared_memory_offset": {"int64_param": value}}


MEMORY: dict[str, Step | list[Step]] = {
    "shared memory for one": shared(in_memory(), [RAW]),
    "shared memory at an offset": shared(in_memory(**offset(64)), [RAW]),
    "shared memory and raw for both": shared(in_memory(), [RAW, RAW]),
    "shared memory, no raw": shared(in_memory(), []),
    "shared memory, unknown region": shared(in_memory("nope"), [RAW]),
    "shared memory, too small": shared(in_memory(size=60), [RAW]),
    "shared memory, past the end": shared(in_memory(size=64, **offset(224)), [RAW]),
    "shared memory, offset past the end": shared(in_memory(size=64, **offset(300)), [RAW]),
    "shared memory, a negative offset": shared(in_memory(**offset(-64)), [RAW]),
    "shared memory, a negative size": shared(in_memory(size=-1), [RAW]),
    "shared memory, no size": shared({"shared_memory_region": {"string_param": "r"}}, [RAW]),
    "shared memory, size as text": shared(
        {"shared_memory_region": {"string_param": "r"}, "shared_memory_byte_size": {"string_param": "64"}}, [RAW]),
    "shared memory, region a number": shared(
        {"shared_memory_region": {"int64_param": 1}, "shared_memory_byte_size": {"int64_param": 64}}, [RAW]),
    "shared memory for an output": shared(in_memory(), [RAW], outputs=[output(**in_memory(**offset(128)))]),
    "shared memory for an output, too small": shared(in_memory(), [RAW], outputs=[output(**in_memory(size=60))]),
    "shared memory for an output, past the end": shared(in_memory(), [RAW], outputs=[output(**in_memory(**offset(224)))]),
    "shared memory for an output, unknown": shared(in_memory(), [RAW], outputs=[output(**in_memory("nope"))]),
    "shared memory for an output with classes": shared(
        in_memory(), [RAW], outputs=[output(classification={"int64_param": 1}, **in_memory())]),
}  # fmt: skip

TRANSPORT: dict[str, Step] = {
    "not a message": Rpc("ModelInfer", b"\xff\xff\xff"),
    "a message cut": Rpc("ModelInfer", b"\x0a\x20simple"),
    "an empty message": Rpc("ModelInfer", b""),
    "an unknown field": Rpc("ModelInfer", b"\xfa\x3f\x01x"),
    "gzip": Rpc("ModelInfer", numbers().fields, compression="gzip"),
    "deflate": Rpc("ModelInfer", numbers().fields, compression="deflate"),
    "a header": Rpc("ModelInfer", numbers().fields, metadata=(("mine", "x"),)),
    "an unknown method": Rpc("/inference.GRPCInferenceService/Nothing"),
    "an unknown service": Rpc("/nothing.Nothing/Nothing"),
    "not a path": Rpc("/x"),
    "health": Rpc("/grpc.health.v1.Health/Check"),
    "health of a service": Rpc("/grpc.health.v1.Health/Check", b"\x0a\x01x"),
    "health watched": Rpc("/grpc.health.v1.Health/Watch"),
    "health listed": Rpc("/grpc.health.v1.Health/List"),
}

CASES: dict[str, Step | list[Step]] = {
    **RIGHT,
    **{f"contents: {name}": step for name, step in CONTENTS.items()},
    **{f"tensors: {name}": step for name, step in TENSORS.items()},
    **{f"parameter {name}": step for name, step in PARAMETERS.items()},
    **{f"outputs: {name}": step for name, step in OUTPUTS.items()},
    **MEMORY,
    **{f"transport: {name}": step for name, step in TRANSPORT.items()},
}
