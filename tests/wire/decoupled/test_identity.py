"""The smallest model that answers more than once, from its configuration to a client: identity, row by row."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.testing import running_server

tritonclient = pytest.importorskip(
    "tritonclient.grpc", reason="tritonclient[grpc] is not installed (requirements/dev.txt)"
)

CONFIG = """
backend: "identity"
max_batch_size: 4
model_transaction_policy { decoupled: true }
input { name: "x" data_type: TYPE_FP32 dims: [ 2 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 2 ] }
"""

PATIENCE_S = 30.0


def test_each_row_is_an_answer(tmp_path: Path) -> None:
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "config.pbtxt").write_text(CONFIG)
    given = np.arange(6, dtype=np.float32).reshape(3, 2)
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with (
        running_server(str(tmp_path)) as server,
        tritonclient.InferenceServerClient(str(server.grpc_address)) as client,
    ):
        client.start_stream(lambda result, error: answers.put((result, error)))
        tensor = tritonclient.InferInput("x", [3, 2], "FP32")
        tensor.set_data_from_numpy(given)
        client.async_stream_infer("m", [tensor], enable_empty_final_response=True)
        for row in range(3):
            result, error = answers.get(timeout=PATIENCE_S)
            assert error is None
            assert result.as_numpy("y").tolist() == [given[row].tolist()]
            assert result.get_response().parameters["triton_final_response"].bool_param == (row == 2)
        client.stop_stream()
