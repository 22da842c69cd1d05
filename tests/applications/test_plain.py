"""WSGI and ASGI applications without a framework, and what is none or none that can be served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from served_application import Serve

from naiad.testing import RunningServer


@pytest.fixture(scope="module")
def wsgi(serve: Serve) -> Iterator[RunningServer]:
    with serve("plain.py", "make") as running:  # a factory of it
        assert running.all_loaded
        yield running


@pytest.fixture(scope="module")
def asgi(serve: Serve) -> Iterator[RunningServer]:
    with serve("plain.py", "asgi") as running:
        assert running.all_loaded
        yield running


def test_the_environ_is_as_the_standard_says(wsgi: RunningServer) -> None:
    answer = httpx2.get(f"{wsgi.url}/a%20b%C3%A9?q=%20", headers={"X-One": "1", "X_One": "2", "Content-Type": "a/b"})
    assert answer.headers["x-path"] == "/a bé".encode().hex()
    assert "connection" not in answer.headers
    environ = dict(eval(answer.text))  # noqa: S307 - the application's own repr
    assert environ["PATH_INFO"] == "/a bé".encode().decode("latin-1")
    assert environ["QUERY_STRING"] == "q=%20"
    assert environ["HTTP_X_ONE"] == "1"
    assert (environ["CONTENT_TYPE"], environ["SCRIPT_NAME"], environ["wsgi.url_scheme"]) == ("a/b", "", "http")
    assert environ["HTTP_HOST"] == wsgi.address
    assert environ["SERVER_PORT"] == wsgi.address.rpartition(":")[2]


def test_the_old_way_to_write_and_a_head_that_is_replaced(wsgi: RunningServer) -> None:
    assert httpx2.get(f"{wsgi.url}/write").text == "written returned"
    again = httpx2.get(f"{wsgi.url}/again")
    assert (again.status_code, again.text, again.headers["x-again"]) == (503, "sorry", "yes")


@pytest.mark.parametrize("path", ["/short", "/long"])
def test_a_length_that_is_not_kept_is_not_taken_for_whole(wsgi: RunningServer, path: str) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        httpx2.get(wsgi.url + path)


@pytest.mark.parametrize("path", ["/split", "/silent", "/exit"])
def test_what_an_application_must_not_do_is_its_own_500(wsgi: RunningServer, path: str) -> None:
    answer = httpx2.get(wsgi.url + path)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert "x-injected" not in answer.headers
    assert httpx2.get(f"{wsgi.url}/ok").status_code == 200


def test_an_asgi_application_without_a_lifespan(asgi: RunningServer) -> None:
    assert httpx2.post(f"{asgi.url}/a%20b", content=b"body").text == "body"
    answer = httpx2.get(f"{asgi.url}/a%20b")
    assert (answer.text, answer.headers["x-raw"]) == ("/a b", "/a%20b")
    for path in ("/silent", "/early"):
        assert httpx2.get(asgi.url + path).status_code == 500


REFUSES = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "there is no database"})
"""

TWICE = """
import naiad
@naiad.batched
def one(x): ...
@naiad.batched(name="one")
def two(x): ...
def app(environ, start_response): ...
"""

FLASK = """
from flask import Flask
app = Flask("x")
@app.get("/v2/users")
def users(): ...
"""

STARLETTE = """
from starlette.applications import Starlette
from starlette.routing import Mount, Route
app = Starlette(routes=[Mount("/v2", routes=[Route("/a", print)])])
"""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nowhere_to_be_found", "there is no module 'nowhere_to_be_found'; install it beside Naiad"),
        ("1 / 0", "cannot be imported: ZeroDivisionError"),
        ("import sys; sys.exit(3)", "cannot be imported: SystemExit: 3"),
        ("import os; os._exit(3)", "ended at the start: it exited with status 3"),
        ("other = 1", "has no 'app', and nothing that could be served"),
        ("def other(environ, start_response): ...", "has no 'app'; it has other"),
        ("app = 7", "'app' is of type int; it must be a WSGI or an ASGI application"),
        ("def app(): return 7", "'app' is of type int"),
        (REFUSES, "startup failed: there is no database"),
        (TWICE, "two functions are marked as one"),
        ("import naiad\n@naiad.batched\ndef one(*x): ...", "give each argument a name"),
        ("import naiad\nclass A:\n    @naiad.batched\n    def one(self, x): ...", "A.one is a method"),
        (FLASK, "its URL /v2/users is the server's own, as is everything at /v2 and below"),
        (
            "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/v2')\ndef users(): ...",
            "its URL /v2 is the server",
        ),
        (STARLETTE, "its URL /v2/a is the server's own"),
    ],
)
def test_what_cannot_be_served_says_why(serve: Serve, tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "application.py").write_text(source)
    with serve(tmp_path / "application.py") as server:
        assert not server.all_loaded
        reasons = [entry.reason for entry in server.server.catalog.entries()]
        assert message in reasons[0]
        assert httpx2.get(f"{server.url}/").status_code == 503
