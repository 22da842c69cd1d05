"""Small checkpoints and an encoder to test tasks on: random weights run by torch, or logits written by hand."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.encoding.encoder import EncoderOutput, EncoderResult, EncoderSpec, TextTokens
from naiad.core.message import InferRequest, RequestedOutput
from naiad.core.tensor import Tensor, bytes_tensor

WORDS = """
    the a is in of and to who what where when my name sarah i live london paris berlin works at new york
    river flows through city capital france germany england good bad movie great terrible politics sports this
    example text about science it was not very big small house wolf ##gang ##ing ##s ##ly
""".split()  # noqa: SIM905 - a line of words is a better page than sixty strings
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHARACTERS = list(string.ascii_lowercase + string.digits + ".,!?'-:;()")
VOCABULARY = list(dict.fromkeys([*SPECIAL, *WORDS, *CHARACTERS, *(f"##{c}" for c in CHARACTERS)]))

HEADS = {
    "embedding": ("BertModel", "embedding", "item"),
    "sequence-classification": ("BertForSequenceClassification", "logits", "item"),
    "token-classification": ("BertForTokenClassification", "logits", "token"),
    "question-answering": ("BertForQuestionAnswering", "logits", "token"),
    "masked-lm": ("BertForMaskedLM", "logits", "row"),
}

NASTY_TEXTS = [
    "",
    " ",
    "hello world",
    "  leading and trailing  ",
    "\x00",
    "nul\x00inside\x00",
    "tab\tnew\nline\r\n",
    "café cafe\u0301 ÀÉÎ ß ǆ",
    "日本語のテキスト 中文 한국어",
    "🙂👩‍👩‍👧‍👦 🇩🇪 👍🏽",
    "a\u0300\u0301\u0302\u0303 zalgo",
    "\u200b\u200d\ufeff\u2028 invisible",
    "[CLS] [SEP] [MASK] [PAD] [UNK] <s> </s> <mask>",
    "http://example.org/a?b=c&d=%20 user@example.org",
    "don't can't it's 1,234.56 $5 100% a_b-c/d",
    "x" * 150,
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "\U0010ffff\ue000\ufffd",
    "العربية עברית हिन्दी ไทย",
    "word " * 10_000,
]


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


@pytest.fixture
def nasty_texts() -> list[str]:
    return NASTY_TEXTS


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a BERT checkpoint's folder without weights: vocab.txt, config.json and what else is given by name."""

    def make(config: dict[str, Any] | None = None, **files: object) -> Path:
        folder = tmp_path / "checkpoint"
        folder.mkdir(exist_ok=True)
        (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
        write_json(folder / "config.json", {"model_type": "bert", **(config or {})})
        for name, value in files.items():
            write_json(folder / f"{name}.json", value)
        return folder

    return make


@pytest.fixture
def make_spec() -> Callable[..., EncoderSpec]:
    """An encoder's description for one of the heads."""

    def make(head: str = "embedding", width: int = 4, **more: Any) -> EncoderSpec:
        _, output, granularity = HEADS[head]
        values = {"max_tokens": 64, "uses_type_ids": True, **more}
        return EncoderSpec("bert", head, (EncoderOutput(output, granularity, width),), **values)

    return make


@pytest.fixture
def ask() -> Callable[..., InferRequest]:
    """Make a request: keyword arguments are inputs (lists of str or bytes, or arrays), `parameters` and `outputs`."""

    def make(parameters: dict[str, Any] | None = None, outputs: Sequence[str] = (), **inputs: Any) -> InferRequest:
        tensors = {}
        for name, value in inputs.items():
            if isinstance(value, np.ndarray):
                tensors[name] = Tensor.of(name, value)
            else:
                tensors[name] = bytes_tensor(name, [v if isinstance(v, bytes) else v.encode() for v in value])
        asked = tuple(RequestedOutput(name) for name in outputs)
        return InferRequest("m", "3", "id-7", tensors, asked, parameters or {})

    return make


@pytest.fixture
def bert_folder(tmp_path: Path) -> Callable[..., tuple[Path, Any]]:
    """Save a random BERT with a head and its tokenizer by transformers; gives the folder and the torch model."""
    pytest.importorskip("torch", reason="compares with transformers, which needs torch")

    def make(head: str, seed: int = 0, tokenizer: Any = None, **config: Any) -> tuple[Path, Any]:
        import torch
        import transformers

        folder = tmp_path / head
        tokenizer = tokenizer or transformers.BertTokenizer(
            vocab={token: index for index, token in enumerate(VOCABULARY)}, model_max_length=64
        )
        torch.manual_seed(seed)
        settings = transformers.BertConfig(
            **{
                "vocab_size": len(tokenizer),
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 64,
                "max_position_embeddings": 64,
                "initializer_range": 0.5,
                **config,
            }
        )
        model = getattr(transformers, HEADS[head][0])(settings).eval()
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder, model

    return make


@pytest.fixture
def run_encoder() -> Callable[[Any, Sequence[TextTokens]], list[EncoderResult]]:
    """Run texts through a torch model, one by one: the plainest encoder there is."""

    def run(model: Any, texts: Sequence[TextTokens]) -> list[EncoderResult]:
        return [_run_one(model, text) for text in texts]

    return run


def _run_one(model: Any, text: TextTokens) -> EncoderResult:
    import torch

    types = text.type_ids if text.type_ids is not None else np.zeros_like(text.input_ids)
    with torch.no_grad():
        output = model(input_ids=torch.from_numpy(text.input_ids)[None], token_type_ids=torch.from_numpy(types)[None])
    if "start_logits" in output:
        return {"logits": torch.stack([output.start_logits[0], output.end_logits[0]], dim=-1).numpy()}
    if "logits" in output:
        logits = output.logits[0].numpy()
        return {"logits": logits if text.rows is None else logits[text.rows]}
    hidden = output.last_hidden_state[0].numpy()
    return {"last_hidden_state": hidden, "embedding": hidden.mean(axis=0)}
