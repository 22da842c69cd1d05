"""System and CUDA shared memory. The region KEY exists: 256 bytes of INT32 0 … 63."""

from __future__ import annotations

from typing import Any

from harness.case import Step, get, infer, post
from harness.region import KEY

ODD: dict[str, Any] = {
    "null": None, "text": "1", "fraction": 1.5, "negative": -1, "true": True, "list": [], "2**64": 2**64, "2**63": 2**63,
}  # fmt: skip


def register(name: str = "r", **fields: Any) -> Step:
    return post(f"/v2/systemsharedmemory/region/{name}/register", {"key": KEY, "offset": 0, "byte_size": 256, **fields})


def without(key: str) -> Step:
    fields = {name: value for name, value in {"key": KEY, "offset": 0, "byte_size": 64}.items() if name != key}
    return post("/v2/systemsharedmemory/region/r/register", fields)


def status(name: str = "") -> Step:
    return get(f"/v2/systemsharedmemory{f'/region/{name}' if name else ''}/status")


DONE: list[Step] = [post("/v2/systemsharedmemory/unregister"), status()]


def shared(name: str, region: Any = "r", size: Any = 64, **more: Any) -> dict[str, Any]:
    parameters = {"shared_memory_region": region, "shared_memory_byte_size": size, **more}
    return {"name": name, "shape": [1, 16], "datatype": "INT32", "parameters": parameters}


def using(*inputs: Any, **more: Any) -> list[Step]:
    return [register(), infer({"inputs": list(inputs), **more}), *DONE]


def outputs(*entries: Any) -> list[Step]:
    return using(shared("INPUT0"), shared("INPUT1"), outputs=list(entries))


def into(size: Any = 64, offset: Any = 128, name: str = "OUTPUT0", **more: Any) -> dict[str, Any]:
    return {"name": name, "parameters": {
        "shared_memory_region": "r", "shared_memory_byte_size": size, "shared_memory_offset": offset, **more}}  # fmt: skip


HANDLE = "A" * 86 + "=="
"""64 bytes."""


def cuda(handle: Any = None, name: str = "r", **fields: Any) -> Step:
    body = {"raw_handle": {"b64": HANDLE} if handle is None else handle, "device_id": 0, "byte_size": 64, **fields}
    return post(f"/v2/cudasharedmemory/region/{name}/register", {key: one for key, one in body.items() if one != "-"})


PLAIN = {"name": "INPUT1", "shape": [1, 16], "datatype": "INT32", "data": list(range(16))}
CUDA = {"raw_handle": {"b64": "AAAA"}, "device_id": 0, "byte_size": 64}

CASES: dict[str, Step | list[Step]] = {
    "status of nothing": status(),
    "status of an unknown region": status("nope"),
    "register, ask, unregister": [register(), status("r"), status(), post("/v2/systemsharedmemory/region/r/unregister"), *DONE],
    "register twice": [register(), register(), *DONE],
    "two regions": [register("a"), register("b", offset=64, byte_size=64), status(), *DONE],
    "a key without a slash": [register(key=KEY[1:]), status(), *DONE],
    "an encoded name": [register("a%20b"), status(), status("a%20b"), *DONE],
    "unregister an unknown region": post("/v2/systemsharedmemory/region/nope/unregister"),
    "unregister with a body": post("/v2/systemsharedmemory/unregister", "{"),
    "an unknown key": [register(key="/naiad_nothing_here"), *DONE],
    "an empty key": [register(key=""), *DONE],
    "a reserved key": [register(key="/triton_python_backend_shm_region_x"), *DONE],
    "a key of a slash": [register(key="/"), *DONE],
    "a key of slashes": [register(key="//"), *DONE],
    "a key with a path": [register(key="/../etc/passwd"), *DONE],
    "no key": without("key"),
    "no size": [without("byte_size"), *DONE],
    "no offset": [without("offset"), status(), *DONE],
    "no body": post("/v2/systemsharedmemory/region/r/register"),
    "bad JSON": post("/v2/systemsharedmemory/region/r/register", "{"),
    "a list": post("/v2/systemsharedmemory/region/r/register", "[]"),
    "register without a name": post("/v2/systemsharedmemory/register", {"key": KEY, "byte_size": 64}),
    "size 0": [register(byte_size=0), *DONE],
    "size past the end": [register(byte_size=2**30), *DONE],
    "offset past the end": [register(offset=2**30), *DONE],
    "offset and size past the end": [register(offset=192, byte_size=128), *DONE],
    "an offset within a page": [register(offset=64, byte_size=64), status(), *DONE],
    **{f"key {kind}": [register(key=value), *DONE] for kind, value in ODD.items() if kind != "text"},
    **{f"offset {kind}": [register(offset=value), *DONE] for kind, value in ODD.items()},
    **{f"size {kind}": [register(byte_size=value), *DONE] for kind, value in ODD.items()},
    "inputs": using(shared("INPUT0"), shared("INPUT1")),
    "inputs at an offset": using(shared("INPUT0", shared_memory_offset=64), shared("INPUT1", shared_memory_offset=128)),
    "one input": using(shared("INPUT0"), PLAIN),
    "an unknown region": infer({"inputs": [shared("INPUT0", "nope"), PLAIN]}),
    "an input too small": using(shared("INPUT0", size=60), PLAIN),
    "an input too large": using(shared("INPUT0", size=68), PLAIN),
    "an input past the end": using(shared("INPUT0", size=64, shared_memory_offset=224), PLAIN),
    "an input's offset past the end": using(shared("INPUT0", size=64, shared_memory_offset=2**32), PLAIN),
    "an input's offset at 2**64-1": using(shared("INPUT0", size=64, shared_memory_offset=2**64 - 1), PLAIN),
    "an input of no bytes": using(shared("INPUT0", size=0), PLAIN),
    "no input size": using({**shared("INPUT0"), "parameters": {"shared_memory_region": "r"}}, PLAIN),
    **{f"input size {kind}": using(shared("INPUT0", size=value), PLAIN) for kind, value in ODD.items()},
    **{f"input offset {kind}": using(shared("INPUT0", shared_memory_offset=value), PLAIN) for kind, value in ODD.items()},
    **{f"input region {kind}": using(shared("INPUT0", value), PLAIN) for kind, value in ODD.items()},
    "a region and data": using({**shared("INPUT0"), "data": list(range(16))}, PLAIN),
    "a region and binary": using(shared("INPUT0", binary_data_size=64), PLAIN),
    "an output": outputs(into()),
    "both outputs": outputs(into(offset=128), into(offset=192, name="OUTPUT1")),
    "one output, one not": outputs(into(), {"name": "OUTPUT1"}),
    "an output too small": outputs(into(60)),
    "an output larger than needed": outputs(into(128)),
    "an output past the end": outputs(into(64, 224)),
    "an output into an unknown region": outputs({"name": "OUTPUT0", "parameters": {
        "shared_memory_region": "nope", "shared_memory_byte_size": 64}}),
    "an output without a size": outputs({"name": "OUTPUT0", "parameters": {"shared_memory_region": "r"}}),
    "an output with classes": outputs(into(classification=1)),
    "an output, binary": outputs(into(binary_data=True)),
    "what was written is read": [register(), infer({"inputs": [shared("INPUT0"), shared("INPUT1")], "outputs": [into()]}),
                                 infer({"inputs": [shared("INPUT0", shared_memory_offset=128), PLAIN]}), *DONE],
    "strings": [register(), infer({"inputs": [
        {"name": "bytes", "shape": [4], "datatype": "BYTES", "parameters": {"shared_memory_region": "r", "shared_memory_byte_size": 16}}]}, "all"), *DONE],
    "CUDA status of nothing": get("/v2/cudasharedmemory/status"),
    "CUDA status of an unknown region": get("/v2/cudasharedmemory/region/nope/status"),
    "CUDA register": post("/v2/cudasharedmemory/region/r/register", CUDA),
    "CUDA register, a whole handle": cuda(),
    "CUDA register, a name that is taken": [register(), cuda(), *DONE],
    "CUDA register, no handle": cuda("-"),
    "CUDA register, no base64 in the handle": cuda({}),
    **{f"CUDA register, base64 {kind}": cuda({"b64": value}) for kind, value in {**ODD, "padding": "="}.items()},
    **{f"CUDA register, handle {kind}": cuda(value) for kind, value in ODD.items() if value is not None},
    **{f"CUDA register, size {kind}": cuda(byte_size=value) for kind, value in {**ODD, "missing": "-"}.items()},
    **{f"CUDA register, device {kind}": cuda(device_id=value) for kind, value in {**ODD, "missing": "-"}.items()},
    "CUDA register without a name": post("/v2/cudasharedmemory/register", CUDA),
    "CUDA register, no body": post("/v2/cudasharedmemory/region/r/register"),
    "CUDA unregister": post("/v2/cudasharedmemory/region/r/unregister"),
    "CUDA unregister all": post("/v2/cudasharedmemory/unregister"),
}  # fmt: skip
