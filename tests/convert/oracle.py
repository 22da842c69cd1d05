"""Compare a converted checkpoint with the transformers model it came from, packed in mixed lengths.

For the files `test_<family>.py` beside it. Not here: which models they make.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.convert.checkpoint import convert_checkpoint
from naiad.convert.opening import open_encoder
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import EncoderResult, TextTokens

TOLERANCE = 1e-4

MARKS = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def make_model(kind: Any, config: Any, *, spread: float = 0.2) -> Any:
    """A model whose every weight matters: random biases and norms too, and of a size that shows in the logits."""
    import torch

    torch.manual_seed(sum(map(ord, kind.__name__)))
    model = kind(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = spread if parameter.dim() > 1 else 0.3
            centre = 1.0 if "norm" in "".join(name.lower().split(".")[-2:-1]) and name.endswith("weight") else 0.0
            parameter.copy_(centre + scale * torch.randn_like(parameter))
    return model.eval()


def make_ids(lengths: Sequence[int], vocabulary: int, *, last: int | None = None) -> list[Any]:
    """Random token ids above 4, ending with `last` where it is given."""
    random = np.random.default_rng(5)
    ids = [random.integers(5, vocabulary, length) for length in lengths]
    for text in ids if last is not None else []:
        text[-1] = last
    return ids


def answer_of(model: Any, head: str, item: TextTokens) -> EncoderResult:
    """What the model says of one text by itself."""
    import torch

    inputs = {"input_ids": torch.tensor(item.input_ids)[None]}
    if item.type_ids is not None:
        inputs["token_type_ids"] = torch.tensor(item.type_ids)[None]
    with torch.no_grad():
        answer = model(**inputs)
    if head == "embedding":
        hidden = answer.last_hidden_state[0].float().numpy()
        return {"last_hidden_state": hidden, "embedding": hidden.mean(axis=0)}
    if head == "question-answering":
        return {"logits": torch.stack([answer.start_logits[0], answer.end_logits[0]], dim=-1).numpy()}
    logits = answer.logits[0].numpy()
    return {"logits": logits[item.rows] if head == "masked-lm" else logits}


def run_packed(folder: Path, head: str, ids: Sequence[Any], *, types: bool = False, quantize: str = "none") -> Any:
    """The texts as items, and what the converted graph says of them in one batch."""
    converted = convert_checkpoint(folder, quantize=quantize)
    assert converted.spec.head == head
    encoder = open_encoder(converted.graph, converted.spec)
    items = [
        TextTokens(
            input_ids=text,
            outputs=tuple(output.name for output in converted.spec.outputs),
            type_ids=(np.arange(len(text)) >= len(text) // 2).astype(np.int64) if types else None,
            rows=np.array(sorted({0, len(text) // 2, len(text) - 1})) if head == "masked-lm" else None,
        )
        for text in ids
    ]
    return items, encoder.execute(Batch(items))


def assert_equal(model: Any, folder: Path, head: str, ids: Sequence[Any], *, types: bool = False) -> None:
    """Every text's answer in the batch is the model's own."""
    items, results = run_packed(folder, head, ids, types=types)
    for item, result in zip(items, results, strict=True):
        assert isinstance(result, dict), result
        expected = answer_of(model, head, item)
        assert expected.keys() == result.keys()
        for name, array in expected.items():
            assert array.shape == result[name].shape
            assert np.abs(array - result[name]).max() <= TOLERANCE, (name, item.tokens)
