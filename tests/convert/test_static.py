"""Static embeddings: a table instead of an encoder, as two libraries write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from naiad.convert.checkpoint import builder_knows, convert_checkpoint
from naiad.convert.opening import open_encoder
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import TextTokens
from naiad.core.errors import InvalidConfiguration, LoadFailed, Unsupported

TABLE = np.random.default_rng(1).standard_normal((9, 5)).astype(np.float32)
STATIC_MODULE = {"path": "", "type": "sentence_transformers.models.StaticEmbedding"}
NORMALIZE = {"path": "1_Normalize", "type": "sentence_transformers.models.Normalize"}
ROWS = ([3], [1, 2, 2, 8], list(range(9)) * 20)


def write(folder: Path, tensors: dict[str, Any], config: dict[str, Any] | None = None, *modules: Any) -> Path:
    save_file(tensors, folder / "model.safetensors")
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    if modules:
        (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def embeddings(folder: Path) -> list[Any]:
    """Of ROWS, and last of a text without tokens."""
    converted = convert_checkpoint(folder)
    encoder = open_encoder(converted.graph, converted.spec)
    rows = [*ROWS, [converted.spec.vocabulary - 1]]
    results = encoder.execute(Batch([TextTokens(np.array(row), ("embedding",)) for row in rows]))
    return [result["embedding"] for result in results if isinstance(result, dict)]


def assert_means(folder: Path, table: Any, *, normalize: bool = False) -> None:
    found = embeddings(folder)
    assert len(found) == len(ROWS) + 1
    for row, vector in zip(ROWS, found[:-1], strict=True):
        wanted = table[row].mean(axis=0)
        wanted = wanted / np.linalg.norm(wanted) if normalize else wanted
        assert np.abs(wanted - vector).max() <= 1e-6
    assert not found[-1].any()


def test_sentence_transformers_table(tmp_path: Path) -> None:
    assert_means(write(tmp_path, {"embedding.weight": TABLE}, None, STATIC_MODULE), TABLE)


def test_a_table_in_a_folder_of_its_own(tmp_path: Path) -> None:
    body = tmp_path / "0_StaticEmbedding"
    body.mkdir()
    write(body, {"embedding.weight": TABLE})
    (tmp_path / "modules.json").write_text(json.dumps([{**STATIC_MODULE, "path": "0_StaticEmbedding"}, NORMALIZE]))
    assert_means(tmp_path, TABLE, normalize=True)


@pytest.mark.parametrize(
    ("config", "modules", "normalize"),
    [
        ({"normalize": True}, (), True),
        ({"normalize": False}, (), False),
        ({}, (), False),
        ({"normalize": True}, (STATIC_MODULE,), True),
        ({"normalize": True}, (STATIC_MODULE, NORMALIZE), True),
        ({}, (STATIC_MODULE, NORMALIZE), True),
    ],
)
def test_model2vec_normalises_by_its_flag(
    config: dict[str, Any], modules: tuple[Any, ...], normalize: bool, tmp_path: Path
) -> None:
    folder = write(tmp_path, {"embeddings": TABLE}, {"model_type": "model2vec", **config}, *modules)
    assert_means(folder, TABLE, normalize=normalize)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int8])
def test_model2vec_weights_and_mapping(kind: type[Any], tmp_path: Path) -> None:
    rows = (TABLE[:4] * 20).astype(kind)
    mapping = np.array([0, 1, 2, 3, 3, 2, 1, 0, 2])
    weights = np.linspace(0.1, 2, 9).astype(np.float32)
    tensors = {"embeddings": rows, "mapping": mapping, "weights": weights}
    folder = write(tmp_path, tensors, {"model_type": "model2vec"})
    table = rows.astype(np.float32)[mapping] * weights[:, None]
    found = embeddings(folder)
    assert np.abs(table[ROWS[1]].mean(axis=0) - found[1]).max() <= 1e-5
    assert builder_knows({"model_type": "model2vec"})


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({}, "neither embedding.weight nor embeddings"),
        ({"embeddings": TABLE[0]}, r"shape \(5,\), \(tokens, width\) is expected"),
        ({"embeddings": TABLE, "mapping": np.array([0, 9])}, "mapping must be one row of embeddings for each token"),
        ({"embeddings": TABLE, "mapping": TABLE[0]}, "mapping must be one row"),
        ({"embeddings": TABLE, "weights": TABLE[0]}, r"shape \(5,\), not \(9,\)"),
    ],
)
def test_tables_that_do_not_fit(tensors: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match=words):
        convert_checkpoint(write(tmp_path, tensors, {"model_type": "model2vec"}))


def test_what_a_table_cannot_do(tmp_path: Path) -> None:
    folder = write(tmp_path, {"embeddings": TABLE}, {"model_type": "model2vec"})
    with pytest.raises(InvalidConfiguration, match=r"static embeddings.*head 'masked-lm' does not apply to it"):
        convert_checkpoint(folder, head="masked-lm")
    with pytest.raises(InvalidConfiguration, match="quantize: int8 does not apply to it"):
        convert_checkpoint(folder, quantize="int8")
    lstm = {"path": "", "type": "sentence_transformers.models.LSTM"}
    folder = write(tmp_path, {"embeddings": TABLE}, {"model_type": "model2vec"}, STATIC_MODULE, lstm)
    with pytest.raises(Unsupported, match=r"sentence_transformers\.models\.LSTM"):
        convert_checkpoint(folder)
