"""APIs that ask for a header: `model-repository` and `statistics` with admin=secret, `trace` with other=key."""

from __future__ import annotations

from harness.case import Http, Step, get, post

ANSWERED = ("/v2/repository/index", "/v2/repository/models/simple/load", "/v2/repository/models/simple/unload")

CASES: dict[str, Step] = {
    **{f"{path} without": post(path) for path in ANSWERED},
    **{f"{path} with": post(path, admin="secret") for path in ANSWERED},
    **{f"{path} with a wrong value": post(path, admin="secre") for path in ANSWERED},
    "another's header": post("/v2/repository/index", other="key"),
    "a name in capitals": Http("POST", "/v2/repository/index", headers={"ADMIN": "secret"}),
    "a value in capitals": post("/v2/repository/index", admin="SECRET"),
    "an empty value": post("/v2/repository/index", admin=""),
    "statistics of all": get("/v2/models/stats"),
    "statistics of all, with": get("/v2/models/simple/stats", admin="secret"),
    "statistics of a model": get("/v2/models/simple/stats"),
    "statistics of an unknown model": get("/v2/models/nope/stats"),
    "a wrong method": post("/v2/models/stats"),
    "a wrong method, with": post("/v2/models/stats", admin="secret"),
    "trace": get("/v2/trace/setting"),
    "trace, with": get("/v2/trace/setting", other="key"),
    "trace of a model": get("/v2/models/simple/trace/setting"),
    "what is open": get("/v2/models/simple"),
    "an unknown path": get("/v2/repository"),
}
OPTIONS = ("model-repository,statistics:admin=secret", "trace:other=key")
