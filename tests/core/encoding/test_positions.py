"""How long a text each family takes, as its config.json says it."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.core.encoding.positions import UNBOUNDED, Positions, read_positions
from naiad.core.errors import InvalidConfiguration

PUBLISHED: dict[str, tuple[dict[str, Any], Positions]] = {
    "bert": ({"model_type": "bert", "max_position_embeddings": 512}, Positions(512)),
    "roberta": ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, Positions(512, 2)),
    "bertweet": ({"model_type": "roberta", "max_position_embeddings": 130}, Positions(128, 2)),
    "xlm-roberta, padding 0": (
        {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 0},
        Positions(513, 1),
    ),
    "bge-m3": (
        {"model_type": "xlm-roberta", "max_position_embeddings": 8194, "position_embedding_type": "absolute"},
        Positions(8192, 2),
    ),
    "longformer": ({"model_type": "longformer", "max_position_embeddings": 4098}, Positions(4096, 2)),
    "mpnet, whatever its padding": (
        {"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 0},
        Positions(512, 2),
    ),
    "esm, absolute": (
        {
            "model_type": "esm",
            "max_position_embeddings": 1026,
            "position_embedding_type": "absolute",
            "rope_theta": 1e4,
        },
        Positions(1024, 2),
    ),
    "esm-2": (
        {"model_type": "esm", "max_position_embeddings": 1026, "position_embedding_type": "rotary"},
        Positions(1026),
    ),
    "bert with a table of distances": (
        {"model_type": "bert", "max_position_embeddings": 256, "position_embedding_type": "relative_key_query"},
        Positions(256),
    ),
    "jina-v2": (
        {"model_type": "bert", "max_position_embeddings": 8192, "position_embedding_type": "alibi"},
        Positions(8192),
    ),
    "nomic": (
        {"model_type": "nomic_bert", "n_positions": 8192, "max_trained_positions": 2048, "rotary_emb_fraction": 1.0},
        Positions(8192),
    ),
    "modernbert": ({"model_type": "modernbert", "max_position_embeddings": 8192}, Positions(8192)),
    "deberta-v3": (
        {"model_type": "deberta-v2", "max_position_embeddings": 512, "position_biased_input": False},
        Positions(512),
    ),
    "deberta": ({"model_type": "deberta", "max_position_embeddings": 512}, Positions(512)),
    "bart": ({"model_type": "bart", "max_position_embeddings": 1024, "pad_token_id": 1}, Positions(1024)),
    "led": ({"model_type": "led", "max_encoder_position_embeddings": 16384}, Positions(16384)),
    "gpt2": ({"model_type": "gpt2", "n_positions": 1024, "n_ctx": 1024}, Positions(1024)),
    "t5": ({"model_type": "t5", "n_positions": 512}, Positions(UNBOUNDED)),
    "xlnet": ({"model_type": "xlnet"}, Positions(UNBOUNDED)),
    "rotary by its keys": (
        {"model_type": "somebody's", "rope_theta": 1e4, "max_seq_len": 2048},
        Positions(2048),
    ),
    "rotary without a number": ({"model_type": "x", "rope_theta": 1e4}, Positions(UNBOUNDED)),
    "max_sequence_length": ({"model_type": "x", "max_sequence_length": 300}, Positions(300)),
    "silent": ({"model_type": "x"}, Positions(512)),
    "no number": ({"model_type": "x", "n_positions": None, "max_position_embeddings": "many"}, Positions(512)),
    "no sizes": ({"n_ctx": 0, "n_positions": -1, "max_position_embeddings": True}, Positions(512)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_positions(name: str) -> None:
    config, expected = PUBLISHED[name]
    assert expected == read_positions(config)


def test_no_position_left() -> None:
    with pytest.raises(InvalidConfiguration, match="max_position_embeddings 2 leaves no position for a token"):
        read_positions({"model_type": "roberta", "max_position_embeddings": 2})
