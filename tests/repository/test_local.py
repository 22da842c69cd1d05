from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.repository import FetchSettings, ModelEntry, fetch

Make = Callable[..., Path]


def test_a_folder_is_taken_as_it_is(make_folder: Make) -> None:
    folder = make_folder("m", {"config.pbtxt": b"", "1/model.onnx": b""})
    fetched = fetch(ModelEntry.from_source(f"{folder}"), FetchSettings())
    assert (fetched.folder, fetched.commit, fetched.files) == (folder, None, ())
    assert fetched.origin == f"folder {folder}"


def test_a_folder_with_nothing_to_serve_is_refused(make_folder: Make) -> None:
    with pytest.raises(InvalidConfiguration, match="holds nothing to serve"):
        fetch(ModelEntry.from_source(str(make_folder("m", {"x": b""}))), FetchSettings())
