"""Inference requests with binary tensors, and those that are nothing but one."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness.case import Step, binary, infer

ROW = np.arange(16, dtype=np.int32).tobytes()
SEVEN = b"\1\0\0\0" + b"7"


def sized(name: str, size: Any, datatype: str = "INT32", shape: Any = (1, 16)) -> dict[str, Any]:
    return {"name": name, "shape": list(shape), "datatype": datatype, "parameters": {"binary_data_size": size}}


def simple(first: Any = 64, second: Any = 64) -> dict[str, Any]:
    return {"inputs": [sized("INPUT0", first), sized("INPUT1", second)]}


def one(datatype: str, raw: bytes, count: int, size: int | None = None) -> Step:
    entry = sized(datatype.lower(), len(raw) if size is None else size, datatype, (count,))
    return binary({"inputs": [entry], "parameters": {"binary_data_output": True}}, raw, model="all")


def words(raw: bytes) -> Step:
    return binary(
        {"inputs": [sized("INPUT0", len(raw), "BYTES"), sized("INPUT1", 80, "BYTES")]}, raw, SEVEN * 16, model="text"
    )


def length(value: str, body: bytes = b'{"inputs":[]}') -> Step:
    return infer(body, inference_header_content_length=value)


def bare(body: bytes, model: str, length_text: str = "0") -> Step:
    return infer(body, model, inference_header_content_length=length_text)


JSON_ROW = {"name": "INPUT0", "shape": [1, 16], "datatype": "INT32", "data": list(range(16))}
SIZES: dict[str, Any] = {
    "null": None, "negative": -1, "fraction": 64.0, "text": "64", "true": True, "list": [64], "object": {},
    "2**31": 2**31, "2**63": 2**63, "2**64": 2**64, "63": 63, "60": 60, "65": 65, "68": 68, "0": 0,
}  # fmt: skip
DTYPES = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "u2", "UINT32": "u4", "UINT64": "u8", "INT8": "i1", "INT16": "i2",
    "INT32": "i4", "INT64": "i8", "FP16": "f2", "FP32": "f4", "FP64": "f8",
}  # fmt: skip

CASES: dict[str, Step] = {
    "binary in, JSON out": binary(simple(), ROW, ROW),
    "mixed, JSON first": binary({"inputs": [JSON_ROW, sized("INPUT1", 64)]}, ROW),
    "mixed, binary first": binary({"inputs": [sized("INPUT1", 64), JSON_ROW]}, ROW),
    **{f"{name} both ways": one(name, np.arange(3).astype(code).tobytes(), 3) for name, code in DTYPES.items()},
    "BYTES both ways": one("BYTES", SEVEN + b"\0\0\0\0" + b"\2\0\0\0\xff\xfe", 3),
    "NaN both ways": one("FP32", np.array([np.nan, np.inf, -np.inf], np.float32).tobytes(), 3),
    "NaN in, JSON out": binary({"inputs": [sized("fp32", 4, "FP32", (1,))]}, np.array([np.nan], np.float32).tobytes(), model="all"),
    "inf in, JSON out": binary({"inputs": [sized("fp64", 8, "FP64", (1,))]}, np.array([np.inf]).tobytes(), model="all"),
    "FP16 in, JSON out": binary({"inputs": [sized("fp16", 2, "FP16", (1,))]}, b"\0\0", model="all"),
    "bytes in, JSON out": binary({"inputs": [sized("bytes", 6, "BYTES", (1,))]}, b"\2\0\0\0\xff\xfe", model="all"),
    "BOOL of 2": one("BOOL", b"\2\1\0", 3),
    "empty in and out": one("FP32", b"", 0),
    "short by 8": binary(simple(), ROW, ROW[:8]),
    "short by all": binary(simple(), ROW),
    "no tail": binary(simple()),
    "long by 1": binary(simple(), ROW, ROW, b"x"),
    "a tail and no binary input": binary({"inputs": [JSON_ROW, {**JSON_ROW, "name": "INPUT1"}]}, b"x"),
    "a size too large": binary(simple(64, 68), ROW, ROW, b"1234"),
    "a size too small": binary(simple(64, 60), ROW, ROW[:60]),
    "a size too large for the body": binary(simple(64, 1000), ROW, ROW),
    **{f"size {kind}": binary(simple(value), ROW, ROW) for kind, value in SIZES.items()},
    "no header length": infer(b'{"inputs":[]}' + ROW),
    "binary without the header": infer(simple()),
    **{f"header length {value!r}": length(value) for value in (
        "", "x", "1x", "-1", "-5", "+13", " 13 ", "013", "13", "14", "12", "1.5", "1e1", "0x0d", "99999999999",
        "2147483647", "2147483648", "-2147483648", "-2147483649", "999999999999999999999999",
    )},
    "unknown model and a bad length": infer(b"{}", "nope", inference_header_content_length="x"),
    "a string": words(SEVEN * 16),
    "few strings": words(SEVEN * 3),
    "many strings": words(SEVEN * 17),
    "no strings": words(b""),
    "a length cut": words(SEVEN * 15 + b"\1\0"),
    "a string cut": words(SEVEN * 15 + b"\7\0\0\0a"),
    "a length of 4 GB": words(b"\xff\xff\xff\xff" + SEVEN * 15),
    "raw": bare(np.arange(4, dtype=np.float32).tobytes(), "raw"),
    "raw, empty": bare(b"", "raw"),
    "raw, odd": bare(b"123", "raw"),
    "raw, not filling": bare(b"1234" * 3, "raw"),
    "raw text": bare(b"hello", "raw_text"),
    "raw text, empty": bare(b"", "raw_text"),
    "raw text, a variable dimension": bare(b"hello", "raw_texts"),
    "raw text, several elements": bare(b"hello", "text"),
    "raw, several inputs": bare(ROW, "simple"),
    "raw, several variable dimensions": bare(ROW, "grid"),
    "raw, one variable dimension": bare(ROW, "rows"),
    "raw, unknown model": bare(ROW, "nope"),
}  # fmt: skip
