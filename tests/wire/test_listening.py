"""Doors: each can be shut, have its own address and share its port; addresses that cannot be had are named."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx2
import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.config import ServerSettings
from naiad.server.assembly import Assembly
from naiad.testing import running_server

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")

TRANSPORTS = ("http2", "aio")


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def is_live(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
        return bool(call(b"", timeout=30) == b"\x08\x01")


@pytest.fixture
def started(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.LogCaptureFixture]:
    """What the log says about doors."""
    monkeypatch.setattr(logging.getLogger("naiad"), "propagate", True)
    with caplog.at_level(logging.INFO, "naiad.wire"):
        yield caplog


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("door", ["http", "grpc", "metrics"])
def test_a_door_can_be_shut(started: pytest.LogCaptureFixture, transport: str, door: str) -> None:
    with running_server(grpc_transport=transport, **{f"allow_{door}": False}) as running:
        ports = {name: getattr(running.server, f"{name}_port") for name in ("http", "grpc", "metrics")}
        assert [name for name, port in ports.items() if not port] == [door]
        if door != "http":
            assert httpx2.get(f"{running.url}/v2/health/live").status_code == 200
        if door != "grpc":
            assert is_live(running.grpc_address)
        if door != "metrics":
            assert httpx2.get(running.metrics_url).status_code == 200
    lines = [line for line in started.messages if line.startswith("Started ")]
    names = {"grpc": "GRPCInferenceService", "http": "HTTPService", "metrics": "Metrics Service"}
    assert lines == [f"Started {names[name]} at 127.0.0.1:{ports[name]}" for name in names if name != door]


def test_all_may_be_shut() -> None:
    with running_server(allow_http=False, allow_grpc=False, allow_metrics=False) as running:
        assert running.server.http_port == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_each_has_its_own_address(transport: str) -> None:
    hosts = {"http_host": "127.0.0.2", "grpc_host": "127.0.0.3"}
    with running_server(grpc_transport=transport, **hosts) as running:
        assert running.address.startswith("127.0.0.2:")
        assert httpx2.get(f"{running.url}/v2/health/live").status_code == 200
        assert is_live(running.grpc_address)
        assert running.metrics_url.startswith("http://127.0.0.2:"), "as the HTTP door, if nothing else is said"
        assert httpx2.get(running.metrics_url).status_code == 200
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"http://127.0.0.1:{running.server.http_port}/v2/health/live")


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_ipv6(started: pytest.LogCaptureFixture, transport: str) -> None:
    with running_server(grpc_transport=transport, host="::1") as running:
        assert running.address.startswith("[::1]:")
        assert httpx2.get(f"{running.url}/v2/health/live").status_code == 200
        assert is_live(running.grpc_address)
    assert f"Started HTTPService at {running.address}" in started.messages


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    "hosts",
    [("::",), ("[::]",), ("::", "0.0.0.0"), ("127.0.0.1", "::1"), ("localhost", "::1")],  # noqa: S104 — for a moment
)
def test_both_kinds_of_addresses(transport: str, hosts: tuple[str, ...]) -> None:
    """The address of IPv6 that stands for all takes clients of IPv4, too, whatever the system's default is."""
    with running_server(grpc_transport=transport, host=hosts) as running:
        for host in ("127.0.0.1", "[::1]"):
            assert httpx2.get(f"http://{host}:{running.server.http_port}/v2/health/live").status_code == 200
            assert httpx2.get(f"http://{host}:{running.server.metrics_port}/metrics").status_code == 200
            assert is_live(f"{host}:{running.server.grpc_port}")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_several_addresses_and_no_others(started: pytest.LogCaptureFixture, transport: str) -> None:
    with running_server(grpc_transport=transport, host=("127.0.0.2", "127.0.0.3", "127.0.0.2")) as running:
        port = running.server.http_port
        for host in ("127.0.0.2", "127.0.0.3"):
            assert httpx2.get(f"http://{host}:{port}/v2/health/live").status_code == 200
            assert is_live(f"{host}:{running.server.grpc_port}")
            assert f"Started HTTPService at {host}:{port}" in started.messages
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"http://127.0.0.1:{port}/v2/health/live")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_one_of_several_addresses_that_cannot_be_had(transport: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"cannot listen on 192\.0\.2\.1:"):
        open_and_close(grpc_transport=transport, host=("127.0.0.1", "192.0.2.1"))
    with closing(socket.create_server(("127.0.0.3", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidConfiguration, match=f"cannot listen on 127\\.0\\.0\\.3:{port}"):
            open_and_close(grpc_transport=transport, host=("127.0.0.2", "127.0.0.3"), grpc_port=port)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_two_servers_on_one_port(transport: str) -> None:
    shared: dict[str, Any] = {"grpc_transport": transport, "reuse_http_port": True, "reuse_grpc_port": True}
    with running_server(**shared) as first:
        ports = {"http_port": first.server.http_port, "grpc_port": first.server.grpc_port}
        with running_server(**shared, **ports) as second:
            assert second.address == first.address
            assert all(httpx2.get(f"{first.url}/v2/health/live").status_code == 200 for _ in range(8))
            assert all(is_live(first.grpc_address) for _ in range(4))
        assert httpx2.get(f"{first.url}/v2/health/live").status_code == 200


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("door", ["http", "grpc"])
def test_a_port_is_shared_only_if_both_agree(transport: str, door: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidConfiguration, match=f"Choose another with --{door}-port"):
            open_and_close(grpc_transport=transport, **{f"reuse_{door}_port": True, f"{door}_port": port})


def open_and_close(**settings: Any) -> None:
    """Open the doors of a server and close them again."""

    async def both() -> None:
        server = Assembly((), ServerSettings.of(**{"http_port": 0, "grpc_port": 0, "metrics_port": 0, **settings}))
        try:
            await server.start()
        finally:
            await server.stop()

    asyncio.run(both())


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("door", ["http", "grpc", "metrics"])
@pytest.mark.parametrize("host", ["999.1.1.1", "no.such.host.invalid", "192.0.2.1", "a" * 70, ":::", "fe80::1%nope"])
def test_an_address_that_is_none_is_named_with_its_option(transport: str, door: str, host: str) -> None:
    with pytest.raises(InvalidConfiguration, match="cannot listen on ") as caught:
        open_and_close(grpc_transport=transport, **{f"{door}_host": host})
    assert host in caught.value.message
    assert f"Choose another with --{door}-" in caught.value.message


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(InvalidConfiguration, match="--host must not be empty"):
        ServerSettings.of(host="")
    with pytest.raises(InvalidConfiguration, match="--host must not be empty"):
        ServerSettings.of(host=("127.0.0.1", ""))
    with pytest.raises(InvalidConfiguration, match="must differ"):
        ServerSettings.of(http_port=9000, grpc_port=9000)
    assert ServerSettings.of(http_port=9000, grpc_port=9000, grpc_host="127.0.0.2").grpc.port == 9000
    assert ServerSettings.of(http_port=9000, grpc_port=9000, allow_grpc=False).http.port == 9000
