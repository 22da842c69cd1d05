"""What config.pbtxt and --backend-config may ask of a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.backends.onnxruntime.options import SessionSettings
from naiad.core.contracts import LoadRequest, TensorFiles
from naiad.core.errors import LoadFailed
from naiad.core.machine.cores import most_threads
from naiad.core.model.config import ModelConfig


def settings_of(parameters: dict[str, str], backend: dict[str, str] | None = None, **more: Any) -> SessionSettings:
    config = ModelConfig("m", parameters=parameters, document=more.pop("document", {}))
    files = TensorFiles(config, "1", Path(), Path())
    return SessionSettings.of(LoadRequest(files, ("m_0",), settings=backend or {}, **more))


def test_defaults() -> None:
    assert settings_of({}) == SessionSettings(threads=1)
    assert settings_of({}, threads=0).threads == 0


def test_the_model_s_parameter_counts_before_the_backend_s() -> None:
    assert settings_of({}, {"intra_op_thread_count": "3"}).threads == 3
    assert settings_of({"intra_op_thread_count": "2"}, {"intra_op_thread_count": "3"}).threads == 2


def test_unknown_parameters_are_somebody_else_s() -> None:
    assert settings_of({"execute_delay_ms": "3"}, {"default-max-batch-size": "4"}) == SessionSettings(threads=1)


@pytest.mark.parametrize(
    ("level", "expected"),
    [(-1, "ORT_ENABLE_BASIC"), (0, "ORT_ENABLE_ALL"), (1, "ORT_ENABLE_EXTENDED"), (2, "ORT_DISABLE_ALL")],
)
def test_graph_levels(level: int, expected: str) -> None:
    assert settings_of({}, document={"optimization": {"graph": {"level": level}}}).level == expected


@pytest.mark.parametrize(
    "key", ["intra_op_thread_count", "inter_op_thread_count", "execution_mode", "enable_mem_arena"]
)
@pytest.mark.parametrize("value", ["two", "-1", "1.5"])
def test_a_known_parameter_with_a_wrong_value(key: str, value: str) -> None:
    with pytest.raises(LoadFailed, match=f"model 'm': parameter '{key}' must"):
        settings_of({key: value})


@pytest.mark.parametrize("key", ["intra_op_thread_count", "inter_op_thread_count"])
def test_more_threads_than_the_machine_can_use_are_refused(key: str) -> None:
    """A million of them took the process down while it loaded one model."""
    assert settings_of({key: str(most_threads())})
    for given in ({key: "1000000"}, {key: str(most_threads() + 1)}):
        with pytest.raises(LoadFailed, match=f"model 'm': parameter '{key}' is .*, this machine allows"):
            settings_of(given)
    with pytest.raises(LoadFailed, match=f"parameter '{key}' is 1000000"):
        settings_of({}, {key: "1000000"})


def test_they_reach_the_session(folder: Any, request_of: Any) -> None:
    import onnxruntime

    folder.write([("Neg", "x", "y")], {"x": ("FP32", ["n", 1])}, {"y": ("FP32", ["n", 1])})
    given = {
        "intra_op_thread_count": "2",
        "inter_op_thread_count": "2",
        "execution_mode": "1",
        "enable_mem_arena": "0",
        "enable_mem_pattern": "false",
        "session.use_device_allocator_for_initializers": "1",
        "memory.enable_memory_arena_shrinkage": "",
    }
    instance = folder.load(
        parameters={key: {"string_value": value} for key, value in given.items()},
        optimization={"graph": {"level": 2}},
    )
    options = instance._model.session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 2)
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_PARALLEL
    assert (options.enable_cpu_mem_arena, options.enable_mem_pattern) == (False, False)
    assert options.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    assert options.get_session_config_entry("session.use_device_allocator_for_initializers") == "1"


def test_memory_can_be_given_back_after_each_run(folder: Any, request_of: Any) -> None:
    from naiad.core.contracts import Batch
    from naiad.core.message import InferResponse

    folder.write([("Neg", "x", "y")], {"x": ("FP32", ["n", 1])}, {"y": ("FP32", ["n", 1])})
    instance = folder.load(parameters={"memory.enable_memory_arena_shrinkage": {"string_value": "cpu:0"}})
    assert instance._run_options is not None
    (response,) = instance.execute(Batch([request_of(x=np.ones((1, 1), np.float32))]))
    assert isinstance(response, InferResponse)
