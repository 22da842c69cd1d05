"""Doors over TLS: real clients of both protocols, on both gRPC transports, and files that cannot be used."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import uvloop

from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.config import ServerSettings
from naiad.protocol.limits import Limits
from naiad.server.assembly import Assembly
from naiad.testing import RunningServer, running_server
from naiad.wire.http.http1.listener import HttpListener
from naiad.wire.tls import TlsFiles

trustme = pytest.importorskip("trustme", reason="trustme is not installed (requirements/dev.txt)")
grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")
tritonhttp = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
tritongrpc = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed")

SIMPLE = Path(__file__).parents[1] / "data" / "model_repository" / "simple"


@dataclass(frozen=True)
class Files:
    """One authority, a server's and a client's certificate; a stranger's of an authority nobody trusts."""

    ca: str
    cert: str
    key: str
    client_cert: str
    client_key: str
    other_ca: str
    other_cert: str
    other_key: str


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("tls")
    ca, other = trustme.CA(), trustme.CA()

    def write(name: str, blob: Any) -> str:
        path = folder / f"{name}.pem"
        blob.write_to_path(str(path))
        return str(path)

    paths = {"ca": write("ca", ca.cert_pem), "other_ca": write("other_ca", other.cert_pem)}
    for prefix, authority in (("", ca), ("client_", ca), ("other_", other)):
        leaf = authority.issue_cert("127.0.0.1", "localhost")
        paths[f"{prefix}cert"] = write(f"{prefix}cert", leaf.cert_chain_pems[0])
        paths[f"{prefix}key"] = write(f"{prefix}key", leaf.private_key_pem)
    return Files(**paths)


def numbers(module: Any) -> list[Any]:
    inputs = [module.InferInput(name, [1, 16], "INT32") for name in ("INPUT0", "INPUT1")]
    for one in inputs:
        one.set_data_from_numpy(np.ones((1, 16), np.int32))
    return inputs


@pytest.fixture(scope="module", params=["http2", "aio"])
def server(request: pytest.FixtureRequest, files: Files) -> Iterator[RunningServer]:
    """TLS on every door."""
    with running_server(
        str(SIMPLE), grpc_transport=request.param, metrics_tls=True, http_tls_cert=files.cert, http_tls_key=files.key,
        grpc_tls_cert=files.cert, grpc_tls_key=files.key,
    ) as running:  # fmt: skip
        yield running


@pytest.fixture(scope="module", params=["http2", "aio"])
def mutual(request: pytest.FixtureRequest, files: Files) -> Iterator[RunningServer]:
    """TLS with client certificates."""
    with running_server(
        str(SIMPLE), grpc_transport=request.param, http_tls_cert=files.cert, http_tls_key=files.key,
        http_tls_client_ca=files.ca, grpc_tls_cert=files.cert, grpc_tls_key=files.key, grpc_tls_client_ca=files.ca,
    ) as running:  # fmt: skip
        yield running


def context(ca: str, cert: str = "", key: str = "") -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=ca)
    if cert:
        made.load_cert_chain(cert, key)
    return made


# http


def test_https(server: RunningServer, files: Files) -> None:
    with httpx2.Client(base_url=server.url, verify=context(files.ca)) as client:
        assert client.get("/v2/health/ready").status_code == 200
        big = client.post("/v2/models/simple/infer", content=b" " * 3_000_000)
        assert big.status_code in (400, 500)
    assert httpx2.get(server.metrics_url, verify=context(files.ca)).text.startswith("#")


def test_https_with_tritons_client(server: RunningServer, files: Files) -> None:
    import gevent.ssl

    options = {"ssl_context_factory": gevent.ssl.create_default_context, "ssl_options": {"ca_certs": files.ca}}
    with tritonhttp.InferenceServerClient(server.address, ssl=True, **options) as client:
        result = client.infer("simple", numbers(tritonhttp))
    assert result.as_numpy("OUTPUT0").tolist() == [[2] * 16]


def test_https_is_refused_by_who_trusts_another(server: RunningServer, files: Files) -> None:
    with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx2.get(server.url + "/v2", verify=context(files.other_ca))


def test_plain_http_on_a_tls_port_is_dropped_and_the_server_lives_on(server: RunningServer, files: Files) -> None:
    with pytest.raises(httpx2.HTTPError):
        httpx2.get(f"http://{server.address}/v2/health/live")
    assert httpx2.get(server.url + "/v2/health/live", verify=context(files.ca)).status_code == 200


def test_nothing_older_than_tls_1_2(server: RunningServer, files: Files) -> None:
    old = context(files.ca)
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(server.url + "/v2", verify=old)


def test_mutual_https(mutual: RunningServer, files: Files) -> None:
    url = mutual.url + "/v2/health/live"
    mine = context(files.ca, files.client_cert, files.client_key)
    assert httpx2.get(url, verify=mine).status_code == 200
    with pytest.raises(httpx2.HTTPError):
        httpx2.get(url, verify=context(files.ca))
    with pytest.raises(httpx2.HTTPError):
        httpx2.get(url, verify=context(files.ca, files.other_cert, files.other_key))


# gRPC


def secure(server: RunningServer, ca: str, cert: str = "", key: str = "") -> Any:
    pair = {"private_key": key, "certificate_chain": cert} if cert else {}
    return tritongrpc.InferenceServerClient(server.grpc_address, ssl=True, root_certificates=ca, **pair)


def test_grpc_over_tls(server: RunningServer, files: Files) -> None:
    with secure(server, files.ca) as client:
        assert client.is_server_ready()
        assert client.infer("simple", numbers(tritongrpc)).as_numpy("OUTPUT0").tolist() == [[2] * 16]


def test_mutual_grpc(mutual: RunningServer, files: Files) -> None:
    with secure(mutual, files.ca, files.client_cert, files.client_key) as client:
        assert client.infer("simple", numbers(tritongrpc)).as_numpy("OUTPUT0").tolist() == [[2] * 16]


def refused(client: Any) -> bool:
    with client, pytest.raises(tritongrpc.InferenceServerException) as caught:
        client.is_server_live()
    return bool(caught.value.status() == "StatusCode.UNAVAILABLE")


def test_grpc_is_refused_by_who_trusts_another(server: RunningServer, files: Files) -> None:
    assert refused(secure(server, files.other_ca))


def test_grpc_without_tls_is_refused(server: RunningServer, files: Files) -> None:
    assert refused(tritongrpc.InferenceServerClient(server.grpc_address))
    with secure(server, files.ca) as client:
        assert client.is_server_live()


def test_mutual_grpc_refuses_strangers(mutual: RunningServer, files: Files) -> None:
    assert refused(secure(mutual, files.ca))
    assert refused(secure(mutual, files.ca, files.other_cert, files.other_key))


# timeouts

SETTINGS = b"\0\0\0\4\0\0\0\0\0"


def test_who_does_not_set_up_tls_is_sent_away(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naiad.wire.listening._HANDSHAKE_S", 0.1)
    with (
        running_server(http_tls_cert=files.cert, http_tls_key=files.key) as running,
        socket.create_connection(("127.0.0.1", running.server.http_port), timeout=30) as silent,
    ):
        assert silent.recv(1) == b""


@pytest.mark.parametrize("door", ["http", "grpc"])
def test_a_client_that_says_no_goodbye_does_not_hold_up_the_stop(files: Files, door: str) -> None:
    tls: dict[str, Any] = {f"{door}_tls_cert": files.cert, f"{door}_tls_key": files.key}
    hello = {"http": b"GET /v2 HTTP/1.1\r\nHost: h\r\n\r\n", "grpc": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS}
    wants = context(files.ca)
    wants.set_alpn_protocols(["h2" if door == "grpc" else "http/1.1"])
    with running_server(**tls) as running:
        raw = socket.create_connection(("127.0.0.1", getattr(running.server, f"{door}_port")), timeout=30)
        client = wants.wrap_socket(raw, server_hostname="127.0.0.1")
        client.sendall(hello[door])
        assert client.recv(1)
        began = time.perf_counter()
    assert time.perf_counter() - began < 8, "ten seconds is what the loop itself would wait"
    client.close()


def test_the_last_answer_of_a_connection_arrives_whole_at_a_slow_reader(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing overtakes neither what is in the loop's buffers nor what is in the kernel's."""
    monkeypatch.setattr("naiad.wire.listening._GOODBYE_S", 0.05)
    page = b"x" * 5_000_000

    async def serve() -> bytes:
        listener = HttpListener(lambda exchange: exchange.answer(200, page), Limits())
        await listener.open(("127.0.0.1",), 0, "--http-port", TlsFiles(files.cert, files.key).context())
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.port, ssl=context(files.ca), server_hostname="127.0.0.1", limit=1024
        )
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        await asyncio.sleep(0.2)  # past what a silent client gets
        received = await reader.read()
        await listener.close()
        return received

    assert uvloop.run(serve()).endswith(b"\r\n\r\n" + page)


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def test_connections_that_wait_when_the_server_stops_are_answered(files: Files, run: Callable[..., Any]) -> None:
    wants = context(files.ca)

    def ask(client: socket.socket) -> bytes:
        with wants.wrap_socket(client, server_hostname="127.0.0.1") as secured:
            secured.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            received = b""
            while piece := secured.recv(65536):
                received += piece
            return received

    async def serve() -> list[bytes]:
        listener = HttpListener(lambda exchange: exchange.answer(200, b"hello"), Limits())
        await listener.open(("127.0.0.1",), 0, "--http-port", TlsFiles(files.cert, files.key).context())
        clients = [socket.create_connection(("127.0.0.1", listener.port), timeout=30) for _ in range(10)]
        asking = [asyncio.ensure_future(asyncio.to_thread(ask, client)) for client in clients]
        await listener.stop_accepting()
        await listener.wait_told()
        listener.finish_connections()
        await asyncio.wait_for(listener.wait_closed(), 30)
        await listener.close()
        return await asyncio.gather(*asking)

    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
    assert run(serve()) == [answer] * 10


# files


@pytest.fixture(scope="module")
def encrypted(files: Files, tmp_path_factory: pytest.TempPathFactory) -> str:
    from cryptography.hazmat.primitives import serialization as to

    key = to.load_pem_private_key(Path(files.key).read_bytes(), None)
    path = tmp_path_factory.mktemp("tls") / "encrypted.pem"
    path.write_bytes(key.private_bytes(to.Encoding.PEM, to.PrivateFormat.PKCS8, to.BestAvailableEncryption(b"secret")))
    return str(path)


@pytest.mark.parametrize("transport", ["http2", "aio"])
@pytest.mark.parametrize("door", ["http", "grpc"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": ""}, "TLS needs both {}-cert and {}-key"),
        ({"cert": ""}, "TLS needs both"),
        ({"cert": "", "key": "", "client_ca": "ca"}, "TLS needs both"),
        ({"cert": "/nonexistent"}, "{}-cert: cannot read '/nonexistent': No such file"),
        ({"key": "/nonexistent"}, "{}-key: cannot read"),
        ({"client_ca": "/nonexistent"}, "{}-client-ca: cannot read"),
        ({"cert": "/"}, "{}-cert: cannot read '/': Is a directory"),
        ({"key": "other_key"}, "is not the key of the certificate"),
        ({"key": "cert"}, "holds no private key in PEM form"),
        ({"cert": "key"}, "holds no certificate in PEM form"),
        ({"cert": "not pem"}, "{}-cert: .* holds no certificate in PEM form"),
        ({"key": "not pem"}, "{}-key: .* holds no private key in PEM form"),
        ({"client_ca": "not pem"}, "{}-client-ca: .* holds no certificate in PEM form"),
        ({"client_ca": "key"}, "{}-client-ca: .* holds no certificate in PEM form"),
        ({"key": "encrypted"}, "{}-key: .* is encrypted. Give a key without a passphrase"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used_are_named(
    files: Files, encrypted: str, tmp_path: Path, door: str, transport: str, changes: dict[str, str], message: str
) -> None:
    (tmp_path / "not.pem").write_bytes(b"\0\xff not a certificate")
    known = {"not pem": str(tmp_path / "not.pem"), "encrypted": encrypted, **vars(files)}
    chosen = {"cert": "cert", "key": "key", **changes}
    values = {f"{door}_tls_{part}": known.get(name, name) for part, name in chosen.items()}
    with pytest.raises(InvalidConfiguration, match=message.replace("{}", f"--{door}-tls")):
        Assembly((), ServerSettings.of(grpc_transport=transport, **values))


def test_metrics_over_tls_need_the_http_doors_files() -> None:
    with pytest.raises(InvalidConfiguration, match="--metrics-tls needs --http-tls-cert"):
        Assembly((), ServerSettings.of(metrics_tls=True))
