"""Numbers of config.json that the weights cannot fit are refused before anything is made of them."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from small_bert import CONFIG, random_weights, write_checkpoint

from naiad.convert.checkpoint import convert_checkpoint
from naiad.core.errors import InvalidConfiguration, LoadFailed

MOST_BYTES = 20_000_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000, more than 1000"),
        ({"num_hidden_layers": 999}, "num_hidden_layers is 999, which the weights do not fit: there are 37 weights"),
        ({"hidden_size": 10**9}, "hidden_size is 1000000000, more than"),
        (
            {"hidden_size": 3 * 2**20},
            "hidden_size is 3145728, which the weights do not fit: the longest axis .* is 160",
        ),
        ({"vocab_size": 10**7}, "vocab_size is 10000000, which the weights do not fit"),
        ({"intermediate_size": 10**7}, "intermediate_size is 10000000, which the weights do not fit"),
        ({"type_vocab_size": 10**7}, "type_vocab_size is 10000000, which the weights do not fit"),
        ({"max_position_embeddings": 10**9}, "max_position_embeddings is 1000000000, more than"),
        ({"max_position_embeddings": 10**400}, "max_position_embeddings is a whole number of 1329 bits, more than"),
        ({"num_hidden_groups": 10**9}, "num_hidden_groups is 1000000000, more than 1000"),
        ({"inner_group_num": 10**9}, "inner_group_num is 1000000000, more than 1000"),
        ({"pad_token_id": 10**30}, "pad_token_id is 10{30}, more than"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps is nan, not a number of at least 0"),
        ({"layer_norm_eps": float("inf")}, "layer_norm_eps is inf"),
        ({"layer_norm_eps": -1e-6}, "layer_norm_eps is -1e-06"),
        ({"layer_norm_eps": 10**400}, "layer_norm_eps is a whole number of 1329 bits"),
    ],
)
def test_greedy_numbers(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    folder = write_checkpoint(tmp_path, random_weights(), {**CONFIG, **changes})
    convert = lambda: convert_checkpoint(folder)  # noqa: E731
    with pytest.raises((InvalidConfiguration, LoadFailed), match=words):
        convert()
    tracemalloc.start()
    try:
        with pytest.raises((InvalidConfiguration, LoadFailed)):
            convert()
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "weight_map", [{"a": 1}, {"a": None, "b": "x"}, {"a": ["x"]}, [], 3, {"a": "x\0y"}, {"a": "x" * 999}]
)
def test_a_shard_index_that_makes_no_sense(tmp_path: Path, weight_map: Any) -> None:
    folder = write_checkpoint(tmp_path, random_weights())
    (folder / "model.safetensors").rename(folder / "other")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises((InvalidConfiguration, LoadFailed), match=r"index\.json|is no path inside"):
        convert_checkpoint(folder)
