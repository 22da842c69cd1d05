"""Which models of KIND_GPU are told so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from naiad.backends.python import backend
from naiad.core.settings.config import ModelSettings
from naiad.loading.tensor_models import checked
from naiad.modelconfig import prepare

DOCUMENT: dict[str, Any] = {
    "name": "m",
    "backend": "python",
    "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [1]}],
    "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [1]}],
    "instance_group": [{"kind": "KIND_GPU", "gpus": [1]}],
}


@pytest.mark.parametrize(("driver", "expected"), [("driver", ("KIND_GPU", 1)), ("none", ("KIND_CPU", None))])
def test_python_models_are_where_there_is_a_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, expected: tuple[str, int | None]
) -> None:
    (tmp_path / "driver").touch()
    monkeypatch.setattr(backend, "NVIDIA", tmp_path / driver)
    (group,) = checked(prepare(DOCUMENT, "m"), None, ModelSettings()).instance_groups
    assert (group.kind, group.gpu) == expected
