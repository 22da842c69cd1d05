"""Web pages: who may send requests from a browser, by which name, and who may read the answers."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from door import POST, Door

from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.features import Feature
from naiad.testing import RunningServer, running_server
from naiad.wire.http.origins import Origins
from naiad.wire.http.routes import Router, route

SIMPLE = Path(__file__).parents[2] / "data" / "model_repository" / "simple"
APP = "https://app.example"
EVIL = "https://evil.example"
ORIGINS = Origins((APP, "http://gpu.lan:8000"), ("Models.Example.",))


def head(host: str, **headers: str) -> dict[bytes, bytes]:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return {b"host": host.encode(), **named}


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("localhost:8000", {"origin": "http://localhost:8000"}),
        ("LocalHost:8000", {"origin": "http://localhost:8000"}),
        ("127.0.0.1:8000", {"origin": "http://127.0.0.1:8000", "sec_fetch_site": "same-origin"}),
        ("[::1]:8000", {"origin": "http://[::1]:8000"}),
        ("192.168.7.9", {"origin": "http://192.168.7.9"}),
        ("models.example", {"origin": "https://models.example"}),
        ("api.localhost:8000", {"origin": "http://api.localhost:8000"}),
        ("gpu.lan:8000", {"origin": "http://gpu.lan:8000"}),
        ("gpu.lan:8001", {"sec_fetch_site": "same-origin"}),
        ("localhost.:8000", {"sec_fetch_site": "none"}),
        ("localhost:8000", {"sec_fetch_site": "same-origin"}),
        ("localhost:8000", {"origin": APP, "sec_fetch_site": "cross-site"}),
        ("models.example", {"origin": APP}),
    ],
)
def test_own_pages_and_allowed_ones_may_use_it(host: str, headers: dict[str, str]) -> None:
    assert ORIGINS.refusal(head(host, **headers)) == ""


@pytest.mark.parametrize(
    ("host", "headers", "words"),
    [
        ("localhost:8000", {"origin": EVIL}, f"web pages of '{EVIL}' may not use this server. Use --http-allowed-"),
        ("localhost:8000", {"origin": "http://localhost:3000"}, "web pages of 'http://localhost:3000'"),
        ("localhost:8000", {"origin": "null"}, "web pages of 'null'"),
        ("localhost:8000", {"origin": f"{APP}, {EVIL}"}, "may not use"),
        ("localhost:8000", {"origin": "http://app.example"}, "may not use"),
        ("localhost:8000", {"origin": "file://localhost:8000"}, "may not use"),
        ("localhost:8000", {"origin": ""}, "may not use"),
        ("localhost:8000", {"sec_fetch_site": "cross-site"}, "web pages of other origins may not use this server"),
        ("localhost:8000", {"sec_fetch_site": "same-site"}, "web pages of other origins"),
        ("localhost:8000", {"sec_fetch_site": "?"}, "web pages of other origins"),
        ("evil.example:8000", {"origin": "http://evil.example:8000"}, "may not call this server 'evil.example:8000'"),
        ("evil.example", {"sec_fetch_site": "same-origin"}, "neither an address nor a name that it knows"),
        ("evil.example", {"sec_fetch_site": "none"}, "neither an address"),
        ("evil.example", {"origin": APP}, "neither an address"),
        ("localhost.evil.example", {"sec_fetch_site": "none"}, "neither an address"),
        ("127.0.0.1.evil.example", {"sec_fetch_site": "none"}, "neither an address"),
        ("", {"sec_fetch_site": "none"}, "neither an address"),
        ("evil.example" * 1000, {"sec_fetch_site": "none"}, "neither an address"),
    ],
)
def test_other_pages_and_rebound_names_are_refused(host: str, headers: dict[str, str], words: str) -> None:
    reason = ORIGINS.refusal(head(host, **headers))
    assert words in reason
    assert len(reason) < 1000


def test_all_may_be_allowed() -> None:
    assert Origins(("*",)).refusal(head("anything", origin=EVIL)) == ""
    assert b"Access-Control-Allow-Origin: https://evil.example\r\n" in Origins(("*",)).answer_lines(
        head("x", origin=EVIL)
    )


@pytest.mark.parametrize(
    "text", ["", "app.example", "https://app.example/", "https://", "https://a b", "https://u@h", "null"]
)
def test_what_is_no_origin_cannot_be_allowed(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"--http-allowed-origin: '.*' is not an origin such as"):
        Origins((text,))


def test_only_pages_of_allowed_origins_may_read_the_answers() -> None:
    lines = ORIGINS.answer_lines(head("localhost", origin=APP))
    assert lines.startswith(b"Access-Control-Allow-Origin: https://app.example\r\nVary: Origin\r\n")
    assert ORIGINS.answer_lines(head("localhost", origin="http://localhost")) == b""
    assert ORIGINS.answer_lines(head("localhost", sec_fetch_site="none")) == b""


# over a connection


def test_a_foreign_page_is_answered_before_its_body_is_read() -> None:
    door = Door()
    whole = POST.replace(b"Host: h", b"Host: localhost\r\nOrigin: https://evil.example\r\nSec-Fetch-Site: cross-site")
    sent = door.send(whole.partition(b"hello")[0])
    assert sent.startswith(b"HTTP/1.1 403 Forbidden")
    assert b"Access-Control" not in sent
    assert (door.exchanges, door.wire.has_ended) == ([], True)


def test_a_head_that_was_allowed_is_judged_again_each_time() -> None:
    door = Door()
    own = POST.replace(b"Host: h", b"Host: localhost\r\nSec-Fetch-Site: same-origin")
    door.send(own)
    door.send(own)
    assert len(door.exchanges) == 2
    assert door.connection._heads.recall(own, lambda: None) is None


def test_a_program_may_call_it_by_any_name() -> None:
    """In a cluster it is a service's name, and whatever a proxy leaves there."""
    for host in (b"naiad.models.svc.cluster.local:8000", b"evil.example", b""):
        door = Door()
        assert door.send(POST.replace(b"Host: h", b"Host: " + host)).startswith(b"HTTP/1.1 200")


def test_errors_too_may_be_read_by_a_page_that_is_allowed() -> None:
    door = Door(origins=ORIGINS)
    allowed = POST.replace(b"Host: h", b"Host: localhost\r\nOrigin: https://app.example")
    sent = door.send(allowed.replace(b"Content-Length: 5", b"Content-Length: 99999999999"))
    assert sent.startswith(b"HTTP/1.1 400")
    assert b"Access-Control-Allow-Origin: https://app.example\r\n" in sent


def test_a_page_may_ask_what_it_may_send_though_the_route_is_restricted() -> None:
    """Browsers send no header of the page's own with that question."""
    from naiad.wire.restrictions import Gate

    gate = Gate.of(("logging:admin-key=SECRET",), "--http-restricted-api")
    router = Router([route("/x", Feature.LOGGING, POST=lambda exchange: exchange.answer(200))], gate)
    ask = b"OPTIONS /x HTTP/1.1\r\nHost: localhost\r\n%bAccess-Control-Request-Method: POST\r\n"
    ask += b"Access-Control-Request-Headers: admin-key, content-type\r\n\r\n"
    door = Door(dispatch=router, origins=ORIGINS)
    sent = door.send(ask % b"Origin: https://app.example\r\n")
    assert sent.startswith(b"HTTP/1.1 200")
    for line in (
        b"Access-Control-Allow-Origin: https://app.example\r\n",
        b"Access-Control-Allow-Methods: POST\r\n",
        b"Access-Control-Allow-Headers: admin-key, content-type\r\n",
    ):
        assert line in sent
    assert Door(dispatch=router, origins=ORIGINS).send(ask % b"").startswith(b"HTTP/1.1 403")
    plain = Door(dispatch=Router(router.routes), origins=ORIGINS)
    assert plain.send(b"OPTIONS /x HTTP/1.1\r\nHost: h\r\n\r\n").startswith(b"HTTP/1.1 405")


# a server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(str(SIMPLE), model_control_mode="explicit", http_allowed_origin=(APP,)) as running:
        yield running


def ask(server: RunningServer, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, str | None]:
    host, _, port = server.address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.request(method, path, orjson.dumps(body), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("Access-Control-Allow-Origin")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v2/repository/models/simple/load", {}),
        ("POST", "/v2/repository/models/simple/unload", {}),
        ("POST", "/v2/logging", {"log_info": False}),
        ("POST", "/v2/trace/setting", {"trace_rate": "1"}),
        ("POST", "/v2/models/simple/infer", {}),
        ("GET", "/v2/models/simple/config", None),
        ("OPTIONS", "/v2/models/simple/infer", None),
    ],
)
def test_a_page_that_a_user_visits_cannot_drive_a_server(
    server: RunningServer, method: str, path: str, body: Any
) -> None:
    """A POST of text/plain needs no leave of the server, and the browser sends it from any page."""
    foreign = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain;charset=UTF-8"}
    assert ask(server, method, path, body, foreign) == (403, None)
    rebound = {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"}
    assert ask(server, method, path, body, rebound) == (403, None)


def test_a_page_of_an_allowed_origin_reads_the_answer(server: RunningServer) -> None:
    assert ask(server, "GET", "/v2", None, {"Origin": APP}) == (200, APP)
    assert ask(server, "GET", "/v2/nowhere", None, {"Origin": APP}) == (404, APP)


def test_the_metrics_are_no_more_open(server: RunningServer) -> None:
    address = server.metrics_url.removeprefix("http://").removesuffix("/metrics")
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("GET", "/metrics", headers={"Origin": EVIL})
    assert connection.getresponse().status == 403
    connection.close()
