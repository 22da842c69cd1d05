"""Callbacks: whom the server tells, whom it must not, and what it sends; receivers are real servers on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import http.server
import json
import queue
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from job_server import ask, body, post, put

from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.jobs.callbacks.allowed import Allowed
from naiad.jobs.callbacks.posting import NotTold
from naiad.jobs.callbacks.posting import post as tell
from naiad.testing import running_server


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what it is told, and answers with the statuses it was given, then with 200."""

    def __init__(self) -> None:
        self.told: queue.SimpleQueue[tuple[str, dict[str, str], bytes]] = queue.SimpleQueue()
        self.statuses: list[int] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.put((self.path, dict(self.headers), raw))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.send_response(status)
        self.send_header("Location", f"http://{self.server.host}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_the_end_of_a_job_is_told_signed_and_again_until_it_arrives(
    tmp_path: Path, place: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("sqlite", "redis"):
        monkeypatch.setattr(f"naiad.jobs.{kind}.store.CALLBACK_DELAYS_S", (0.0,) * 5)
    receiver.statuses = [500, 302]
    options: dict[str, Any] = {"jobs_callback_host": (receiver.host,), "jobs_callback_key": "secret"}
    with running_server(str(put(tmp_path)), jobs=place, allow_grpc=False, **options) as server:
        taken = post(server.url, body(5), Job_Callback=f"http://{receiver.host}/done?order=17")
        assert taken.status == 202
        told = [receiver.told.get(timeout=30) for _ in range(3)]
        for path, headers, raw in told:
            document = json.loads(raw)
            assert (path, document["id"], document["state"]) == ("/done?order=17", taken.json["id"], "done")
            stamp, _, made = headers["Naiad-Signature"].partition(",")
            expected = hmac.new(b"secret", stamp.removeprefix("t=").encode() + b"." + raw, sha256).hexdigest()
            assert made == f"v1={expected}"
        assert ask(f"{server.url}{document['result']}").json["outputs"][0]["data"] == [5]
        for _ in range(3000):
            rows = ask(server.metrics_url).raw.decode().splitlines()
            if 'naiad_job_callbacks_total{result="told"} 1' in rows:
                break
        assert 'naiad_job_callbacks_total{result="told"} 1' in rows
        assert 'naiad_job_callbacks_total{result="failed"} 2' in rows
    assert receiver.told.empty(), "a redirect is not followed, and what was told is not told again"


def test_a_cancelled_job_is_told_too(tmp_path: Path, receiver: Receiver) -> None:
    models, url = str(put(tmp_path, ms=60_000)), f"http://{receiver.host}/"
    options: dict[str, Any] = {"jobs_callback_host": (receiver.host,), "drain_timeout_s": 0.1}
    with running_server(models, jobs=str(tmp_path / "jobs"), allow_grpc=False, **options) as server:
        path = post(server.url, body(5), Job_Callback=url).headers["Location"]
        ask(f"{server.url}{path}", "DELETE")
        _, headers, raw = receiver.told.get(timeout=30)
        assert json.loads(raw)["state"] == "cancelled"
        assert "Naiad-Signature" not in headers
        refused = post(server.url, body(5), Job_Callback="http://127.0.0.1:1/")
        assert (refused.status, refused.error) == (
            400,
            "callbacks to 127.0.0.1:1 are not allowed by --jobs-callback-host of this server",
        )


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/x?y=1",
        "http://HOOKS.example.:80/",
        "https://a.wide.example/",
        "http://named.example:8080/",
        "http://10.1.2.3/",
        "http://[fd00::1]:9/",
    ],
)
def test_urls_that_may_be_called(url: str) -> None:
    hosts = ("hooks.example", "*.wide.example", "named.example:8080", "10.0.0.0/8", "[fd00::1]:9")
    assert Allowed(hosts).target(url).path.startswith("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example/",
        "http://hooks.example:81/",
        "http://hooks.example.evil.example/",
        "http://evilhooks.example/",
        "http://wide.example/",
        "http://.wide.example/",
        "http://named.example/",
        "http://11.1.2.3/",
        "http://10.1/",
        "http://0x0a010203/",
        "http://user@hooks.example/",
        "http://user:secret@hooks.example/",
        "http://hooks.example\\@evil.example/",
        "http://evil.example#@hooks.example/",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "//hooks.example/",
        "hooks.example",
        "http://",
        "http://[::1",
        "http://hooks.example:0/",
        "http://hooks.example:99999/",
        "http://hooks.exämple/",
        "http://hooks.example/a b",
        "http://hooks.example/\r\nX: y",
        "http://hooks.example/" + "a" * 2048,
    ],
)
def test_urls_that_may_not(url: str) -> None:
    with pytest.raises(InvalidRequest):
        Allowed(("hooks.example", "*.wide.example", "named.example:8080", "10.0.0.0/8")).target(url)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0", "100.64.0.1", "224.0.0.1"),  # noqa: S104 - not listened on
        *("::1", "::", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "ff02::1"),
        "nonsense",
    ],
)
def test_addresses_that_are_not_public_must_be_named(address: str) -> None:
    with pytest.raises(InvalidRequest, match="not public"):
        Allowed(("hooks.example",)).choose([address])


def test_the_first_address_that_may_be_connected_to_is_taken() -> None:
    allowed = Allowed(("hooks.example", "10.0.0.0/8"))
    assert allowed.choose(["127.0.0.1", "10.0.0.9"]) == "10.0.0.9"
    assert allowed.choose(["::1", "93.184.215.14"]) == "93.184.215.14"
    with pytest.raises(InvalidRequest):
        allowed.choose([])


@pytest.mark.parametrize("value", ["", "a b", "http://a", "a:0", "a:x", "a:99999", "a/b", "10.0.0.1/99", "ä", "*."])
def test_hosts_that_cannot_be_read_are_refused(value: str) -> None:
    with pytest.raises(InvalidConfiguration, match="--jobs-callback-host"):
        Allowed((value,))


def test_a_name_of_a_private_address_is_not_called(receiver: Receiver) -> None:
    """The name is allowed, but what it stands for is not."""
    allowed = Allowed((f"localhost:{receiver.server_port}",))
    with pytest.raises(NotTold, match="not public"):
        asyncio.run(tell(allowed, f"http://localhost:{receiver.server_port}/", b"{}", ""))
    assert receiver.told.empty()


async def test_what_answers_strangely_is_no_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naiad.jobs.callbacks.posting._LIMIT_S", 0.2)
    for said in (b"nonsense\r\n", b"", b"a" * 100_000, None):

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes | None = said) -> None:
            with contextlib.suppress(OSError), contextlib.closing(writer):
                await reader.readuntil(b"{}")
                if said is None:
                    await reader.read()  # until the other gives up
                else:
                    writer.write(said)

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(NotTold):
                await tell(Allowed((f"127.0.0.1:{port}",)), f"http://127.0.0.1:{port}/", b"{}", "")


async def test_nobody_there_is_no_arrival() -> None:
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    with pytest.raises(NotTold, match=r"refused|Connect"):
        await tell(Allowed((f"127.0.0.1:{port}",)), f"http://127.0.0.1:{port}/", b"{}", "")
