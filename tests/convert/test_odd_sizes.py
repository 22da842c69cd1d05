"""Sizes that real checkpoints have and that are no multiples of anything, served as the server opens them.

Prepared weights lie where the runtime maps them: a vocabulary of 30,522 or a head of 301 labels puts what follows at
odd places, and kernels of wide vectors end the process there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bert import serve

from naiad.backends.onnxruntime.prepared.extents import is_aligned
from naiad.convert.checkpoint import convert_checkpoint
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import TextTokens

torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

LENGTHS = (5, 1, 23)

CASES: dict[str, tuple[str, dict[str, int]]] = {
    "fill-mask 30522": ("BertForMaskedLM", {"vocab_size": 30522}),
    "fill-mask 28996": ("BertForMaskedLM", {"vocab_size": 28996}),
    "fill-mask 50265": ("RobertaForMaskedLM", {"vocab_size": 50265}),
    "width 300": ("BertForMaskedLM", {"hidden_size": 300, "num_attention_heads": 12, "intermediate_size": 1200}),
    "width 312": ("BertModel", {"hidden_size": 312, "num_attention_heads": 12, "intermediate_size": 1200}),
    "301 labels": ("BertForSequenceClassification", {"num_labels": 301}),
    "5 labels a token": ("DistilBertForTokenClassification", {"num_labels": 5, "dim": 36, "n_heads": 3}),
}


@pytest.mark.parametrize("case", CASES)
def test_as_the_server_opens_them(case: str, tmp_path: Path) -> None:
    name, changes = CASES[case]
    model = random_model(name, changes)
    model.save_pretrained(tmp_path)
    converted = convert_checkpoint(tmp_path)
    assert is_aligned(converted.graph)
    instances = serve(converted, wide_threads=2)
    output = "last_hidden_state" if name.endswith("Model") else "logits"
    random = np.random.default_rng(0)
    items = [
        TextTokens(random.integers(2, 100, length), (output,), rows=np.arange(length) if "LM" in name else None)
        for length in LENGTHS
    ]
    for instance in instances.all:
        for item, result in zip(items, instance.execute(Batch(items)), strict=True):
            assert isinstance(result, dict)
            with torch.no_grad():
                expected = model(torch.tensor(item.input_ids)[None])[0][0].numpy()
            assert np.allclose(expected, result[output], atol=1e-4)


def random_model(name: str, changes: dict[str, int]) -> Any:
    config = getattr(transformers, name.partition("For")[0].removesuffix("Model") + "Config")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 75, **changes}
    if name.startswith("DistilBert"):
        sizes = {"n_layers": 2, "hidden_dim": 75, **changes}
    torch.manual_seed(0)
    return getattr(transformers, name)(config(max_position_embeddings=77, **sizes)).eval()
