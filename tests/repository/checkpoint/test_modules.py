"""modules.json: classes by their full names, folders inside the model's; and where the checkpoint itself lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration, LoadFailed, Unsupported
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


UNSERVED = [
    ("sentence_transformers.cross_encoder.modules.logit_score.LogitScore", "ForSequenceClassification"),
    ("sentence_transformers.sparse_encoder.modules.sparse_auto_encoder.SparseAutoEncoder", "feature-extraction"),
    ("sentence_transformers.sparse_encoder.modules.SparseStaticEmbedding", "for the queries of a Router"),
    ("sentence_transformers.models.BoW", "a Python model can run it"),
    ("sentence_transformers.models.WordEmbeddings", "a Python model can run it"),
    ("sentence_transformers.multi_vector_encoder.modules.token_pooling.HierarchicalTokenPooling", "take it out"),
    ("sentence_transformers.models.LSTM", "export the whole model to ONNX"),
]


@pytest.mark.parametrize(("written", "advice"), UNSERVED)
@pytest.mark.parametrize("has_config", [True, False])
def test_classes_that_no_model_may_have(written: str, advice: str, has_config: bool, tmp_path: Path) -> None:
    """Whoever looks where the checkpoint lies hears of them, before weights or a tokenizer are looked for."""
    first = "sentence_transformers.models.Transformer"
    write(tmp_path, [{"path": "0_First", "type": first}, {"path": "1_Other", "type": written}])
    if has_config:
        (tmp_path / "config.json").write_text("{}")
    with pytest.raises(Unsupported, match=f"1_Other: the module {written} of modules.json .*{advice}"):
        _ = Checkpoint(tmp_path).body


@pytest.mark.parametrize("written", [written for written, _ in UNSERVED])
def test_an_onnx_file_may_hold_all_that_the_modules_do(written: str, tmp_path: Path) -> None:
    write(tmp_path, [{"path": "", "type": "sentence_transformers.models.Transformer"}, {"path": "1", "type": written}])
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").touch()
    assert [module.type for module in Checkpoint(tmp_path).modules][1] == written


@pytest.mark.parametrize(("kind", "is_served"), [("SparseStaticEmbedding", True), ("BoW", False)])
def test_modules_on_a_route(kind: str, is_served: bool, tmp_path: Path) -> None:
    write(tmp_path, [{"path": "", "type": "sentence_transformers.models.Router"}])
    types = {
        "query_0": f"sentence_transformers.models.{kind}",
        "document_0": "sentence_transformers.models.Transformer",
    }
    content = {"types": types, "structure": {"query": ["query_0"], "document": ["document_0"]}, "parameters": {}}
    (tmp_path / "router_config.json").write_text(json.dumps(content))
    if is_served:
        assert Checkpoint(tmp_path).routes is not None
    else:
        with pytest.raises(Unsupported, match=r"query_0: the module sentence_transformers\.models\.BoW"):
            _ = Checkpoint(tmp_path).routes
