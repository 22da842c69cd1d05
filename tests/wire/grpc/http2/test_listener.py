"""The port itself: opened, drained, closed; TLS; clients that do not begin, do not answer, do not read."""

from __future__ import annotations

import shutil
import socket
import ssl
import struct
import subprocess
import time
from pathlib import Path

import grpc
import h2.config
import h2.connection
import pytest
from echo import WAIT_S, Served, served
from peer import REQUEST, frames_of

from naiad.core.errors import InvalidConfiguration
from naiad.wire.grpc.http2.framing import codes
from naiad.wire.grpc.http2.framing.codes import ErrorCode
from naiad.wire.grpc.http2.framing.frames import frame, ping
from naiad.wire.grpc.http2.listener import Http2Listener
from naiad.wire.grpc.http2.options import Http2Options


def connect(running: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.listener.port), timeout=WAIT_S)


def read_all(sock: socket.socket) -> bytes:
    """Everything until the server closes."""
    found = b""
    while data := sock.recv(65536):
        found += data
    return found


def greeting() -> bytes:
    return codes.PREFACE + frame(codes.SETTINGS, 0, 0) + frame(codes.SETTINGS, codes.ACK, 0)


async def test_an_address_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listener = Http2Listener(lambda call: None)
        with pytest.raises(InvalidConfiguration, match="Choose another with --grpc-port"):
            await listener.open(("127.0.0.1",), taken.getsockname()[1], "--grpc-port")


def test_one_connection_too_many_is_sent_away_and_the_others_live_on() -> None:
    with served(Http2Options(connections=1)) as running, grpc.insecure_channel(running.address) as channel:
        echo = channel.unary_unary("/e/Echo")
        assert echo(b"x", timeout=WAIT_S) == b"x"
        with connect(running) as late:
            last = frames_of(read_all(late))[-1]
            assert (last.kind, last.error) == (codes.GOAWAY, ErrorCode.ENHANCE_YOUR_CALM)
            assert b"too many connections" in last.payload
        assert echo(b"y", timeout=WAIT_S) == b"y"


def test_closing_lets_calls_finish_and_tells_clients() -> None:
    with served() as running, grpc.insecure_channel(running.address) as channel:
        call = channel.unary_unary("/e/Never").future(b"x", timeout=WAIT_S)
        assert running.echo.events.get(timeout=WAIT_S) == ("message", b"x")
        running.wait(running.listener.stop_accepting)
        with pytest.raises(ConnectionRefusedError):
            connect(running)
        (last,) = running.echo.running
        running.run(lambda: (last.send(b"done"), last.finish()))
        assert call.result() == b"done"
        running.wait_closed()


def test_clients_hear_of_the_end_before_calls_are_refused() -> None:
    """Whoever waits for them to know has served every call that was on its way."""
    with served() as running, grpc.insecure_channel(running.address) as channel:
        assert channel.unary_unary("/e/Echo")(b"x", timeout=WAIT_S) == b"x"
        running.wait(running.listener.stop_accepting)
        began_s = time.monotonic()
        running.wait(running.listener.wait_told)
        running.wait_closed()
        assert time.monotonic() - began_s < WAIT_S / 2


def test_a_client_that_does_not_listen_does_not_hold_up_the_end() -> None:
    with served() as running, connect(running) as sock:
        sock.sendall(greeting())
        assert sock.recv(65536)
        running.wait(running.listener.stop_accepting)
        running.wait(running.listener.wait_told)


def test_closing_ends_calls_that_do_not_finish() -> None:
    with served() as running, grpc.insecure_channel(running.address) as channel:
        call = channel.unary_unary("/e/Never").future(b"x", timeout=WAIT_S)
        assert running.echo.events.get(timeout=WAIT_S) == ("message", b"x")
        running.close()
        assert running.echo.events.get(timeout=WAIT_S) == ("cancel", "/e/Never")
        assert call.exception().code() == grpc.StatusCode.UNAVAILABLE


def test_http_1_is_turned_away() -> None:
    with served() as running, connect(running) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        goodbye = frames_of(read_all(sock))[-1]
        assert (goodbye.kind, goodbye.error) == (codes.GOAWAY, ErrorCode.PROTOCOL_ERROR)


def test_a_client_that_does_not_begin_is_closed() -> None:
    with served(Http2Options(greeting_s=0.05)) as running, connect(running) as sock:
        assert frames_of(read_all(sock))[-1].error == ErrorCode.SETTINGS_TIMEOUT


def test_a_client_that_does_not_answer_pings_is_closed() -> None:
    options = Http2Options(keepalive_s=0.05, keepalive_timeout_s=0.05, keepalive_without_calls=True)
    with served(options) as running, connect(running) as sock:
        sock.sendall(greeting())
        try:
            kinds = [one.kind for one in frames_of(read_all(sock))]
        except ConnectionResetError:
            return
        assert kinds[-1] == codes.PING


def test_a_client_that_answers_pings_is_kept() -> None:
    options = Http2Options(keepalive_s=0.02, keepalive_timeout_s=5)
    with served(options) as running, grpc.insecure_channel(running.address) as channel:
        call = channel.unary_unary("/e/Never").future(b"x", timeout=0.3)
        assert call.exception().code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert channel.unary_unary("/e/Echo")(b"x", timeout=WAIT_S) == b"x"


def test_an_old_connection_is_exchanged_without_losing_a_call() -> None:
    with served(Http2Options(age_s=0.03)) as running, grpc.insecure_channel(running.address) as channel:
        echo = channel.unary_unary("/e/Later")
        for number in range(300):
            assert echo(b"%d" % number, timeout=WAIT_S) == b"%d" % number


def test_an_idle_connection_is_closed_with_goaway() -> None:
    with served(Http2Options(idle_s=0.05)) as running, connect(running) as sock:
        sock.sendall(greeting())
        warning = b""
        while ping(b"drained?") not in warning:
            warning += sock.recv(65536)
        sock.sendall(ping(b"drained?", codes.ACK))
        first, last = frames_of(warning)[-2], frames_of(read_all(sock))[-1]
        assert [(one.kind, one.number, one.error) for one in (first, last)] == [
            (codes.GOAWAY, 2**31 - 1, ErrorCode.NO_ERROR),
            (codes.GOAWAY, 0, ErrorCode.NO_ERROR),
        ]


def test_a_client_that_does_not_read_holds_up_only_itself() -> None:
    """Its answers wait; what it sends is not read; others are served."""
    window = struct.pack(">HI", 4, 2**31 - 1)
    with served() as running, connect(running) as sock:
        client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        client.initiate_connection()
        sock.sendall(client.data_to_send() + frame(codes.SETTINGS, 0, 0, window))
        sock.sendall(frame(codes.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**30)))
        client.send_headers(1, [(name, b"/e/Count" if name == b":path" else value) for name, value in REQUEST])
        client.send_data(1, b"\0\0\0\0\x0520000", end_stream=True)
        sock.sendall(client.data_to_send())
        with grpc.insecure_channel(running.address) as channel:
            assert channel.unary_unary("/e/Echo")(b"x", timeout=WAIT_S) == b"x"
        received = 0
        while received < 20_000 * 1000:
            received += len(sock.recv(1 << 20))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of localhost, signed by itself: (certificate, key)."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "cert.pem", folder / "key.pem"
    kind = ["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = [openssl, *kind, *names, "-keyout", str(paths[1]), "-out", str(paths[0])]
    subprocess.run(command, check=True, capture_output=True)
    return paths


def test_tls_with_alpn(certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    credentials = grpc.ssl_channel_credentials(certificate[0].read_bytes())
    with served(tls=context) as running, grpc.secure_channel(running.address, credentials) as channel:
        assert channel.unary_unary("/e/Later")(b"x" * 3_000_000, timeout=WAIT_S) == b"x" * 3_000_000


def test_tls_without_alpn_is_closed(certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    with served(tls=context) as running:
        sock = trusting.wrap_socket(connect(running), server_hostname="localhost")
        with sock:
            assert read_all(sock) == b""
