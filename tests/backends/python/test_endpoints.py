"""What a class `Preprocess` may look like, and what is said of one that cannot be served; engines that load models."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.backends.registry import find_backend
from naiad.core.contracts import Batch, Instances, LoadRequest, TensorFiles
from naiad.core.errors import HookFailed, LoadFailed
from naiad.core.message import InferRequest
from naiad.core.tensor import Tensor
from naiad.core.user_code.endpoint import BODY, IS_JSON, Endpoint
from naiad.modelconfig import finish, prepare

PORT = {"name": BODY, "data_type": "TYPE_UINT8", "dims": [-1]}


class Pool:
    """Starts workers of endpoints in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: list[Instances[Any]] = []

    def load(self, source: str, **given: Any) -> Any:
        code = self.folder / "preprocess.py"
        code.write_text(textwrap.dedent(source))
        endpoint = Endpoint("e", **{"code": code, "engine": "custom", **given})
        document = {"backend": "python", "input": [PORT], "output": [PORT]}
        files = TensorFiles(finish(prepare(document, "e.serve")), "1", self.folder, self.folder, endpoint)
        loaded = find_backend("python").load(LoadRequest(files, ("e_0",)))
        self._loaded.append(loaded)
        return loaded.narrow[0]

    def close(self) -> None:
        for loaded in self._loaded:
            for instance in loaded.narrow:
                instance.interrupt()  # type: ignore[union-attr]
            loaded.close()


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    made = Pool(tmp_path)
    yield made
    made.close()


def ask(instance: Any, body: Any) -> Any:
    """Run one request, and return the document or the error."""
    data = np.frombuffer(json.dumps(body).encode(), np.uint8)
    request = InferRequest("e.serve", inputs={BODY: Tensor(BODY, "UINT8", data)}, parameters={IS_JSON: True})
    found: list[Any] = []
    from threading import Event

    is_over = Event()

    def send(_: int, answer: Any, is_final: bool) -> bool:
        found.append(answer)
        if is_final:
            is_over.set()
        return True

    instance.execute(Batch([request]), send)
    assert is_over.wait(60)
    (answer,) = found
    return answer if isinstance(answer, Exception) else json.loads(answer.outputs[0].data.tobytes())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1", "preprocess.py has no class Preprocess"),
        ("class preprocess: pass", "it has 'preprocess', but the name must be exactly Preprocess"),
        ("Preprocess = 5", "preprocess.py has no class Preprocess"),
        ("def broken(:", "importing preprocess.py failed: SyntaxError"),
        ("import nothing_like_this", "importing preprocess.py failed: ModuleNotFoundError: No module named"),
        ("from clearml import Task", "clearml is not installed. Install it in the endpoint's environment"),
        ("raise SystemExit(3)", "importing preprocess.py failed: SystemExit: 3"),
        ("import os; os._exit(3)", "ended at the start: it exited with status 3"),
        (
            "class Preprocess:\n  def __init__(self, a): pass",
            "__init__ must take no arguments besides self; it takes (a)",
        ),
        ("class Preprocess:\n  def __init__(self): 1 / 0", "Preprocess() failed: ZeroDivisionError"),
        ("class Preprocess:\n  def __init__(self): int([])", "Preprocess() failed: TypeError"),
        (
            "class Preprocess:\n  def preprocess(self, body): pass",
            "Preprocess.preprocess must be preprocess(self, data, s",
        ),
        ("class Preprocess:\n  def postprocess(self): pass", "called by position; it takes ()"),
        ("class Preprocess:\n  process = 5", "Preprocess.process must be a method, not int"),
        ("class Preprocess:\n  def load(self): pass", "Preprocess.load must be load(self, local_file_name)"),
        ("class Preprocess:\n  def load(self, path): raise OSError('away')", "Preprocess.load failed: OSError: away"),
    ],
)
def test_a_class_that_cannot_be_served(pool: Pool, source: str, said: str) -> None:
    with pytest.raises(LoadFailed) as caught:
        pool.load(source)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "source",
    [
        "class Preprocess:\n  def process(self, data, state, collect_custom_statistics_fn=None): return data",
        "class Preprocess(object):\n  def process(self, data, state, fn): return data",
        "class Preprocess:\n  def process(self, *args): return args[0]",
        "class Preprocess:\n  @staticmethod\n  def process(data, state, fn=None): return data",
        "class Preprocess:\n  async def process(self, data, state, fn=None): return data",
        "class Preprocess:\n  def process(self, data, state, fn=None, more=5, **rest): return data",
        "class Base:\n  def process(self, a, b, c): return a\nclass Preprocess(Base): pass",
    ],
)
def test_forms_of_a_hook(pool: Pool, source: str) -> None:
    assert ask(pool.load(source), {"n": 1}) == {"n": 1}


def test_an_asynchronous_class_may_have_hooks_that_are_not(pool: Pool) -> None:
    source = """
        import asyncio
        class Preprocess:
            def preprocess(self, body, state, fn): return body["n"]
            async def process(self, data, state, fn):
                await asyncio.sleep(0)
                return data + 1
    """
    assert ask(pool.load(source, engine="custom_async"), {"n": 1}) == 2


def test_a_file_beside_the_code_hides_no_module_of_python(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("word = 'ours'\n")
    (tmp_path / "beside.py").write_text("word = 'ours'\n")
    source = """
        import colorsys
        import beside
        class Preprocess:
            def process(self, data, state, fn): return [hasattr(colorsys, "word"), beside.word]
    """
    assert ask(pool.load(source), {}) == [False, "ours"]


def test_without_process_there_is_nothing_to_postprocess(pool: Pool) -> None:
    """As in ClearML-Serving."""
    source = """
        class Preprocess:
            def preprocess(self, body, state, fn): state["body"] = body; return 5
            def postprocess(self, data, state, fn): return [data, state["body"]]
    """
    assert ask(pool.load(source), {"n": 1}) == [None, {"n": 1}]


def test_unload_is_called_at_the_end(pool: Pool, tmp_path: Path) -> None:
    mark = tmp_path / "unloaded"
    source = f"""
        from pathlib import Path
        class Preprocess:
            def unload(self): Path({str(mark)!r}).touch()
    """
    instance = pool.load(source)
    assert not mark.exists()
    pool.close()
    pool._loaded.clear()
    del instance
    assert mark.exists()


def test_the_attributes_of_the_endpoint(pool: Pool) -> None:
    source = """
        class Preprocess:
            def process(self, data, state, fn):
                return self.model_endpoint.as_dict()
    """
    told = ask(pool.load(source, version=3), {"n": 1})
    assert (told["engine_type"], told["serving_url"], told["version"]) == ("custom", "e", "3")
    assert {"model_id", "preprocess_artifact", "auxiliary_cfg", "input_name", "output_size"} <= told.keys()


def test_clearmls_storage_gives_files_of_this_machine(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "a b.txt").write_text("here")
    source = """
        from clearml import StorageManager
        class Preprocess:
            def process(self, data, state, fn):
                return open(StorageManager.get_local_copy(remote_url=data["url"])).read()
    """
    instance = pool.load(source)
    assert ask(instance, {"url": str(tmp_path / "a b.txt")}) == "here"
    assert ask(instance, {"url": f"file://{tmp_path}/a%20b.txt"}) == "here"
    wrong = ask(instance, {"url": "s3://bucket/key"})
    assert isinstance(wrong, HookFailed)
    assert "'s3' addresses need the package clearml" in wrong.message
    assert "there is no file" in ask(instance, {"url": str(tmp_path / "gone")}).message


def test_a_hang_is_ended_after_the_limit(pool: Pool, tmp_path: Path) -> None:
    code = tmp_path / "preprocess.py"
    code.write_text("import time\nclass Preprocess:\n  def process(self, a, b, c): time.sleep(3600)\n")
    document = {"backend": "python", "input": [PORT], "output": [PORT]}
    config = finish(prepare(document, "e.serve"))
    files = TensorFiles(config, "1", tmp_path, tmp_path, Endpoint("e", code, "custom"))
    loaded = find_backend("python").load(LoadRequest(files, ("e_0",), hang_timeout_s=1.0))
    pool._loaded.append(loaded)
    answer = ask(loaded.narrow[0], {})
    assert "it took longer than --model-hang-timeout allows" in answer.message


ROWS = [[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]] * 8
LABELS = [0, 1, 0, 1] * 8
PREDICTS = """
    import numpy as np
    class Preprocess:
        def preprocess(self, body, state, fn=None):
            return {made}
        def postprocess(self, data, state, fn=None):
            return {{"y": np.round(np.asarray(data, float))}}
"""


def _sklearn(path: Path) -> None:
    import joblib
    from sklearn.linear_model import LogisticRegression

    joblib.dump(LogisticRegression(C=1e6).fit(ROWS, LABELS), path)


def _xgboost(path: Path) -> None:
    import xgboost

    data = xgboost.DMatrix(np.array(ROWS), np.array(LABELS))
    xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 20).save_model(path)


def _lightgbm(path: Path) -> None:
    import lightgbm

    data = lightgbm.Dataset(np.array(ROWS), np.array(LABELS))
    lightgbm.train(
        {"objective": "binary", "min_data_in_leaf": 1, "num_threads": 1, "verbose": -1}, data, 50
    ).save_model(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("engine", "fit", "made", "name"),
    [
        ("sklearn", _sklearn, "np.array(body['x'])", "model.pkl"),
        ("xgboost", _xgboost, "__import__('xgboost').DMatrix(np.array(body['x']))", "model.json"),
        ("lightgbm", _lightgbm, "np.array(body['x'])", "model.txt"),
    ],
)
def test_engines_that_load_models_run_the_real_packages(
    pool: Pool, tmp_path: Path, engine: str, fit: Any, made: str, name: str
) -> None:
    if find_spec(engine) is None:
        pytest.skip(f"needs {engine}: pip install -r requirements/engines.txt")
    fit(tmp_path / name)
    instance = pool.load(PREDICTS.format(made=made), engine=engine, model_file=tmp_path / name)
    assert ask(instance, {"x": [[1.0, 0.0], [0.0, 1.0]]}) == {"y": [1.0, 0.0]}


def test_what_load_returns_goes_before_the_usual_loader(pool: Pool) -> None:
    source = """
        class Model:
            def predict(self, data): return [len(data)]
        class Preprocess:
            def load(self, local_file_name): return Model()
    """
    assert ask(pool.load(source, engine="xgboost"), {"a": 1, "b": 2}) == [2]


@pytest.mark.parametrize(
    ("source", "engine", "said"),
    [
        ("class Preprocess: pass", "sklearn", "engine 'sklearn' needs model_file, or a Preprocess.load that returns"),
        ("class Preprocess:\n  def load(self, path): return 5", "lightgbm", "the loaded int has no method predict"),
    ],
)
def test_engines_without_a_model(pool: Pool, source: str, engine: str, said: str) -> None:
    with pytest.raises(LoadFailed, match=said):
        pool.load(source, engine=engine)


def test_a_package_that_is_missing_is_named_with_the_fix(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"")
    source = """
        import sys
        sys.modules["lightgbm"] = None
        class Preprocess: pass
    """
    with pytest.raises(LoadFailed) as caught:
        pool.load(source, engine="lightgbm", model_file=tmp_path / "model.pkl")
    assert "engine 'lightgbm' needs the package lightgbm, which this Python lacks" in caught.value.message
    assert "in the endpoint's environment" in caught.value.message


def test_a_model_file_that_is_broken(pool: Pool, tmp_path: Path) -> None:
    if find_spec("joblib") is None:
        pytest.skip("needs joblib: pip install -r requirements/engines.txt")
    (tmp_path / "model.pkl").write_bytes(b"no pickle")
    with pytest.raises(LoadFailed, match="loading the sklearn model failed: "):
        pool.load("class Preprocess: pass", engine="sklearn", model_file=tmp_path / "model.pkl")


def test_an_environment_of_its_own(pool: Pool, tmp_path: Path) -> None:
    """A folder that is none is named by the manifest's key."""
    (tmp_path / "venv").mkdir()
    with pytest.raises(LoadFailed, match="environment: there is no bin/python in"):
        pool.load("class Preprocess: pass", environment=tmp_path / "venv")
