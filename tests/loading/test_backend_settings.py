"""--backend-config in all its spellings."""

from __future__ import annotations

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.loading.backend_settings import read_backend_settings, settings_of


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {}),
        (("onnxruntime,a=1", "onnxruntime,b=2,3"), {"onnxruntime": {"a": "1", "b": "2,3"}}),
        (("a=1", ",b=2"), {"": {"a": "1", "b": "2"}}),
        (("python,path=/a=b",), {"python": {"path": "/a=b"}}),
    ],
)
def test_forms(options: tuple[str, ...], expected: dict[str, dict[str, str]]) -> None:
    assert read_backend_settings(options) == expected


def test_what_is_for_one_backend_goes_before_what_is_for_all() -> None:
    options = ("a=1", "b=2", "python,a=3")
    assert settings_of(options, "python") == {"a": "3", "b": "2"}
    assert settings_of(options, "onnxruntime") == {"a": "1", "b": "2"}


@pytest.mark.parametrize("option", ["", "onnxruntime", "onnxruntime,", "onnxruntime,a", "onnxruntime,=1"])
def test_anything_else_is_refused(option: str) -> None:
    with pytest.raises(InvalidConfiguration, match="write BACKEND,KEY=VALUE"):
        read_backend_settings((option,))
