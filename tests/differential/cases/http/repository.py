"""The model repository extension: on a server that loads nothing later, and on one that does."""

from __future__ import annotations

import base64
import json
from typing import Any

from harness.case import Http, Step, get, infer, post

INDEX = "/v2/repository/index"
LOAD = "/v2/repository/models/{}/load"
UNLOAD = "/v2/repository/models/{}/unload"
ROW = list(range(16))
REQUEST = {"inputs": [{"name": f"INPUT{n}", "shape": [1, 16], "datatype": "INT32", "data": ROW} for n in (0, 1)]}
ODD: dict[str, Any] = {"null": None, "1": 1, "text": "true", "list": [], "object": {}}


def load(model: str = "simple", body: Any = b"") -> Step:
    return post(LOAD.format(model), body)


def unload(model: str = "simple", body: Any = b"") -> Step:
    return post(UNLOAD.format(model), body)


def settled() -> Step:
    return Http("POST", INDEX, settles=True)


def loading(parameters: Any) -> list[Step]:
    return [load(body={"parameters": parameters}), get("/v2/models/simple/ready"), load()]


INDEXES: dict[str, Step] = {
    "index": post(INDEX),
    "index with an empty object": post(INDEX, "{}"),
    "index of what is ready": post(INDEX, {"ready": True}),
    "index of what is not only ready": post(INDEX, {"ready": False}),
    "index of a repository": post("/v2/repository/mine/index"),
    **{f"index ready {kind}": post(INDEX, {"ready": value}) for kind, value in ODD.items()},
    "index with an unknown key": post(INDEX, {"more": 1}),
    "index with bad JSON": post(INDEX, "{"),
    "index with a list": post(INDEX, "[]"),
    "index with white space": post(INDEX, " "),
}

CASES: dict[str, Step] = {
    **INDEXES,
    "load": load(),
    "load an unknown model": load("nope"),
    "load with bad JSON": load(body="{"),
    "load from a repository": post("/v2/repository/mine/models/simple/load"),
    "unload": unload(),
    "unload an unknown model": unload("nope"),
    "unload with bad JSON": unload(body="{"),
    "unload from a repository": post("/v2/repository/mine/models/simple/unload"),
}

CONFIG = {"name": "simple", "max_batch_size": 4,
          "input": [{"name": f"INPUT{n}", "data_type": "TYPE_INT32", "dims": [16]} for n in (0, 1)],
          "output": [{"name": f"OUTPUT{n}", "data_type": "TYPE_INT32", "dims": [16]} for n in (0, 1)],
          "instance_group": [{"kind": "KIND_CPU", "count": 1}]}  # fmt: skip

EXPLICIT: dict[str, Step | list[Step]] = {
    **{name: [settled(), step] for name, step in INDEXES.items()},
    "ready with what was asked for": [settled(), get("/v2/health/ready")],
    "a model that is not loaded": [get("/v2/models/text"), get("/v2/models/text/ready"), get("/v2/models/text/config"),
                                   get("/v2/models/text/stats"), infer(REQUEST, "text")],
    "load, ask, unload, ask": [load("text"), get("/v2/models/text/ready"), post(INDEX), unload("text"), settled(),
                               get("/v2/models/text/ready"), get("/v2/models/text"), infer(REQUEST, "text"),
                               post(INDEX, {"ready": True}), get("/v2/health/ready")],
    "load twice": [load(), load(), get("/v2/models/simple/ready")],
    "unload twice": [load("rows"), unload("rows"), settled(), unload("rows"), settled()],
    "unload what was never loaded": [unload("grid"), settled()],
    "load an unknown model": load("nope"),
    "load an unknown model twice": [load("nope"), load("nope"), settled()],
    "unload an unknown model": unload("nope"),
    "load a broken model": [load("broken"), get("/v2/models/broken/ready"), get("/v2/models/broken"), settled()],
    "load from a repository": post("/v2/repository/mine/models/simple/load"),
    "unload from a repository": post("/v2/repository/mine/models/simple/unload"),
    "load with an empty object": load(body="{}"),
    "load with bad JSON": load(body="{"),
    "load with a list": load(body="[]"),
    "load with white space": load(body=" "),
    "load with unknown keys": load(body={"more": 1}),
    **{f"load, parameters {kind}": load(body={"parameters": value}) for kind, value in
       {"null": None, "list": [], "text": "x", "empty": {}}.items()},
    "load, an unknown parameter": loading({"mine": "x"}),
    "load, an unknown number": loading({"mine": 1}),
    **{f"load, config {kind}": loading({"config": value}) for kind, value in
       {"number": 1, "null": None, "object": {}, "empty": "", "nonsense": "x", "an empty object": "{}", "cut": "{"}.items()},
    "load, another config": [load(body={"parameters": {"config": json.dumps(CONFIG)}}), get("/v2/models/simple/config"),
                             load(), get("/v2/models/simple/config")],
    "load, a config with numbers as text": [
        load(body={"parameters": {"config": json.dumps({**CONFIG, "max_batch_size": "4"})}}),
        get("/v2/models/simple"), load()],
    "load, a config with an unknown field": loading({"config": json.dumps({**CONFIG, "more": 1})}),
    "load, a config of another name": loading({"config": json.dumps({**CONFIG, "name": "other"})}),
    "load, a file without a config": loading({"file:1/model.onnx": base64.b64encode(b"x").decode()}),
    "load, a file that is not base64": loading({"config": json.dumps(CONFIG), "file:1/model.onnx": "%%%"}),
    "load, a file outside": loading({"config": json.dumps(CONFIG), "file:../../x": base64.b64encode(b"x").decode()}),
    "unload with an empty object": [unload("rows", "{}")],
    "unload with bad JSON": unload("rows", "{"),
    "unload, parameters null": unload("rows", {"parameters": None}),
    **{f"unload, unload_dependents {kind}": unload("rows", {"parameters": {"unload_dependents": value}})
       for kind, value in {"true": True, "false": False, **ODD}.items()},
    "unload, an unknown parameter": unload("rows", {"parameters": {"mine": 1}}),
}  # fmt: skip
"""For the configuration `explicit`, where `simple` is loaded at the start; each leaves `simple` loaded."""
