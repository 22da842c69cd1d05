"""Requests with more than one fault: which of them is told?"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness.case import Step, binary, infer, post

from cases.http.infer_binary import sized
from cases.http.infer_json import ROW, simple, tensor

BYTES = np.arange(17, dtype=np.int32).tobytes()


def rows(name: str, count: int = 2, width: int = 16, **more: Any) -> dict[str, Any]:
    return tensor(name, **{"shape": [count, width], "data": [0] * count * width, **more})


def pair(first: dict[str, Any], second: dict[str, Any], **more: Any) -> Step:
    return infer({"inputs": [first, second], **more})


def tail(first: dict[str, Any], second: dict[str, Any], *raws: bytes) -> Step:
    return binary({"inputs": [first, second]}, *raws)


ONE = tensor("INPUT1")
UNKNOWN = {"outputs": [{"name": "q"}]}

CASES: dict[str, Step] = {
    "datatype, batch": pair(tensor(datatype="FP32"), rows("INPUT1")),
    "datatype, batch, the other": pair(tensor(), rows("INPUT1", datatype="FP32")),
    "datatype, shape": pair(rows("INPUT0", 1, 15, datatype="FP32"), ONE),
    "datatype of one, shape of the other": pair(tensor(datatype="FP32"), rows("INPUT1", 1, 15)),
    "shape of one, datatype of the other": pair(rows("INPUT0", 1, 15), tensor("INPUT1", datatype="FP32")),
    "datatype, batch 9": pair(rows("INPUT0", 9, datatype="FP32"), rows("INPUT1", 9, datatype="FP32")),
    "shape, batch 9": pair(rows("INPUT0", 9, 15), rows("INPUT1", 9, 15)),
    "both shapes": pair(rows("INPUT0", 1, 15), rows("INPUT1", 1, 15)),
    "both datatypes": pair(tensor(datatype="FP32"), tensor("INPUT1", datatype="FP32")),
    "both unknown": pair(tensor("a"), tensor("b")),
    "unknown, datatype": pair(tensor("q"), tensor("INPUT1", datatype="FP32")),
    "datatype, unknown": pair(tensor("INPUT1", datatype="FP32"), tensor("q")),
    "unknown, batch": pair(tensor("q"), rows("INPUT1")),
    "unknown output, datatype": pair(tensor(datatype="FP32"), ONE, **UNKNOWN),
    "unknown output, unknown input": pair(tensor("q"), ONE, **UNKNOWN),
    "unknown output, batch": pair(tensor(), rows("INPUT1"), **UNKNOWN),
    "unknown output, one input": infer({"inputs": [tensor()], **UNKNOWN}),
    "unknown model, all else wrong": infer({"inputs": [1]}, "nope"),
    "another rank without a batch": infer({"inputs": [{"name": "x", "shape": [6], "datatype": "INT64", "data": [1] * 6}]}, "grid"),
    "no shape without a batch": infer({"inputs": [{"name": "x", "shape": [], "datatype": "INT64", "data": []}]}, "grid"),
    "no shape without a batch, data": infer({"inputs": [{"name": "x", "shape": [], "datatype": "INT64", "data": [1]}]}, "grid"),
    "no rows": infer({"inputs": [{"name": "x", "shape": [0, 3], "datatype": "FP32", "data": []}]}, "rows"),
    "no rows of the first": pair(rows("INPUT0", 0, data=[]), ONE),
    "no rows of the last": pair(tensor(), rows("INPUT1", 0, data=[])),
    "no rows of the last, data": pair(tensor(), rows("INPUT1", 0, data=ROW)),
    "no rows of the last, no bytes": tail(sized("INPUT0", 64), sized("INPUT1", 0, shape=(0, 16)), BYTES[:64]),
    "no rows of the last, bytes": tail(sized("INPUT0", 64), sized("INPUT1", 64, shape=(0, 16)), BYTES[:64], BYTES[:64]),
    "no rows of one, bytes": binary({"inputs": [sized("x", 12, "FP32", (0, 3))]}, bytes(12), model="rows"),
    "rows of nothing": infer({"inputs": [{"name": "x", "shape": [1, 0], "datatype": "FP32", "data": []}]}, "rows"),
    "no row dimension": infer({"inputs": [{"name": "x", "shape": [3], "datatype": "FP32", "data": [1, 2, 3]}]}, "rows"),
    "generate, an empty list": post("/v2/models/rows/generate", {"x": []}),
    "generate, an empty list for a grid": post("/v2/models/grid/generate", {"x": []}),
    "generate, 24 of 16": post("/v2/models/simple/generate", {"INPUT0": [0] * 24, "INPUT1": ROW}),
    "generate, 32 and 16": post("/v2/models/simple/generate", {"INPUT0": [0] * 32, "INPUT1": ROW}),
    "generate, nested": post("/v2/models/simple/generate", {"INPUT0": [ROW], "INPUT1": ROW}),
    "size, shape": tail(sized("INPUT0", 64, shape=(1, 17)), sized("INPUT1", 64), BYTES[:64], BYTES[:64]),
    "size, unknown": tail(sized("q", 60), sized("INPUT1", 64), BYTES[:60], BYTES[:64]),
    "size, datatype": tail(sized("INPUT0", 60, "FP32"), sized("INPUT1", 64), BYTES[:60], BYTES[:64]),
    "size, batch": tail(sized("INPUT0", 60, shape=(2, 16)), sized("INPUT1", 64), BYTES[:60], BYTES[:64]),
    "size, parse": tail(sized("INPUT0", 60), sized("INPUT1", 64, shape=(1, -16)), BYTES[:60], BYTES[:64]),
    "size, tail": tail(sized("INPUT0", 60), sized("INPUT1", 64), BYTES[:60], BYTES[:64], b"x"),
    "size, short": tail(sized("INPUT0", 60), sized("INPUT1", 64), BYTES[:60], BYTES[:60]),
    "sizes of the first": tail(sized("INPUT0", 60), sized("INPUT1", 64), BYTES[:60], BYTES[:64]),
    "negative dimensions, a wrong datatype": pair(tensor(shape=[1, -16], datatype="FP32"), ONE),
    "a name twice, size": tail(sized("INPUT0", 64), sized("INPUT0", 64), BYTES[:64]),
    "a size that is none, datatype": tail(sized("INPUT0", True, 1), sized("INPUT1", 64), BYTES[:64]),
    "a size that is none, shape": tail(sized("INPUT0", True, shape=(1, -16)), sized("INPUT1", 64), BYTES[:64]),
    "register, a wrong key and no size": post("/v2/systemsharedmemory/region/r/register", {"key": 1}),
    "register, a wrong offset and no size": post("/v2/systemsharedmemory/region/r/register", {"key": "x", "offset": -1}),
    "log file and another": post("/v2/logging", {"log_info": 1, "log_format": 1, "log_file": "x"}),
    "log, two types": post("/v2/logging", {"log_format": 1, "log_verbose_level": "x"}),
    "both sizes": tail(sized("INPUT0", 60), sized("INPUT1", 60), BYTES[:60], BYTES[:60]),
    "an empty request": infer(simple(outputs=[]), "all"),
}  # fmt: skip
