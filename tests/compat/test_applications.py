"""Serving an application from its own file, and applications made of one function."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from naiad.compat.applications import find_place, running, serve
from naiad.core.errors import InvalidConfiguration, LoadFailed

FLASK_VIEW = """
from flask import request
from naiad.compat.flask import application, running

def shout():
    return (request.args.get("text") or request.get_data(as_text=True)).upper()

app = application(shout)
{end}
"""

FASTAPI_ENDPOINT = """
from naiad.compat.fastapi import application

def add(numbers: list[float]) -> float:
    return sum(numbers)

app = application(add, "/sum")
"""

ASKS_ITSELF = """
if __name__ == "__main__":
    import urllib.request
    with running(app, workers=2) as url:
        print(urllib.request.urlopen(url + "/shout?text=a").read().decode())
"""


def test_one_view_function_of_flask(tmp_path: Path) -> None:
    pytest.importorskip("flask", reason="Flask is not installed")
    (tmp_path / "view.py").write_text(FLASK_VIEW.format(end=""))
    with running(f"{tmp_path}/view.py:app") as url:
        assert httpx2.get(f"{url}/shout?text=a").text == "A"
        assert httpx2.post(f"{url}/shout", content=b"b").text == "B"


def test_one_endpoint_of_fastapi(tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="FastAPI is not installed")
    (tmp_path / "endpoint.py").write_text(FASTAPI_ENDPOINT)
    with running(f"{tmp_path}/endpoint.py:app") as url:
        assert httpx2.post(f"{url}/sum", json=[1, 2.5]).json() == 3.5


def test_a_file_that_serves_itself(tmp_path: Path) -> None:
    pytest.importorskip("flask", reason="Flask is not installed")
    (tmp_path / "view.py").write_text(FLASK_VIEW.format(end=ASKS_ITSELF))
    done = subprocess.run([sys.executable, "view.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("A\n", "")


def test_a_file_that_serves_itself_when_it_is_imported_is_told_where_to(tmp_path: Path) -> None:
    pytest.importorskip("flask", reason="Flask is not installed")
    (tmp_path / "view.py").write_text(FLASK_VIEW.format(end="with running(app): pass"))
    with (
        pytest.raises(LoadFailed, match='serve it below `if __name__ == "__main__":`'),
        running(f"{tmp_path}/view.py:app"),
    ):
        pass


@pytest.mark.parametrize(
    ("application", "message"),
    [
        (7, "an object of type int is neither"),
        (lambda environ, start_response: [], "stands under no name in a Python file"),
        ("app", "named as FILE.py:NAME, not 'app'"),
        ("package.app:app", "named as FILE.py:NAME"),
    ],
)
def test_what_has_no_place(application: object, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        find_place(application)
    with pytest.raises(InvalidConfiguration, match=message):
        serve(application)


@pytest.mark.parametrize("library", ["flask", "fastapi"])
def test_a_library_that_is_missing_is_named_with_the_command(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip(f"naiad.compat.{library}")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InvalidConfiguration, match=rf"pip install naiad\[{library}\]"):
        module.application(print)
