"""`naiad serve app.py:server`: a program's server, from the command line, and again whenever the program changes."""

from __future__ import annotations

import json
import signal
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from naiad.cli.programs import load_program, split_sources
from naiad.cli.reloading import changed, look
from naiad.cli.serve import command
from naiad.core.errors import InvalidConfiguration

from .test_serve import FREE_PORTS, naiad, run, start

PROGRAM = """
import numpy as np
from numpy.typing import NDArray

import naiad
from naiad.functions import batch

from factor import FACTOR

@batch
def scale(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return x * FACTOR

server = naiad.Server(max_waiting=77, server_name="mine")
server.bind("scale", scale)

def make():
    return server

if __name__ == "__main__":
    with server:
        server.serve()
"""
PYTRITON = """
import numpy as np
from naiad.compat.pytriton.decorators import batch
from naiad.compat.pytriton.model_config import Tensor
from naiad.compat.pytriton.triton import Triton

triton = Triton()
tensors = [Tensor(name=name, dtype=np.float32, shape=(-1,)) for name in ("x", "OUTPUT_1")]
triton.bind("scale", batch(lambda x: {"OUTPUT_1": x * 2}), tensors[:1], tensors[1:])
"""
ASKED = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [7]}]})
ECHO = """
backend: "identity"
input { name: "x" data_type: TYPE_FP32 dims: [ 1, 1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 1, 1 ] }
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "factor.py").write_text("FACTOR = 2")
    (tmp_path / "app.py").write_text(PROGRAM)
    return tmp_path / "app.py"


def ask(port: int, path: str, body: str = "") -> Any:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST" if body else "GET", path, body)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def scaled(port: int) -> float:
    return float(ask(port, "/v2/models/scale/infer", ASKED)["outputs"][0]["data"][0])


def test_the_models_of_a_program_are_served_beside_others(app: Path) -> None:
    (app.parent / "echo" / "1").mkdir(parents=True)
    (app.parent / "echo" / "config.pbtxt").write_text(ECHO)
    with naiad("serve", "app.py:make", "./echo", *FREE_PORTS, cwd=app.parent) as process:
        _, port = start(process)
        assert scaled(port) == 14.0
        assert ask(port, "/v2/models/echo/infer", ASKED)["outputs"][0]["data"] == [7.0]
        assert ask(port, "/v2")["name"] == "mine"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_a_script_written_for_pytriton(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PYTRITON)
    """And the command line goes before the program."""
    with naiad("serve", "app.py:triton", "--server-name", "other", *FREE_PORTS, cwd=tmp_path) as process:
        _, port = start(process)
        assert scaled(port) == 14.0
        assert ask(port, "/v2")["name"] == "other"


def test_it_starts_again_when_a_file_changes_also_after_one_that_cannot_be_run(app: Path) -> None:
    with naiad("serve", "app.py:server", "--reload", *FREE_PORTS, cwd=app.parent) as process:
        _, port = start(process)
        assert scaled(port) == 14.0
        (app.parent / "factor.py").write_text("FACTOR = 10  # not what it was")
        lines, port = start(process)
        assert any("factor.py changed: starting again" in line for line in lines)
        assert scaled(port) == 70.0
        (app.parent / "factor.py").write_text("FACTOR =")
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if "waiting for a file to change" in line:
                break
        assert any("SyntaxError" in line for line in seen)
        (app.parent / "factor.py").write_text("FACTOR = 3")
        _, port = start(process)
        assert scaled(port) == 21.0
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("app.py", "app.py: name the server in it, as in .*app.py:server"),
        ("app.py:missing", "app.py has no 'missing'; it has server"),
        ("app.py:FACTOR", "'FACTOR' is of type int; it must be a naiad.Server"),
        ("app.py:scale", "app.py cannot be run: "),
        ("nope.py:server", "there is no file .*nope.py"),
    ],
)
def test_mistakes_are_said(app: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str) -> None:
    monkeypatch.syspath_prepend(str(app.parent))
    for name in ("app", "factor"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(InvalidConfiguration, match=message):  # noqa: PT012 - either may see it
        program, name, _ = split_sources((str(app.parent / source),))
        assert program is not None
        load_program(program, name)


def test_only_one_program_and_only_a_program_reloads() -> None:
    with pytest.raises(InvalidConfiguration, match="only one program"):
        split_sources(("app.py:server", "app.py:make"))
    with pytest.raises(InvalidConfiguration, match="--reload is for a program"):
        command.main(["--reload", "./app"], standalone_mode=False)


def test_what_a_program_raises_is_shown_to_who_started_it(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def deep():\n    raise KeyError('weights')\ndeep()")
    status, said = run("serve", "app.py:server", cwd=tmp_path)
    assert status == 1
    assert "in deep" in said
    assert said.endswith("naiad: app.py cannot be run: KeyError: 'weights'\n")


@pytest.mark.parametrize("kind", ["naiad.Server(http_port=0)", "Triton()"])
def test_a_program_that_starts_its_server_at_once_is_told_where_to(tmp_path: Path, kind: str) -> None:
    (tmp_path / "eager_program.py").write_text(
        f"import naiad\nfrom naiad.compat.pytriton.triton import Triton\nwith {kind} as server:\n    server.serve()\n"
    )
    with pytest.raises(InvalidConfiguration, match=r"start it below `if __name__ == .__main__"):
        load_program(tmp_path / "eager_program.py", "server")


def test_sources_beside_a_program() -> None:
    assert split_sources(("org/name", "dir/app.py:server", "x=./m")) == (
        Path("dir/app.py"),
        "server",
        ("org/name", "x=./m"),
    )
    assert split_sources(("org/name",)) == (None, "", ("org/name",))


def test_no_server_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "empty_program.py").write_text("x = 1")
    with pytest.raises(InvalidConfiguration, match="no server under any other name"):
        load_program(tmp_path / "empty_program.py", "server")


def test_changes_are_files_that_are_new_gone_or_other(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "c.txt", ".venv/d.py", "sub/e.py", "__pycache__/f.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    before = look(tmp_path)
    assert sorted(path.name for path in before) == ["a.py", "b.py", "e.py"]
    assert changed(before, look(tmp_path)) == []
    (tmp_path / "a.py").write_text("longer")
    (tmp_path / "b.py").unlink()
    (tmp_path / "sub" / "g.py").write_text("")
    assert [path.name for path in changed(before, look(tmp_path))] == ["a.py", "b.py", "g.py"]
