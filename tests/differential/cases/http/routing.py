"""Which path and method mean what."""

from __future__ import annotations

from harness.case import Http, Step, get, post

GETS = (
    "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/simple", "/v2/models/simple/versions/1",
    "/v2/models/simple/ready", "/v2/models/simple/config", "/v2/models/simple/stats", "/v2/models/stats",
    "/v2/systemsharedmemory/status", "/v2/cudasharedmemory/status", "/v2/systemsharedmemory/region/r/status",
)  # fmt: skip
POSTS = (
    "/v2/models/simple/infer", "/v2/models/simple/versions/1/infer", "/v2/models/simple/generate",
    "/v2/models/simple/generate_stream", "/v2/repository/index", "/v2/repository/models/simple/load",
    "/v2/repository/models/simple/unload", "/v2/systemsharedmemory/region/r/register",
    "/v2/systemsharedmemory/unregister", "/v2/systemsharedmemory/region/r/unregister",
    "/v2/cudasharedmemory/region/r/register", "/v2/cudasharedmemory/unregister",
)  # fmt: skip
BOTH = ("/v2/trace/setting", "/v2/models/simple/trace/setting", "/v2/logging")
UNKNOWN = (
    "/", "/v1", "/v2/", "/v2/health", "/v2/health/", "/v2/health/started", "/v2/models", "/v2/models/",
    "/v2/models/simple/", "/v2/models/simple/infer/", "/v2/models/simple/unknown", "/v2/models/simple/versions",
    "/v2/models/simple/versions/", "/v2/models/simple/versions/x/infer", "/v2/models/simple/versions/-1",
    "/v2/models/simple/versions/1/trace/setting", "/v2/repository", "/v2/repository/models/simple",
    "/v2/repository/models/simple/reload", "/v2/logging/", "/v2/systemsharedmemory", "/v2/systemsharedmemory/region/r",
    "/V2", "/v2//models/simple", "/v2/models//infer", "/v2/models/simple%2Finfer", "//v2", "/v3/models/simple",
)  # fmt: skip

CASES: dict[str, Step] = {
    **{f"{method} {path}": Http(method, path) for path in GETS for method in ("POST", "DELETE")},
    **{f"{method} {path}": Http(method, path) for path in POSTS for method in ("GET", "PUT")},
    **{f"DELETE {path}": Http("DELETE", path) for path in BOTH},
    **{f"GET {path}": get(path) for path in UNKNOWN},
    "POST to an unknown path": post("/nothing", "{}"),
    "HEAD of the server": Http("HEAD", "/v2"),
    "HEAD of health": Http("HEAD", "/v2/health/live"),
    "OPTIONS of the server": Http("OPTIONS", "/v2"),
    "PATCH of the server": Http("PATCH", "/v2"),
    "an encoded letter": get("/v2/models/sim%70le"),
    "an encoded version": get("/v2/models/simple/versions/%31"),
    "a query": get("/v2/models/simple?a=1&b"),
    "an empty query": get("/v2/health/live?"),
    "a query with a slash": get("/v2/models/simple/ready?x=/v2"),
    "a fragment": get("/v2/models/simple#x"),
    "an absolute target": get("http://localhost/v2/health/live"),
    "version 0": get("/v2/models/simple/versions/0"),
    "version 01": get("/v2/models/simple/versions/01"),
    "version too large": get("/v2/models/simple/versions/99999999999999999999"),
    "a space in a name": get("/v2/models/a%20b"),
    "a quote in a name": get("/v2/models/a%22b"),
    "unicode in a name": get("/v2/models/%C3%A9"),
    "a slash in a name": get("/v2/models/a%2Fb"),
}
