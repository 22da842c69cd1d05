"""What sentence-transformers folders around image models say of their vectors: done, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import LoadFailed, Unsupported
from naiad.repository.checkpoint import Checkpoint
from naiad.tasks.image.vectors import VectorSteps, read_vector_steps

OLD = "sentence_transformers.models."
PAIR_WAYS = {
    "modality_config": {
        kind: {"method": f"get_{kind}_features", "method_output_name": "pooler_output"} for kind in ("text", "image")
    },
    "module_output_name": "sentence_embedding",
}
STATES = {
    "modality_config": {"image": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
}
POOLER = {
    "modality_config": {"image": {"method": "forward", "method_output_name": "pooler_output"}},
    "module_output_name": "sentence_embedding",
}

Row = tuple[str, dict[str, Any]]
"""Class and config.json of a module."""


def folder_of(folder: Path, first: str, ways: dict[str, Any], *rest: Row, **settings: Any) -> Checkpoint:
    rows = [{"idx": 0, "name": "0", "path": "", "type": first if "." in first else OLD + first}]
    for number, (kind, content) in enumerate(rest, 1):
        (folder / str(number)).mkdir()
        (folder / str(number) / "config.json").write_text(json.dumps(content))
        rows.append({"idx": number, "name": str(number), "path": str(number), "type": OLD + kind})
    (folder / "config.json").write_text("{}")
    (folder / "modules.json").write_text(json.dumps(rows))
    (folder / "sentence_bert_config.json").write_text(json.dumps(ways))
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    return Checkpoint(folder)


NORMALIZE: Row = ("Normalize", {})
DENSE: Row = ("Dense", {"in_features": 16, "out_features": 8})
PAIR, ALONE = ("text", "image"), ("image",)


@pytest.mark.parametrize(
    ("first", "ways", "rest", "kinds", "expected"),
    [
        ("CLIPModel", {}, [], PAIR, VectorSteps()),
        ("CLIPModel", {}, [], ALONE, VectorSteps()),
        ("CLIPModel", {}, [NORMALIZE], PAIR, VectorSteps(normalizes=True)),
        ("CLIPModel", {}, [("Dropout", {"dropout": 0.1}), NORMALIZE], PAIR, VectorSteps(normalizes=True)),
        ("CLIPModel", PAIR_WAYS, [], PAIR, VectorSteps()),
        ("Transformer", PAIR_WAYS, [NORMALIZE], PAIR, VectorSteps(normalizes=True)),
        ("Transformer", PAIR_WAYS, [], ALONE, VectorSteps()),
        ("Transformer", POOLER, [], ALONE, VectorSteps()),
        ("Transformer", STATES, [("Pooling", {"pooling_mode": "mean"}), NORMALIZE], ALONE, VectorSteps("mean", True)),
        ("Transformer", STATES, [("Pooling", {"pooling_mode": ["cls"]})], ALONE, VectorSteps("cls")),
        ("Transformer", STATES, [("Pooling", {"pooling_mode_max_tokens": True})], ALONE, VectorSteps("max")),
        ("Transformer", STATES, [("Pooling", {"pooling_mode_cls_token": False})], ALONE, VectorSteps("mean")),
    ],
)
def test_what_is_done(
    first: str, ways: dict[str, Any], rest: list[Row], kinds: tuple[str, ...], expected: VectorSteps, tmp_path: Path
) -> None:
    assert read_vector_steps(folder_of(tmp_path, first, ways, *rest), *kinds) == expected


@pytest.mark.parametrize(
    ("first", "ways", "rest", "kinds", "message"),
    [
        ("CLIPModel", {}, [DENSE], PAIR, r"1: the module sentence_transformers\.models\.Dense of modules\.json is not"),
        ("CLIPModel", {}, [NORMALIZE, DENSE], PAIR, r"2: the module .*Dense.*compute it yourself"),
        ("CLIPModel", {}, [DENSE], ALONE, r"models\.Dense"),
        ("CLIPModel", {}, [("Pooling", {"pooling_mode": "mean"})], PAIR, r"models\.Pooling of"),
        (
            "CLIPModel",
            {},
            [("Normalize", {"module_input_name": "token_embeddings"})],
            PAIR,
            "'token_embeddings'; Naiad",
        ),
        ("Transformer", {}, [], PAIR, r"gives for texts by modality_config .*\(None\).*get_text_features"),
        ("Transformer", STATES, [("Pooling", {"pooling_mode": "mean"})], PAIR, "gives for texts by modality_config"),
        ("Transformer", STATES, [], ALONE, r"no Pooling right after sentence_transformers\.models\.Transformer"),
        ("Transformer", STATES, [NORMALIZE], ALONE, "no Pooling right after"),
        ("Transformer", STATES, [("Pooling", {"pooling_mode": "weightedmean"})], ALONE, "the pooling weightedmean is"),
        ("Transformer", STATES, [("Pooling", {"pooling_mode": ["cls", "mean"]})], ALONE, "the pooling cls, mean is"),
        ("Transformer", STATES, [("Pooling", {"pooling_mode_lasttoken": True})], ALONE, "pooling_mode_lasttoken is"),
        ("Transformer", STATES, [("Pooling", {"pooling_mode": [{}]})], ALONE, "the pooling {} is"),
        ("Transformer", STATES, [("Pooling", {"pooling_mode": "mean"}), DENSE], ALONE, r"models\.Dense"),
        ("Transformer", {**POOLER, "module_output_name": "scores"}, [], ALONE, "'scores'"),
        ("Transformer", {"modality_config": []}, [], ALONE, "gives for images by modality_config"),
        ("Router", {}, [], ALONE, r"models\.Router"),
        ("somebody.else.Transformer", {}, [], ALONE, r"somebody\.else\.Transformer"),
    ],
)
def test_what_is_refused(
    first: str, ways: dict[str, Any], rest: list[Row], kinds: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(Unsupported, match=message):
        read_vector_steps(folder_of(tmp_path, first, ways, *rest), *kinds)


def test_a_folder_without_modules(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert read_vector_steps(Checkpoint(tmp_path), *PAIR) == VectorSteps()


def test_truncate_dim(tmp_path: Path) -> None:
    assert read_vector_steps(folder_of(tmp_path, "CLIPModel", {}, truncate_dim=8), *PAIR).truncate_dim == 8


@pytest.mark.parametrize("value", [0, True, "8", 2.5])
def test_a_wrong_truncate_dim(value: Any, tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match=r"truncate_dim is .*a whole number of at least 1 is expected"):
        read_vector_steps(folder_of(tmp_path, "CLIPModel", {}, truncate_dim=value), *PAIR)


def test_the_order_is_pooling_normalising_cutting_and_what_is_asked() -> None:
    states = np.array([[3, 0, 9], [3, 8, 0]], np.float32)
    steps = VectorSteps("mean", normalizes=True)
    whole = np.array([3, 4, 4.5]) / np.linalg.norm([3, 4, 4.5])
    cut = steps.apply([{"last_hidden_state": states}], {"truncate_dim": 2, "normalize": False})
    np.testing.assert_allclose(cut, [whole[:2]], rtol=1e-6)
    again = steps.apply([{"last_hidden_state": states}], {"truncate_dim": 2, "normalize": True})
    np.testing.assert_allclose(again, [[0.6, 0.8]], rtol=1e-6)
