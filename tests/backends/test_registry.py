"""Backends by name, imported when they are wanted."""

from __future__ import annotations

import subprocess
import sys

import pytest

from naiad.backends.registry import BACKENDS, find_backend
from naiad.core.errors import LoadFailed


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_every_row_is_a_backend_of_that_name_and_the_only_one(name: str) -> None:
    backend = find_backend(name)
    assert backend.name == name
    assert find_backend(name) is backend


def test_an_unknown_backend_is_named_with_those_there_are() -> None:
    with pytest.raises(LoadFailed) as caught:
        find_backend("tensorrt")
    assert caught.value.message == (
        f"there is no backend 'tensorrt'; this server has: {', '.join(sorted(BACKENDS))}; "
        "name the folder of one that is Python code with --backend-directory"
    )


def test_finding_a_backend_does_not_import_its_runtime() -> None:
    code = (
        "import sys; from naiad.backends.registry import find_backend; find_backend('onnxruntime');"
        "sys.exit('onnxruntime' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
