"""A new backend is one file and one row of the table: models name it in config.pbtxt, and every door serves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from naiad.backends.registry import BACKENDS
from naiad.client import Client
from naiad.testing import running_server

FILE = """
from dataclasses import replace

from naiad.backends.identity import IdentityBackend, IdentityInstance
from naiad.core.contracts import Instances
from naiad.core.tensor import Tensor


class NegatingBackend(IdentityBackend):
    name = "negating"

    def load(self, request):
        return replace(super().load(request), narrow=tuple(Negating("1") for _ in request.names))


class Negating(IdentityInstance):
    def __init__(self, version):
        super().__init__({"x": "y"}, version)

    def answer(self, request):
        answer = super().answer(request)
        answer.outputs = [Tensor(one.name, one.datatype, -one.data) for one in answer.outputs]
        return answer
"""

CONFIG = """
backend: "negating"
max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: [ 2 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 2 ] }
"""


def test_one_file_and_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "made_up_backend.py").write_text(FILE)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    monkeypatch.setitem(BACKENDS, "negating", "made_up_backend:NegatingBackend")
    (tmp_path / "models" / "m" / "1").mkdir(parents=True)
    (tmp_path / "models" / "m" / "config.pbtxt").write_text(CONFIG)
    with running_server(str(tmp_path / "models")) as running, Client(running.url) as client:
        assert client.model("m").infer({"x": [[1.0, -2.0]]})["y"].tolist() == [[-1.0, 2.0]]
