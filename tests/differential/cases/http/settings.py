"""Trace settings and log settings. Every case leaves them as they were."""

from __future__ import annotations

from typing import Any

from harness.case import Step, get, post

TRACE = "/v2/trace/setting"
MODEL = "/v2/models/simple/trace/setting"
LOG = "/v2/logging"
ODD: dict[str, Any] = {
    "null": None, "number": 5, "negative": -5, "text number": "5", "negative text": "-5", "text": "x", "empty": "",
    "true": True, "fraction": 0.5, "list": ["5"], "object": {}, "2**63": 2**63, "text 2**64": str(2**64),
}  # fmt: skip
CLEAR = {"trace_level": None, "trace_rate": None, "trace_count": None, "log_frequency": None}
PLAIN = {"trace_level": ["OFF"], "trace_rate": "1000", "trace_count": "-1", "log_frequency": "0"}
LOGS = {"log_info": True, "log_warning": True, "log_error": True, "log_verbose_level": 0, "log_format": "default"}


def trace(body: Any) -> list[Step]:
    return [post(TRACE, body), get(TRACE), post(TRACE, CLEAR), post(TRACE, PLAIN)]


def model_trace(body: Any) -> list[Step]:
    return [post(MODEL, body), get(MODEL), get(TRACE), post(MODEL, CLEAR)]


def log(body: Any) -> list[Step]:
    return [post(LOG, body), get(LOG), post(LOG, LOGS)]


CASES: dict[str, Step | list[Step]] = {
    "trace": get(TRACE),
    "trace of a model": get(MODEL),
    "trace of an unknown model": get("/v2/models/nope/trace/setting"),
    "trace, set for an unknown model": post("/v2/models/nope/trace/setting", {"trace_rate": "5"}),
    "trace, nothing": trace("{}"),
    "trace, no body": trace(""),
    "trace, bad JSON": trace("{"),
    "trace, a list": trace("[]"),
    "trace, an unknown key": trace({"more": 1}),
    "trace, several": trace({"trace_rate": "7", "trace_count": "3", "log_frequency": "2"}),
    "trace, a file": trace({"trace_file": "x"}),
    "trace, a file null": trace({"trace_file": None}),
    "trace, a mode": trace({"trace_mode": "opentelemetry"}),
    "trace, right and wrong": trace({"trace_rate": "7", "trace_count": "x"}),
    **{f"trace, {key} {kind}": trace({key: value})
       for key in ("trace_rate", "trace_count", "log_frequency") for kind, value in ODD.items()},
    **{f"trace, level {value}": trace({"trace_level": value}) for value in
       (None, "TIMESTAMPS", ["TIMESTAMPS"], ["TIMESTAMPS", "TENSORS"], ["OFF", "TIMESTAMPS"], ["X"], [], [1], 1, ["timestamps"],
        ["MAX"], ["MIN"], ["TENSORS"])},
    "a model's trace": model_trace({"trace_rate": "9"}),
    "a model's level": model_trace({"trace_level": ["OFF"]}),
    "a model's trace, wrong": model_trace({"trace_rate": "x"}),
    "a model's trace follows the server's": [
        post(TRACE, {"trace_rate": "11"}), get(MODEL), post(MODEL, {"trace_rate": "12"}), post(TRACE, {"trace_rate": "13"}),
        get(MODEL), post(MODEL, CLEAR), get(MODEL), post(TRACE, CLEAR), post(TRACE, PLAIN)],
    "log": get(LOG),
    "log, nothing": log("{}"),
    "log, no body": log(""),
    "log, bad JSON": log("{"),
    "log, a list": log("[]"),
    "log, an unknown key": log({"more": 1}),
    "log, a file": log({"log_file": "x"}),
    "log, an empty file": log({"log_file": ""}),
    "log, a file null": log({"log_file": None}),
    "log, several": log({"log_info": False, "log_verbose_level": 0, "log_format": "ISO8601"}),
    "log, right and wrong": log({"log_info": False, "log_warning": "x"}),
    **{f"log, {key} {kind}": log({key: value})
       for key in ("log_warning", "log_verbose_level", "log_format") for kind, value in ODD.items()},
    "log, format ISO8601": log({"log_format": "ISO8601"}),
    "log, format default": log({"log_format": "default"}),
}  # fmt: skip
