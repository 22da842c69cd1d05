"""A model that dies in its first run is UNAVAILABLE with words; the server and its other models go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from naiad.backends.onnxruntime.prepared import sharing
from naiad.backends.onnxruntime.trial.launch import run_trial
from naiad.backends.onnxruntime.trial.order import Order, Report
from naiad.client import Client
from naiad.testing import running_server, tiny_checkpoint

DYING = Path(__file__).parents[1] / "backends" / "onnxruntime"


def test_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die_if_bad(order: Order, run: Callable[[Order], Report]) -> Report:
        if "bad" not in order.graph.parts:
            return run(order)
        return run_trial(replace(order, graph=order.graph.with_name("segv.onnx")), child="dying")

    monkeypatch.syspath_prepend(str(DYING))
    monkeypatch.setattr(sharing, "run_trial", partial(die_if_bad, run=run_trial))
    tiny_checkpoint(tmp_path / "bad")
    tiny_checkpoint(tmp_path / "good")
    with running_server(str(tmp_path / "bad"), str(tmp_path / "good")) as running, Client(running.url) as client:
        assert client.model("good").infer({"text": ["hello"]})["embedding"].shape[0] == 1
        states = {entry.name: entry for entry in client.index()}
    assert states["good"].state == "READY"
    assert states["bad"].state == "UNAVAILABLE"
    assert "ended its process with SIGSEGV" in states["bad"].reason
