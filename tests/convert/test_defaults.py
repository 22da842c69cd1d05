"""What a config.json leaves out means to us what it means to transformers, for every family that it has."""

from __future__ import annotations

import pytest
from oracle import MARKS

from naiad.convert.encoder.architectures import ARCHITECTURES
from naiad.convert.encoder.config import Config
from naiad.convert.encoder.dimensions import read_dimensions
from naiad.convert.encoder.families.architecture import ACTIVATIONS

transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = MARKS

KNOWN = [kind for kind in ARCHITECTURES if kind in transformers.CONFIG_MAPPING]

SIZES = {
    "hidden": "hidden_size",
    "heads": "num_attention_heads",
    "layers": "num_hidden_layers",
    "intermediate": "intermediate_size",
    "vocabulary": "vocab_size",
    "positions": "max_position_embeddings",
    "pad_token_id": "pad_token_id",
}


@pytest.mark.parametrize("kind", KNOWN)
def test_sizes(kind: str) -> None:
    config = transformers.CONFIG_MAPPING[kind]()
    ours = read_dimensions(Config({"model_type": kind}))
    expected = {ours_name: getattr(config, name, None) for ours_name, name in SIZES.items()}
    assert {name: value for name, value in expected.items() if value is not None} == {
        name: getattr(ours, name) for name, value in expected.items() if value is not None
    }


@pytest.mark.parametrize("kind", KNOWN)
def test_what_is_computed(kind: str) -> None:
    config = transformers.CONFIG_MAPPING[kind]()
    ours = read_dimensions(Config({"model_type": kind}))
    for name in ("hidden_act", "hidden_activation", "activation", "activation_function"):
        if isinstance(getattr(config, name, None), str):
            assert ACTIVATIONS[getattr(config, name)] == ours.activation
    for name in ("layer_norm_eps", "norm_eps", "layer_norm_epsilon"):
        if getattr(config, name, None) is not None:
            assert getattr(config, name) == ours.norm_epsilon
    if ours.type_ids:
        assert config.type_vocab_size == ours.type_ids
