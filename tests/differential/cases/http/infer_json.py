"""Inference requests in JSON: what is right, and everything that can be wrong."""

from __future__ import annotations

import json
from typing import Any

from harness.case import Http, Step, infer, post

ROW = list(range(16))
WRONG: dict[str, Any] = {
    "null": None, "number": 1, "negative": -1, "fraction": 0.5, "text": "x", "empty text": "", "true": True,
    "list": [1], "empty list": [], "object": {"a": 1}, "empty object": {},
}  # fmt: skip
"""Values to put where another type belongs."""


def tensor(name: str = "INPUT0", **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": [1, 16], "datatype": "INT32", "data": ROW, **more}


def simple(first: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"inputs": [tensor() if first is None else first, tensor("INPUT1")], **more}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in tensor().items() if name != key}


def one(datatype: str, data: Any, shape: Any = None) -> Step:
    """One input of the model `all`, which gives back what it gets."""
    count = len(data) if isinstance(data, list) else 1
    entry = {"name": datatype.lower(), "shape": [count] if shape is None else shape, "datatype": datatype, "data": data}
    return infer({"inputs": [entry]}, "all")


def parameter(key: str, value: Any) -> Step:
    return infer(simple(parameters={key: value}))


def raw(text: str) -> Step:
    return infer(text)


RANGES = {
    "UINT8": (0, 255), "UINT16": (0, 65535), "UINT32": (0, 2**32 - 1), "UINT64": (0, 2**64 - 1),
    "INT8": (-128, 127), "INT16": (-32768, 32767), "INT32": (-(2**31), 2**31 - 1), "INT64": (-(2**63), 2**63 - 1),
}  # fmt: skip
FLAT = json.dumps(simple())
NESTED: Any = 0
for _ in range(120):
    NESTED = [NESTED]

RIGHT: dict[str, Step] = {
    "plain": infer(simple()),
    "an id": infer(simple(id="a1")),
    "an empty id": infer(simple(id="")),
    "a unicode id": infer(simple(id="é\n\"\\/\u0001")),
    "version 1": post("/v2/models/simple/versions/1/infer", simple()),
    "nested data": infer(simple(tensor(data=[ROW]))),
    "nested more deeply than the shape": infer(simple(tensor(data=[[[one_] for one_ in ROW]]))),
    "nested unevenly": infer(simple(tensor(data=[ROW[:8], ROW[8:]]))),
    "nested in part": infer(simple(tensor(data=[0, [1, 2], *ROW[3:]]))),
    "inputs in the other order": infer({"inputs": [tensor("INPUT1"), tensor()]}),
    "an unknown key": infer(simple(more=1)),
    "an unknown key of an input": infer(simple(tensor(more=1))),
    "white space": raw(" \r\n\t" + FLAT.replace(",", " , ")),
    "space behind": raw(FLAT + "\n\n"),
    "batch 8": infer({"inputs": [tensor(n, shape=[8, 16], data=ROW * 8) for n in ("INPUT0", "INPUT1")]}),
    "bool": one("BOOL", [True, False, True]),
    "FP32": one("FP32", [0.0, -0.0, 1.5, 0.1, 1e30, -1e-30, 1e-45, 3.4028234663852886e38, 16777217, 123456789.0]),
    "FP64": one("FP64", [0.0, -0.0, 1.5, 0.1, 1e300, -1e-300, 5e-324, 1.7976931348623157e308, 1e21, 1e22, 1e16, 100]),
    "FP32 of integers": one("FP32", [1, 2, -3]),
    "FP64 of a large integer": one("FP64", [2**63, 2**64 - 1, -(2**63)]),
    "empty FP32": one("FP32", []),
    "empty BYTES": one("BYTES", []),
    "BYTES": one("BYTES", ["", "a", "é", "日本", "😀", "\u0000", "a\"b\\c/d", "\n\t\u001f", "\u007f"]),
    "BYTES with escapes": infer('{"inputs":[{"name":"bytes","shape":[2],"datatype":"BYTES","data":["\\u00e9\\/","\\ud83d\\ude00"]}]}', "all"),
    "strings": infer({"inputs": [tensor(n, datatype="BYTES", data=["1"] * 16) for n in ("INPUT0", "INPUT1")]}, "text"),
    **{f"{name} edges": one(name, list(edges)) for name, edges in RANGES.items()},
    "several datatypes": infer({"inputs": [
        {"name": "bool", "shape": [1], "datatype": "BOOL", "data": [True]},
        {"name": "int32", "shape": [2], "datatype": "INT32", "data": [1, 2]},
        {"name": "bytes", "shape": [1], "datatype": "BYTES", "data": ["x"]}]}, "all"),
    "a grid": infer({"inputs": [{"name": "x", "shape": [2, 3], "datatype": "INT64", "data": [[1, 2, 3], [4, 5, 6]]}]}, "grid"),
    "a grid without rows": infer({"inputs": [{"name": "x", "shape": [0, 3], "datatype": "INT64", "data": []}]}, "grid"),
}  # fmt: skip

TYPES: dict[str, Step] = {
    **{f"id: {kind}": infer(simple(id=value)) for kind, value in WRONG.items()},
    **{f"parameters: {kind}": infer(simple(parameters=value)) for kind, value in WRONG.items()},
    **{f"inputs: {kind}": infer({"inputs": value}) for kind, value in WRONG.items()},
    **{f"outputs: {kind}": infer(simple(outputs=value)) for kind, value in WRONG.items()},
    **{f"input: {kind}": infer({"inputs": [value, tensor("INPUT1")]}) for kind, value in WRONG.items()},
    **{f"name: {kind}": infer(simple(tensor(name=value))) for kind, value in WRONG.items()},
    **{f"shape: {kind}": infer(simple(tensor(shape=value))) for kind, value in WRONG.items()},
    **{f"dimension: {kind}": infer(simple(tensor(shape=[1, value]))) for kind, value in WRONG.items()},
    **{f"datatype: {kind}": infer(simple(tensor(datatype=value))) for kind, value in WRONG.items()},
    **{f"data: {kind}": infer(simple(tensor(data=value))) for kind, value in WRONG.items()},
    **{f"INT32 element: {kind}": one("INT32", [1, value], [2]) for kind, value in WRONG.items()},
    **{f"UINT8 element: {kind}": one("UINT8", [1, value], [2]) for kind, value in WRONG.items()},
    **{f"UINT64 element: {kind}": one("UINT64", [1, value], [2]) for kind, value in WRONG.items()},
    **{f"INT64 element: {kind}": one("INT64", [1, value], [2]) for kind, value in WRONG.items()},
    **{f"FP32 element: {kind}": one("FP32", [1.0, value], [2]) for kind, value in WRONG.items()},
    **{f"BOOL element: {kind}": one("BOOL", [True, value], [2]) for kind, value in WRONG.items()},
    **{f"BYTES element: {kind}": one("BYTES", ["a", value], [2]) for kind, value in WRONG.items()},
    **{f"input parameters: {kind}": infer(simple(tensor(parameters=value))) for kind, value in WRONG.items()},
    **{f"no {key}": infer(simple(without(key))) for key in ("name", "shape", "datatype", "data")},
}

PIECES = (
    '"\\u12G4"', '"\\udc00"', '"\\ud83d\\u0041"', "1.", "1.x", "1e", "1e+", "-", "-x", "tru", "nul", "nan", "NaN", "Inf",
    "-Infinity", '"a\x00b"', '"a', '"\\', "[", "[1", "[1 2]", '{"a"', '{"a":', '{"a":1', "{1:2}", "", "}", '"\t"',
    "1.5e400", "-1e999", "01", "1_0", "0x1", "'a'", "[,]", "{,}", '{"a":1,,}', "[1,,2]", "\ufeff1", '"\x7f"',
)  # fmt: skip
"""What may stand where a value should."""

SYNTAX: dict[str, Step] = {
    **{f"{piece!r}": raw('{"inputs":[],"x":' + piece + "}") for piece in PIECES},
    "a key and a colon": raw('{"inputs":[{"name":'),
    "a NUL behind": raw(FLAT + "\x00"),
    "a NUL": raw("\x00"),
    "a vertical tab": raw("\x0b{}"),
    "a byte order mark only": raw("\ufeff"),
    "90 open lists": raw("[" * 90),
    "no body": raw(""),
    "white space only": raw("  "),
    "null": raw("null"),
    "a number": raw("1"),
    "a string": raw('"x"'),
    "a list": raw("[]"),
    "an empty object": raw("{}"),
    "an open brace": raw("{"),
    "no quotes": raw("{inputs:[]}"),
    "single quotes": raw("{'inputs':[]}"),
    "no value": raw('{"inputs":}'),
    "no colon": raw('{"inputs" []}'),
    "a comma too many": raw('{"inputs":[],}'),
    "a comma too many in a list": raw('{"inputs":[1,]}'),
    "a comma too few": raw('{"inputs":[] "id":"a"}'),
    "cut in a list": raw('{"inputs":[1,2'),
    "cut in a string": raw('{"inp'),
    "cut behind a key": raw('{"inputs"'),
    "something behind": raw(FLAT + "x"),
    "another object behind": raw(FLAT + FLAT),
    "a comment": raw("/* x */" + FLAT),
    "a wrong escape": raw('{"id":"\\x"}'),
    "half a surrogate": raw('{"id":"\\ud83d"}'),
    "a control character in a string": raw('{"id":"a\nb"}'),
    "bytes that are not UTF-8": infer(b'{"id":"\xff\xfe",' + FLAT[1:].encode()),
    "a byte order mark": infer(b"\xef\xbb\xbf" + FLAT.encode()),
    "NaN": raw(FLAT.replace("[0, 1,", "[NaN, 1,")),
    "Infinity": raw(FLAT.replace("[0, 1,", "[Infinity, 1,")),
    "a leading zero": raw(FLAT.replace("[0, 1,", "[00, 1,")),
    "a leading plus": raw(FLAT.replace("[0, 1,", "[+0, 1,")),
    "a bare fraction": raw(FLAT.replace("[0, 1,", "[.5, 1,")),
    "a huge exponent": raw(FLAT.replace("[0, 1,", "[1e999, 1,")),
    "a number of 30 digits": raw(FLAT.replace("[0, 1,", f"[{'9' * 30}, 1,")),
    "a key twice": raw(FLAT[:-1] + ', "id":"a", "id":"b"}'),
    "inputs twice": raw(FLAT[:-1] + ', "inputs":[]}'),
    "too deep": raw(json.dumps(simple(tensor(data=NESTED)))),
}

VALUES: dict[str, Step] = {
    "no inputs": infer({"inputs": []}),
    "one input too few": infer({"inputs": [tensor()]}),
    "one input too many": infer({"inputs": [tensor(), tensor("INPUT1"), tensor("INPUT2")]}),
    "an unknown input": infer({"inputs": [tensor(), tensor("nope")]}),
    "an unknown input of a model with one": infer({"inputs": [{**tensor("q"), "shape": [1, 16], "datatype": "FP32"}]}, "rows"),
    "an unknown input beside optional ones": infer({"inputs": [tensor("q")]}, "all"),
    "no input of optional ones": infer({"inputs": []}, "all"),
    "the same input twice": infer({"inputs": [tensor(), tensor()]}),
    "three with one twice": infer({"inputs": [tensor(), tensor(), tensor("INPUT1")]}),
    "another datatype": infer(simple(tensor(datatype="FP32"))),
    "an unknown datatype": infer(simple(tensor(datatype="INT33"))),
    "a datatype in lower case": infer(simple(tensor(datatype="int32"))),
    "TYPE_INT32": infer(simple(tensor(datatype="TYPE_INT32"))),
    "STRING": one("STRING", ["a"]),
    "a negative dimension": infer(simple(tensor(shape=[1, -16]))),
    "dimension -1": infer(simple(tensor(shape=[-1, 16]))),
    "a zero dimension": infer(simple(tensor(shape=[0, 16], data=[]))),
    "zero and data": infer(simple(tensor(shape=[0, 16]))),
    "an overflowing shape": infer(simple(tensor(shape=[2**40, 2**40]))),
    "a dimension of 2**63": infer(simple(tensor(shape=[2**63, 1]))),
    "a dimension of 2**64": infer(simple(tensor(shape=[2**64, 1]))),
    "a shape of one": infer(simple(tensor(shape=[16]))),
    "a shape of three": infer(simple(tensor(shape=[1, 4, 4]))),
    "another last dimension": infer(simple(tensor(shape=[1, 15], data=ROW[:15]))),
    "batch 9": infer({"inputs": [tensor(n, shape=[9, 16], data=ROW * 9) for n in ("INPUT0", "INPUT1")]}),
    "batches that differ": infer(simple(tensor(shape=[2, 16], data=ROW * 2))),
    "data too short": infer(simple(tensor(data=ROW[:15]))),
    "data too long": infer(simple(tensor(data=[*ROW, 16]))),
    "nested data too short": infer(simple(tensor(data=[ROW[:15]]))),
    "nested data too long": infer(simple(tensor(data=[[*ROW, 16]]))),
    "nested data with a row too many": infer(simple(tensor(data=[ROW, ROW]))),
    "empty data": infer(simple(tensor(data=[]))),
    "BYTES too short": one("BYTES", ["a"], [2]),
    "BYTES too long": one("BYTES", ["a", "b"], [1]),
    "BOOL too short": one("BOOL", [True], [2]),
    "FP32 too long": one("FP32", [1.0, 2.0], [1]),
    **{f"{name} above": one(name, [high + 1]) for name, (low, high) in RANGES.items()},
    **{f"{name} below": one(name, [low - 1]) for name, (low, high) in RANGES.items()},
    "FP32 too large": one("FP32", [1e39]),
    "FP16": one("FP16", [1.0]),
    "BF16": one("BF16", [1.0]),
    "BOOL of numbers": one("BOOL", [1, 0]),
    "data and a size": infer(simple(tensor(parameters={"binary_data_size": 64}))),
    "no data but a size": infer(simple({**without("data"), "parameters": {"binary_data_size": 64}})),
    "a size of zero": infer(simple({**without("data"), "parameters": {"binary_data_size": 0}})),
    "an unknown model": infer(simple(), "nope"),
    "an unknown model and bad JSON": infer("{", "nope"),
    "an unknown version": post("/v2/models/simple/versions/9/infer", simple()),
    "version 0": post("/v2/models/simple/versions/0/infer", simple()),
}  # fmt: skip

FATAL: dict[str, Http] = {"bytes overflow": infer(simple(tensor(shape=[1, 2**62])))}
"""Ends the process of Triton 2.51; only ours is asked."""

PARAMETERS: dict[str, Step] = {
    **{f"{key}: {kind}": parameter(key, value)
       for key in ("mine", "priority", "timeout", "sequence_id", "sequence_start", "binary_data_output")
       for kind, value in WRONG.items()},
    "a reserved key": parameter("triton_x", 1),
    "the reserved prefix": parameter("triton_", 1),
    "a large number": parameter("mine", 2**63),
    "a huge number": parameter("mine", 2**64),
    "a huge fraction": parameter("mine", 1e300),
    "priority 2**63": parameter("priority", 2**63),
    "timeout 2**64-1": parameter("timeout", 2**64 - 1),
    "sequence_id 2**64": parameter("sequence_id", 2**64),
    "sequence_end": parameter("sequence_end", True),
    "sequence_end 1": parameter("sequence_end", 1),
    "headers": parameter("headers", {"a": "b"}),
    "an empty key": parameter("", 1),
    "binary output": parameter("binary_data_output", True),
}  # fmt: skip

CASES: dict[str, Step] = {
    **RIGHT,
    **{f"type of {name}": step for name, step in TYPES.items()},
    **{f"syntax: {name}": step for name, step in SYNTAX.items()},
    **{f"value: {name}": step for name, step in VALUES.items()},
    **{f"parameter {name}": step for name, step in PARAMETERS.items()},
}
