"""modules.json: classes by their full names, folders inside the model's; and where the checkpoint itself lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration, LoadFailed
from naiad.repository.checkpoint import Checkpoint


def write(folder: Path, content: Any) -> Path:
    (folder / "modules.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("sentence_transformers.models.Pooling", "Pooling"),
        ("sentence_transformers.sentence_transformer.modules.pooling.Pooling", "Pooling"),
        ("sentence_transformers.base.modules.transformer.Transformer", "Transformer"),
        ("pylate.models.Dense.Dense", "Dense"),
        ("custom_st.Transformer", ""),
        ("sentence_transformers_of_mine.Pooling", ""),
        ("Pooling", ""),
    ],
)
def test_only_the_librarys_own_classes_have_a_kind(written: str, kind: str, tmp_path: Path) -> None:
    (module,) = Checkpoint(write(tmp_path, [{"idx": 0, "name": "0", "path": "", "type": written}])).modules
    assert (module.kind, module.type) == (kind, written)


def test_without_the_file_there_are_none(tmp_path: Path) -> None:
    assert (Checkpoint(tmp_path).modules, Checkpoint(tmp_path).body) == ((), tmp_path)


def test_the_body_is_the_first_modules(tmp_path: Path) -> None:
    kind = "sentence_transformers.models.Transformer"
    write(tmp_path, [{"path": "0_Transformer", "type": kind}, {"path": "1_Pooling", "type": kind}])
    assert Checkpoint(tmp_path).body == tmp_path / "0_Transformer"
    (tmp_path / "config.json").write_text("{}")
    assert Checkpoint(tmp_path).body == tmp_path


@pytest.mark.parametrize("content", [{}, [3], [{"path": ""}], [{"type": "a", "path": 3}]])
def test_what_is_no_list_of_modules(content: Any, tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match="modules"):
        _ = Checkpoint(write(tmp_path, content)).modules


def test_what_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[")
    with pytest.raises(LoadFailed, match=r"modules\.json is not valid JSON"):
        _ = Checkpoint(tmp_path).modules


@pytest.mark.parametrize("path", ["../elsewhere", "/etc", "a/../../b"])
def test_a_folder_outside(path: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="leaves the model's folder"):
        _ = Checkpoint(write(tmp_path, [{"path": path, "type": "sentence_transformers.models.Pooling"}])).modules


def test_a_link_outside(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "model", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "1_Pooling").symlink_to(elsewhere)
    write(folder, [{"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}])
    with pytest.raises(InvalidConfiguration, match="1_Pooling is a link that leaves the model's folder"):
        _ = Checkpoint(folder).modules
