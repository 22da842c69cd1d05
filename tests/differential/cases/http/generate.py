"""The generate extension, whole and as a stream."""

from __future__ import annotations

from typing import Any

from harness.case import Step, post

BODIES: dict[str, tuple[str, Any]] = {
    "text": ("raw_text", {"x": "hello"}),
    "an id": ("raw_text", {"x": "hello", "id": "a"}),
    "a list of one": ("raw_text", {"x": ["hello"]}),
    "unicode": ("raw_text", {"x": "é日本😀"}),
    "a parameter": ("raw_text", {"x": "a", "temperature": 0.5, "n": 2, "stream": True, "stop": "x"}),
    "parameters": ("raw_text", {"x": "a", "parameters": {"temperature": 0.5}}),
    "the input among the parameters": ("raw_text", {"parameters": {"x": "a"}}),
    "the input twice": ("raw_text", {"x": "a", "parameters": {"x": "b"}}),
    "a list of two": ("raw_text", {"x": ["a", "b"]}),
    "a nested list": ("raw_text", {"x": [["a"]]}),
    "an empty list": ("raw_text", {"x": []}),
    "a number for text": ("raw_text", {"x": 1}),
    "true for text": ("raw_text", {"x": True}),
    "null for text": ("raw_text", {"x": None}),
    "an object for text": ("raw_text", {"x": {"a": 1}}),
    "a reserved parameter": ("raw_text", {"x": "a", "triton_x": 1}),
    "a list as a parameter": ("raw_text", {"x": "a", "stop": ["b"]}),
    "null as a parameter": ("raw_text", {"x": "a", "stop": None}),
    "an object as a parameter": ("raw_text", {"x": "a", "more": {"b": 1}}),
    "parameters null": ("raw_text", {"x": "a", "parameters": None}),
    "parameters a list": ("raw_text", {"x": "a", "parameters": []}),
    "id a number": ("raw_text", {"x": "a", "id": 1}),
    "priority": ("raw_text", {"x": "a", "priority": 1}),
    "priority text": ("raw_text", {"x": "a", "priority": "1"}),
    "sequence_id": ("raw_text", {"x": "a", "sequence_id": 3}),
    "no input": ("raw_text", {}),
    "an unknown input": ("raw_text", {"y": "a"}),
    "numbers": ("rows", {"x": [1.5, 2, 3]}),
    "a number": ("rows", {"x": 1.5}),
    "text for a number": ("rows", {"x": "a"}),
    "true for a number": ("rows", {"x": True}),
    "two dimensions": ("raw", {"x": [1, 2, 3, 4]}),
    "two dimensions, odd": ("raw", {"x": [1, 2, 3]}),
    "two variable dimensions": ("grid", {"x": [1, 2, 3]}),
    "a fixed shape": ("simple", {"INPUT0": list(range(16)), "INPUT1": list(range(16))}),
    "a fixed shape, one short": ("simple", {"INPUT0": list(range(15)), "INPUT1": list(range(16))}),
    "a fixed shape, one missing": ("simple", {"INPUT0": list(range(16))}),
    "two rows": ("simple", {"INPUT0": list(range(32)), "INPUT1": list(range(32))}),
    "no batch": ("all", {"int32": [1, 2], "bool": True, "bytes": "a", "fp64": 0.1}),
    "too large a number": ("all", {"int8": 300}),
    "FP16": ("all", {"fp16": 1.0}),
    "an unknown model": ("nope", {"x": "a"}),
    "bad JSON": ("raw_text", "{"),
    "a list": ("raw_text", "[]"),
    "no body": ("raw_text", ""),
}

CASES: dict[str, Step] = {
    f"{kind}: {name}": post(f"/v2/models/{model}/{kind}", body)
    for kind in ("generate", "generate_stream")
    for name, (model, body) in BODIES.items()
} | {
    "an unknown version": post("/v2/models/raw_text/versions/9/generate", {"x": "a"}),
    "version 1": post("/v2/models/raw_text/versions/1/generate", {"x": "a"}),
    "a stream of version 9": post("/v2/models/raw_text/versions/9/generate_stream", {"x": "a"}),
}
