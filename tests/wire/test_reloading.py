"""Clients in a loop while their model is loaded again and again: none of them may notice."""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
from control_door import Door, put
from onnx import TensorProto, helper, numpy_helper, save

from naiad.testing import running_server, tiny_checkpoint


class Callers:
    """Threads that ask in a loop; `errors` is what none of them should have seen."""

    def __init__(self, ask: Callable[[], Callable[[], Any]], expected: Any, count: int = 3) -> None:
        """ask: makes, in each thread, what gives one answer."""
        self.errors: list[str] = []
        self.answers = [0] * count
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(at, ask, expected)) for at in range(count)]

    def _run(self, at: int, ask: Callable[[], Callable[[], Any]], expected: Any) -> None:
        once = ask()
        while not self._stop.is_set():
            try:
                answer = once()
                if answer != expected:
                    self.errors.append(f"wrong answer: {answer}")
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what this test looks for
                self.errors.append(str(error))
            self.answers[at] += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert self.errors == []
        assert min(self.answers) > 0


def reload_often(door: Door, repository: Path, times: int = 20) -> None:
    """Load `a` again and again, each time another version of it."""
    for turn in range(times):
        version = 1 + turn % 2
        more = f"# {turn}\nversion_policy {{ specific {{ versions: [{version}] }} }}\n"
        put(repository, "a", version, more=more)
        door.client.load_model("a")
        assert door.index()["a"][str(version)] == "READY"


def test_reloading_loses_no_request(door: Door, tmp_path: Path) -> None:
    """Every answer is the old model's or the new one's, on connections that live on."""

    def asking() -> Callable[[], Any]:
        own = Door(door.kind, door.server)
        return lambda: own.infer("a").as_numpy("OUTPUT0").tolist()

    with Callers(asking, [[2] * 16]):
        reload_often(door, tmp_path)


def test_reloading_loses_no_request_over_the_other_grpc_transport(tmp_path: Path) -> None:
    put(tmp_path, "a")
    options = {"model_control_mode": "explicit", "load_model": ("a",), "grpc_transport": "aio"}
    with running_server(str(tmp_path), **options) as server:

        def asking() -> Callable[[], Any]:
            own = Door("grpc", server)
            return lambda: own.infer("a").as_numpy("OUTPUT0").tolist()

        with Callers(asking, [[2] * 16]):
            reload_often(Door("grpc", server), tmp_path, 5)


def test_reloading_loses_no_request_of_a_stream(tmp_path: Path) -> None:
    """The stream is one call, and its requests go to whichever model is there when they come."""
    put(tmp_path, "a")
    with running_server(str(tmp_path), model_control_mode="explicit", load_model=("a",)) as server:

        def asking() -> Callable[[], Any]:
            answers: queue.Queue[Any] = queue.Queue()
            own = Door("grpc", server)
            own.client.start_stream(lambda result, error: answers.put(error or result.as_numpy("OUTPUT0").tolist()))

            def once() -> Any:
                own.client.async_stream_infer("a", own.inputs())
                return answers.get(timeout=60)

            return once

        with Callers(asking, [[2] * 16], count=1):
            reload_often(Door("grpc", server), tmp_path, 10)


def test_reloading_a_text_model_loses_no_request(kind: str, tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "tiny")
    with running_server(str(folder), model_control_mode="explicit", load_model=("tiny",)) as server:

        def asking() -> Callable[[], Any]:
            own = Door(kind, server)
            texts = own.module.InferInput("text", [2], "BYTES")
            texts.set_data_from_numpy(np.array([b"hello world", b"a good movie"], object))
            return lambda: own.client.infer("tiny", [texts]).as_numpy("embedding").round(4).tolist()

        with Callers(asking, asking()()):
            door = Door(kind, server)
            for turn in range(5):
                (folder / "note.txt").write_text(str(turn))
                before = server.server.catalog.find("tiny")
                door.client.load_model("tiny")
                assert server.server.catalog.find("tiny") is not before
        assert door.settled() == {"tiny": {"1": "READY"}, "tiny.tensors": {"1": "READY"}}


def write_table(repository: Path, value: float) -> Path:
    """A model that looks up rows of `value` in a table beside it; the file with the table."""
    folder = repository / "table" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "i"], ["rows"])],
        "table",
        [helper.make_tensor_value_info("i", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 64])],
        [numpy_helper.from_array(np.full((3000, 64), value, np.float32), "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data = folder / "table.data"
    data.unlink(missing_ok=True)
    save(model, folder / "model.onnx", save_as_external_data=True, location=data.name)
    return data


def test_weights_that_are_written_over_count_once_the_model_is_loaded_again(door: Door, tmp_path: Path) -> None:
    """As `cp` does it: the old file becomes empty, and then the new one."""
    new = write_table(tmp_path / "new", 2)
    served = write_table(tmp_path, 1)
    door.client.load_model("table")
    given = door.module.InferInput("i", [2, 1], "INT64")
    given.set_data_from_numpy(np.array([[0], [2999]]))

    def value() -> set[float]:
        return set(door.client.infer("table", [given]).as_numpy("rows").ravel().tolist())

    assert value() == {1}
    os.truncate(served, 0)
    assert value() == {1}
    shutil.copyfile(new, served)
    assert value() == {1}
    door.client.load_model("table")
    assert value() == {2}
