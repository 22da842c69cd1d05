"""A new door is one file and one row of the table: it opens, answers, drains and closes with the others."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest
from lines_door import lines_door

from naiad.testing import running_server
from naiad.wire.doors import DOORS

CONFIG = """
backend: "identity"
max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: [ 2 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 2 ] }
"""


def test_one_file_and_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(DOORS, "lines", lines_door)
    (tmp_path / "echo" / "1").mkdir(parents=True)
    (tmp_path / "echo" / "config.pbtxt").write_text(CONFIG)
    with caplog.at_level(logging.INFO), running_server(f"echo={tmp_path / 'echo'}") as running:
        door = running.server.doors["lines"]
        client = socket.create_connection(("127.0.0.1", door.listener.port))
        client.sendall(b"echo 1.5 2\nnope 1 2\necho 1 2 3\n")
        answers = client.makefile()
        assert answers.readline() == "[[1.5, 2.0]]\n"
        assert answers.readline() == "Request for unknown model: 'nope' is not found\n"
        assert "unexpected shape for input 'x'" in answers.readline()
    assert answers.readline() == "", "the connection has ended with the server"
    answers.close()
    client.close()
    assert f"Started Lines at 127.0.0.1:{door.listener.port}" in caplog.text
