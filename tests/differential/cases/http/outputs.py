"""Which outputs are given, and how: as JSON, as bytes, as classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness.case import Http, Step, binary, infer

ROW = list(range(16))
INPUTS = [{"name": f"INPUT{n}", "shape": [1, 16], "datatype": "INT32", "data": ROW} for n in (0, 1)]
ODD: dict[str, Any] = {
    "null": None, "text": "2", "fraction": 1.5, "negative": -1, "true": True, "zero": 0, "list": [2], "object": {},
    "2**32": 2**32, "2**64": 2**64,
}  # fmt: skip


def simple(*outputs: Any, **more: Any) -> Step:
    return infer({"inputs": INPUTS, "outputs": list(outputs), **more})


def output(name: str = "OUTPUT0", **parameters: Any) -> dict[str, Any]:
    return {"name": name, "parameters": parameters}


def classes(data: list[float], shape: list[int], count: Any, *, is_binary: bool = False) -> Step:
    parameters = {"classification": count, **({"binary_data": True} if is_binary else {})}
    return infer({"inputs": [{"name": "x", "shape": shape, "datatype": "FP32", "data": data}],
                  "outputs": [{"name": "out_x", "parameters": parameters}]}, "rows")  # fmt: skip


def ranked(datatype: str, data: list[Any]) -> Step:
    entry = {"name": datatype.lower(), "shape": [len(data)], "datatype": datatype, "data": data}
    asked = {"name": f"out_{datatype.lower()}", "parameters": {"classification": 2}}
    return infer({"inputs": [entry], "outputs": [asked]}, "all")


HALF = {"name": "fp16", "shape": [2], "datatype": "FP16", "parameters": {"binary_data_size": 4}}

CASES: dict[str, Step] = {
    "one": simple({"name": "OUTPUT1"}),
    "none": simple(),
    "unknown": simple({"name": "nope"}),
    "one known, one unknown": simple({"name": "OUTPUT0"}, {"name": "nope"}),
    "unknown, with an id": simple({"name": "nope"}, id="x"),
    "an input's name": simple({"name": "INPUT0"}),
    "twice": simple({"name": "OUTPUT0"}, {"name": "OUTPUT0"}),
    "no name": simple({}),
    "a number for a name": simple({"name": 1}),
    "not objects": simple("OUTPUT0"),
    "null for an output": simple(None),
    "parameters null": simple({"name": "OUTPUT0", "parameters": None}),
    "parameters a list": simple({"name": "OUTPUT0", "parameters": []}),
    "parameters a text": simple({"name": "OUTPUT0", "parameters": "x"}),
    "an unknown parameter": simple(output(mine=1)),
    "binary": simple(output(binary_data=True)),
    "one binary, one not": simple(output(binary_data=True), output("OUTPUT1", binary_data=False)),
    "one not, one binary": simple(output(), output("OUTPUT1", binary_data=True)),
    "binary by default": infer({"inputs": INPUTS, "parameters": {"binary_data_output": True}}),
    "listed without a word, binary by default": simple({"name": "OUTPUT0"}, parameters={"binary_data_output": True}),
    "listed as not binary, binary by default": simple(output(binary_data=False), parameters={"binary_data_output": True}),
    **{f"binary_data {kind}": simple(output(binary_data=value)) for kind, value in ODD.items()},
    **{f"classification {kind}": simple(output(classification=value)) for kind, value in ODD.items()},
    "classes": simple(output(classification=3)),
    "more classes than elements": simple(output(classification=99)),
    "classes, binary": simple(output(classification=3, binary_data=True)),
    "classes of both": simple(output(classification=1), output("OUTPUT1", classification=2)),
    "ties": classes([1.0, 1.0, 1.0, 1.0], [1, 4], 4),
    "ties below the top": classes([1.0, 3.0, 1.0, 3.0, 1.0, 2.0], [1, 6], 4),
    "labels": classes([0.5, 2.25, -1.0, 1e10], [1, 4], 4),
    "labels, binary": classes([0.5, 2.25, -1.0], [1, 3], 2, is_binary=True),
    "rows": classes([1.0, 2.0, 3.0, 6.0, 5.0, 4.0], [2, 3], 2),
    "small numbers": classes([1e-7, -1e-7, 1e-45, 123456.789], [1, 4], 4),
    **{f"classes of {name}": ranked(name, [1, 3, 2]) for name in
       ("UINT8", "INT8", "INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64", "FP32", "FP64")},
    "classes of large UINT64": ranked("UINT64", [2**64 - 1, 2**64 - 2, 2**63]),
    "classes of large INT64": ranked("INT64", [2**63 - 1, 2**63 - 2, -(2**63)]),
    "classes of BOOL": ranked("BOOL", [True, False]),
    "classes of FP16": binary({"inputs": [HALF], "outputs": [{"name": "out_fp16", "parameters": {"classification": 1}}]},
                              np.ones(2, np.float16).tobytes(), model="all"),
    "FP16 as JSON": binary({"inputs": [HALF], "outputs": [{"name": "out_fp16"}]}, b"\0\0\0\0", model="all"),
}  # fmt: skip

FATAL: dict[str, Http] = {
    "classes of BYTES": ranked("BYTES", ["a", "b"]),
    "classes of nothing": infer({"inputs": [{"name": "fp32", "shape": [0], "datatype": "FP32", "data": []}],
                                 "outputs": [{"name": "out_fp32", "parameters": {"classification": 1}}]}, "all"),
}  # fmt: skip
"""End the process of Triton 2.51; only ours is asked."""
