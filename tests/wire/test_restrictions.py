"""Restricted features: one gate in front of every route and every RPC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.config import ServerSettings
from naiad.core.settings.features import Feature
from naiad.observe.logs.control import LogControl
from naiad.observe.logs.lines import LogOptions
from naiad.proto.pool import message_class
from naiad.server.assembly import Assembly
from naiad.testing import RunningServer, running_server
from naiad.wire.doors import Doors
from naiad.wire.grpc.features import feature_of
from naiad.wire.grpc.guard import GRPC_PREFIX, guard
from naiad.wire.grpc.servicer import SERVICE
from naiad.wire.http.metrics import metrics_router
from naiad.wire.http.routes import Route
from naiad.wire.restrictions import Gate

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")

SECRET = "s3cret-value"
OPTION = "--http-restricted-api"

ROUTES = {
    "GET /v2": Feature.METADATA,
    "GET /v2/models/m": Feature.METADATA,
    "GET /v2/models/m/versions/1": Feature.METADATA,
    "GET /v1/models": Feature.METADATA,
    "GET /v1/models/m": Feature.METADATA,
    "GET /v2/health/live": Feature.HEALTH,
    "GET /v2/health/ready": Feature.HEALTH,
    "GET /v2/models/m/ready": Feature.HEALTH,
    "GET /v2/models/m/versions/1/ready": Feature.HEALTH,
    "POST /v2/models/m/infer": Feature.INFERENCE,
    "POST /v2/models/m/versions/1/infer": Feature.INFERENCE,
    "POST /v2/models/m/generate": Feature.INFERENCE,
    "POST /v2/models/m/generate_stream": Feature.INFERENCE,
    "POST /v1/embeddings": Feature.INFERENCE,
    "POST /v1/rerank": Feature.INFERENCE,
    "POST /rerank": Feature.INFERENCE,
    "POST /v1/score": Feature.INFERENCE,
    "POST /score": Feature.INFERENCE,
    "POST /v1/classify": Feature.INFERENCE,
    "POST /classify": Feature.INFERENCE,
    "POST /embed": Feature.INFERENCE,
    "POST /embed_sparse": Feature.INFERENCE,
    "POST /predict": Feature.INFERENCE,
    "POST /v2/models/m/jobs": Feature.INFERENCE,
    "POST /v2/models/m/versions/1/jobs": Feature.INFERENCE,
    "POST /v2/models/m/jobs/generate": Feature.INFERENCE,
    "GET /v2/models/m/jobs/i": Feature.INFERENCE,
    "GET /v2/models/m/jobs/i/result": Feature.INFERENCE,
    "GET /v2/jobs": Feature.MODEL_REPOSITORY,
    "POST /serve/e": Feature.INFERENCE,
    "POST /serve/e/1": Feature.INFERENCE,
    "POST /serve/openai/v1/chat/completions": Feature.INFERENCE,
    "GET /v2/models/m/config": Feature.MODEL_CONFIG,
    "GET /v2/models/m/stats": Feature.STATISTICS,
    "GET /v2/models/stats": Feature.STATISTICS,
    "GET /v2/models/m/explain": Feature.STATISTICS,
    "POST /v2/repository/index": Feature.MODEL_REPOSITORY,
    "POST /v2/repository/models/m/load": Feature.MODEL_REPOSITORY,
    "POST /v2/repository/models/m/unload": Feature.MODEL_REPOSITORY,
    "GET /v2/systemsharedmemory/status": Feature.SHARED_MEMORY,
    "GET /v2/systemsharedmemory/region/r/status": Feature.SHARED_MEMORY,
    "GET /v2/cudasharedmemory/status": Feature.SHARED_MEMORY,
    "POST /v2/cudasharedmemory/region/r/register": Feature.SHARED_MEMORY,
    "POST /v2/cudasharedmemory/region/r/unregister": Feature.SHARED_MEMORY,
    "POST /v2/systemsharedmemory/region/r/register": Feature.SHARED_MEMORY,
    "POST /v2/systemsharedmemory/unregister": Feature.SHARED_MEMORY,
    "GET /v2/trace/setting": Feature.TRACE,
    "POST /v2/models/m/trace/setting": Feature.TRACE,
    "GET /v2/logging": Feature.LOGGING,
    "POST /v2/logging": Feature.LOGGING,
}
"""What each route must belong to."""


def doors(**settings: Any) -> Doors:
    """The doors of a whole server, not opened."""
    return Assembly((), ServerSettings.of(**settings)).doors


@pytest.fixture(scope="module")
def routes() -> tuple[Route, ...]:
    return doors().http.listener._dispatch.routes


class FakeCall:
    """A call that notes how it ended."""

    def __init__(self, method: str, **metadata: str) -> None:
        self.method = method
        self.metadata = metadata
        self.end: tuple[str, str] | None = None

    def finish(self, status: str = "OK", message: str = "") -> None:
        self.end = (status, message)


# what belongs to what


@pytest.mark.parametrize(("request_line", "feature"), ROUTES.items())
def test_every_route_belongs_to_one_feature(routes: tuple[Route, ...], request_line: str, feature: Feature) -> None:
    path = request_line.partition(" ")[2]
    found = [route.feature for route in routes if route.pattern.fullmatch(path)]
    assert found[:1] == [feature], "the first that matches is the one that answers"


def test_no_route_is_missing_from_the_table(routes: tuple[Route, ...]) -> None:
    """A new route needs a line above, so that its feature is chosen and not fallen into."""
    paths = [line.partition(" ")[2] for line in ROUTES]
    assert [r.pattern.pattern for r in routes if not any(r.pattern.fullmatch(path) for path in paths)] == []


def test_the_metrics_port_belongs_to_metrics() -> None:
    assert {route.feature for route in metrics_router(lambda: b"").routes} == {Feature.METRICS}


def test_every_rpc_belongs_to_one_feature() -> None:
    descriptor = message_class("ModelInferRequest").DESCRIPTOR.file.services_by_name["GRPCInferenceService"]
    methods = {SERVICE + method.name for method in descriptor.methods}
    assert len(methods) == 20
    assert {method for method in methods if feature_of(method) is None} == set()
    assert {feature_of(method) for method in methods} == set(Feature) - {Feature.METRICS}
    assert feature_of("/grpc.health.v1.Health/Check") == Feature.HEALTH
    assert feature_of("/grpc.health.v1.Health/Watch") == Feature.HEALTH
    assert feature_of("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo") == Feature.METADATA
    assert feature_of("/other/Method") is None


# the gate


def test_being_open_costs_nothing() -> None:
    serve: Any = object()
    assert guard(serve, Gate()) is serve


def test_metrics_are_not_over_grpc() -> None:
    with pytest.raises(InvalidConfiguration, match="unknown restricted protocol 'metrics'"):
        Gate.of([f"metrics:key={SECRET}"], "--grpc-restricted-protocol", GRPC_PREFIX)
    assert Gate.of([f"metrics:key={SECRET}"], OPTION).password_of(Feature.METRICS) is not None


@pytest.mark.parametrize("feature", sorted(set(Feature) - {Feature.METRICS}))
def test_a_restricted_rpc_needs_its_metadata(feature: Feature) -> None:
    seen: list[Any] = []
    gate = Gate.of([f"{feature}:Key={SECRET}"], "--grpc-restricted-protocol", GRPC_PREFIX)
    serve = guard(seen.append, gate)
    methods = [SERVICE + "ModelInfer", SERVICE + "ModelReady", "/grpc.health.v1.Health/Check"]
    for method in methods:
        call = FakeCall(method)
        serve(call)  # type: ignore[arg-type]
        if feature_of(method) == feature:
            expected = ("UNAVAILABLE", "This protocol is restricted, expecting header 'triton-grpc-protocol-Key'")
            assert call.end == expected
            serve(FakeCall(method, **{"triton-grpc-protocol-key": SECRET}))  # type: ignore[arg-type]
        assert seen.pop().method == method


def test_a_verbose_log_has_a_line_for_each_call_that_is_turned_away(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="naiad")
    gate = Gate.of([f"health:key={SECRET}"], "--grpc-restricted-protocol", GRPC_PREFIX)
    for verbose in (0, 1):
        serve = guard(lambda _: pytest.fail("passed on"), gate, LogControl(LogOptions(verbose=verbose)))
        serve(FakeCall(SERVICE + "ServerLive"))  # type: ignore[arg-type]
    assert [message.rpartition(" ")[0].rpartition(" ")[0] for message in caplog.messages] == [
        f"{SERVICE}ServerLive UNAVAILABLE"
    ]


def test_a_method_that_the_gate_does_not_know_is_not_served() -> None:
    call = FakeCall("/other/Method")
    guard(lambda _: pytest.fail("passed on"), Gate.of([f"health:a={SECRET}"], OPTION))(call)  # type: ignore[arg-type]
    assert call.end == ("UNIMPLEMENTED", "there is no method /other/Method")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([f"health,metadata{SECRET}"], "option format is"),
        ([f"health:{SECRET}"], "option format is"),
        ([f":key={SECRET}"], "option format is"),
        ([f"health:={SECRET}"], "option format is"),
        (["health:key="], "option format is"),
        ([f"{SECRET}:key=health"], "unknown restricted api; known: health, metadata"),
        ([f"frob:key={SECRET}"], "unknown restricted api 'frob'"),
        ([f"health,:key={SECRET}"], "unknown restricted api"),
        ([f"health:a={SECRET}", f"metadata,health:b={SECRET}"], "'health' can not be specified in multiple"),
        ([f"health,health:a={SECRET}"], "'health' can not be specified in multiple"),
        ([f"health:a b={SECRET}"], "the header's name may have"),
        ([f"health:a={SECRET}\n"], "cannot be sent in a header"),
        ([f"health:a= {SECRET}"], "cannot be sent in a header"),
    ],
)
def test_mistakes_are_named_and_values_never_shown(values: list[str], message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=re.escape(message)) as caught:
        Gate.of(values, OPTION)
    assert OPTION in caught.value.message
    assert SECRET not in caught.value.message


def test_metadata_are_ascii() -> None:
    with pytest.raises(InvalidConfiguration, match="cannot be sent as metadata"):
        Gate.of(["health:a=Größe"], "--grpc-restricted-protocol", GRPC_PREFIX)
    password = Gate.of(["health:a=Größe"], OPTION).password_of(Feature.HEALTH)
    assert password is not None
    assert password.is_in("Größe".encode())


def test_metadata_that_cannot_be_encoded_do_not_open() -> None:
    call = FakeCall("/grpc.health.v1.Health/Check", a="\udcff")
    guard(lambda _: pytest.fail("passed on"), Gate.of(["health:a=b"], OPTION))(call)  # type: ignore[arg-type]
    assert call.end is not None
    assert call.end[0] == "UNAVAILABLE"


def test_values_are_not_in_anything_that_is_printed() -> None:
    settings = ServerSettings.of(
        http_restricted_api=(f"health:a={SECRET}",), grpc_restricted_protocol=(f"all:a={SECRET}",)
    )
    password = Gate.of(settings.http.restricted_api, OPTION).password_of(Feature.HEALTH)
    assert password is not None
    assert SECRET not in repr(settings) + repr(password)


def test_a_mistake_stops_the_start() -> None:
    with pytest.raises(InvalidConfiguration, match="--grpc-restricted-protocol: unknown restricted protocol 'frob'"):
        doors(grpc_restricted_protocol=("frob:a=b",))


# against a live server


@pytest.fixture(scope="module", params=["http2", "aio"])
def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    with running_server(
        grpc_transport=request.param,
        http_restricted_api=(f"health,inference,metrics:X-Key={SECRET}", f"model-repository:Admin={SECRET}2"),
        grpc_restricted_protocol=(f"health,metadata:infer-key={SECRET}",),
    ) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url) as opened:
        yield opened


RESTRICTED = (403, {"error": "This API is restricted, expecting header 'X-Key'"})


@pytest.mark.parametrize(
    "request_line",
    ["GET /v2/health/live", "POST /v2/models/m/infer", "POST /v1/embeddings", "POST /v2/models/m/generate",
     "DELETE /v2/health/live", "GET /v2/models/m/infer?x=1"],
)  # fmt: skip
def test_http_restriction_comes_before_method_and_model(client: httpx2.Client, request_line: str) -> None:
    answer = client.request(*request_line.split(" "))
    assert (answer.status_code, answer.json()) == RESTRICTED
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("given", ["", "S3CRET-VALUE", SECRET + "2", f"{SECRET}, {SECRET}"])
def test_http_needs_the_very_value(client: httpx2.Client, given: str) -> None:
    assert client.get("/v2/health/live", headers={"X-Key": given}).status_code == 403


def test_http_with_the_value(client: httpx2.Client) -> None:
    key = {"x-KEY": SECRET}
    assert client.get("/v2/health/live", headers=key).status_code == 200
    assert client.post("/v2/models/nope/infer", json={}, headers=key).status_code != 403
    assert client.delete("/v2/health/live", headers=key).status_code == 405
    assert client.get("/v2/models/m/infer", headers=key).status_code == 405


def test_each_group_has_its_own_header(client: httpx2.Client) -> None:
    answer = client.post("/v2/repository/index", headers={"X-Key": SECRET})
    assert (answer.status_code, answer.json()["error"]) == (403, "This API is restricted, expecting header 'Admin'")
    assert client.post("/v2/repository/index", headers={"Admin": SECRET + "2"}).json() == []


def test_http_leaves_the_rest_open(client: httpx2.Client) -> None:
    assert client.get("/v2").status_code == 200
    assert client.get("/nothing").status_code == 404


def test_the_metrics_port_can_be_restricted(server: RunningServer) -> None:
    assert httpx2.get(server.metrics_url).status_code == 403
    assert httpx2.get(server.metrics_url, headers={"X-Key": SECRET}).text.startswith("#")


def test_grpc(server: RunningServer) -> None:
    triton = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed")
    with triton.InferenceServerClient(server.grpc_address) as client:
        with pytest.raises(triton.InferenceServerException) as caught:
            client.is_server_live()
        assert caught.value.status() == "StatusCode.UNAVAILABLE"
        expected = "This protocol is restricted, expecting header 'triton-grpc-protocol-infer-key'"
        assert caught.value.message() == expected
        assert client.is_server_live(headers={"triton-grpc-protocol-infer-key": SECRET})
        assert client.get_model_repository_index(as_json=True) == {}


def test_grpc_health_is_restricted_like_the_rest_of_health(server: RunningServer) -> None:
    with grpc.insecure_channel(server.grpc_address) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        with pytest.raises(grpc.RpcError) as caught:
            check(b"", timeout=30)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        answer = check(b"", timeout=30, metadata=[("triton-grpc-protocol-infer-key", SECRET)])
        assert answer in (b"\x08\x01", b"\x08\x02")
