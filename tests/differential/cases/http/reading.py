"""Health, metadata, configuration and statistics."""

from __future__ import annotations

from harness.case import Step, get, infer, post, statistics

NUMBERS = {"inputs": [{"name": "x", "shape": [2, 4], "datatype": "INT32", "data": list(range(8))}]}
ONE = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "INT32", "data": [1, 2, 3, 4]}]}
TELLING = ("", "/config", "/ready", "/stats")

CASES: dict[str, Step | list[Step]] = {
    "live": get("/v2/health/live"),
    "ready": get("/v2/health/ready"),
    "live with a body": post("/v2/health/live", "x"),
    "server": get("/v2"),
    **{f"{model}{what}": get(f"/v2/models/{model}{what}")
       for model in ("simple", "text", "all", "rows", "grid", "raw") for what in ("", "/config", "/ready")},
    **{f"version 1{what}": get(f"/v2/models/simple/versions/1{what}") for what in TELLING},
    **{f"unknown version{what}": get(f"/v2/models/simple/versions/7{what}") for what in TELLING},
    **{f"unknown model{what}": get(f"/v2/models/nope{what}") for what in TELLING},
    **{f"unknown model and version{what}": get(f"/v2/models/nope/versions/1{what}") for what in TELLING},
    "statistics of all": get("/v2/models/stats"),
    "a model called stats": get("/v2/models/stats/ready"),
    "statistics count": [
        get("/v2/models/counted/stats"),
        infer(NUMBERS, "counted"),
        infer(ONE, "counted"),
        infer(ONE, "counted"),
        statistics("/v2/models/counted/stats", counts=3),
        infer({"inputs": []}, "counted"),
        infer("{", "counted"),
        infer({"inputs": [{**ONE["inputs"][0], "datatype": "FP32"}]}, "counted"),
        infer({**ONE, "outputs": [{"name": "none"}]}, "counted"),
        statistics("/v2/models/counted/versions/1/stats", counts=3),
    ],
}  # fmt: skip
