"""A Triton repository's texts: they become the same answers as those of the served checkpoint, or are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers

from naiad import Client
from naiad.core.errors import NaiadError, Unsupported
from naiad.loading.conversion.convert import convert_to_repository
from naiad.loading.conversion.course import Request
from naiad.loading.conversion.subject import recognise_subject
from naiad.loading.conversion.triton.repository import Layout
from naiad.loading.conversion.triton.texts import TextSettings
from naiad.loading.conversion.triton.tokenize_step import MODEL, SETTINGS
from naiad.testing import running_server
from naiad.testing.checkpoints import tiny_checkpoint

TEXTS = ["Hello world", "a bad movie in the city", "the river is good " * 30]
SENTENCES, SENTENCE = "config_sentence_transformers.json", "sentence_bert_config.json"
PROMPT = {"prompts": {"query": "what is ", "none": ""}, "default_prompt_name": "query"}
CONFIG = """
backend: "python"
max_batch_size: 0
input [{ name: "TEXT" data_type: TYPE_STRING dims: [ -1 ] }]
output [{ name: "input_ids" data_type: TYPE_INT32 dims: [ -1, -1 ] }]
"""


def change(path: Path, **values: Any) -> None:
    """Set keys of a JSON file; it need not be there."""
    before = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**before, **values}))


def set_everything(folder: Path) -> None:
    """All that sentence-transformers' files say, in a folder as versions 0 to 2 wrote it."""
    change(folder / "tokenizer_config.json", do_lower_case=False)
    change(folder / SENTENCE, max_seq_length=13, do_lower_case=True)
    change(folder / SENTENCES, truncate_dim=5, **PROMPT)
    body = folder / "0_Transformer"
    body.mkdir()
    for name in ("config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors", SENTENCE):
        shutil.move(folder / name, body / name)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = body.name
    (folder / "modules.json").write_text(json.dumps(modules))


def name_no_length(folder: Path) -> None:
    """Leave the positions of the encoder, of which there is no multiple of eight, as the only limit."""
    from safetensors.numpy import load_file, save_file

    (folder / SENTENCE).unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    change(folder / "config.json", max_position_embeddings=30)
    weights = load_file(folder / "model.safetensors")
    rows = "embeddings.position_embeddings.weight"
    save_file({**weights, rows: weights[rows][:30]}, folder / "model.safetensors")


def override_the_tokenizer(folder: Path) -> None:
    change(folder / "tokenizer_config.json", do_lower_case=False)
    change(folder / SENTENCE, tokenizer_args={"do_lower_case": True, "truncation_side": "left"})


def convert(source: Path, out: Path, task: str = "") -> Path:
    convert_to_repository(Request(recognise_subject(source, task)), Layout("tiny"), out, "test")
    return out


def needs_torch() -> None:
    pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
    pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")


@pytest.mark.torch
@pytest.mark.parametrize("make", [set_everything, override_the_tokenizer, name_no_length])
def test_embeddings_are_those_of_the_checkpoint(make: Callable[[Path], None], tmp_path: Path) -> None:
    """Together and alone, short texts and one that has to be cut."""
    needs_torch()
    source = tiny_checkpoint(tmp_path / "source")
    make(source)
    out = convert(source, tmp_path / "out")
    with running_server(str(out), f"m={source}") as running, Client(running.url) as client:
        for texts in (TEXTS, TEXTS[:1], TEXTS[2:]):
            expected = client.model("m").infer({"text": texts}).embedding
            actual = client.model("tiny_onnx_inference").infer({"TEXT": texts}).output
            assert expected.shape == actual.shape
            assert np.abs(actual - expected).max() <= 1e-5


@pytest.mark.torch
def test_scores_are_those_of_the_checkpoint_with_its_prompt(tmp_path: Path) -> None:
    needs_torch()
    source = tiny_checkpoint(tmp_path / "source", head="sequence-classification")
    change(source / SENTENCES, **PROMPT)
    out = convert(source, tmp_path / "out")
    asked = {"order": "class", "function_to_apply": "none"}
    with running_server(str(out), f"m={source}") as running, Client(running.url) as client:
        expected = client.model("m").infer({"text": TEXTS}, parameters=asked).scores
        actual = client.model("tiny_onnx_inference").infer({"TEXT": TEXTS}).output
    assert np.abs(actual - expected).max() <= 1e-5


@pytest.mark.torch
def test_texts_that_cannot_be_answered_are_refused(tmp_path: Path) -> None:
    """Those without tokens, and those of different lengths where answers depend on padding."""
    needs_torch()
    version = tmp_path / "repository" / "words" / "1"
    version.mkdir(parents=True)
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"hello": 1, "world": 2}, unk_token="hello"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.save(str(version / "tokenizer.json"))
    change(version / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    TextSettings(6, lowercases=True, prompt="", tokenizer_args={}, pad_token_id=9, pads=True).write(version)
    (version / "model.py").write_text(MODEL)
    (version.parent / "config.pbtxt").write_text(CONFIG)
    with running_server(str(version.parents[1])) as running, Client(running.url) as client:
        model = client.model("words")
        found = model.infer({"TEXT": ["hello WORLD world", "world"]}).input_ids
        assert found.tolist() == [[1, 2, 2, 9, 9, 9], [2, 9, 9, 9, 9, 9]]
        with pytest.raises(NaiadError, match="text 1 has no tokens"):
            model.infer({"TEXT": ["hello", ""]})
    change(version / SETTINGS, pads=False)
    with running_server(str(version.parents[1])) as running, Client(running.url) as client:
        model = client.model("words")
        assert model.infer({"TEXT": ["hello", "world"]}).input_ids.tolist() == [[1], [2]]
        with pytest.raises(NaiadError, match="send texts of different lengths one by one"):
            model.infer({"TEXT": ["hello world", "world"]})


def test_a_prompt_that_pooling_leaves_out_is_refused(tmp_path: Path) -> None:
    source = tiny_checkpoint(tmp_path / "source")
    change(source / SENTENCES, **PROMPT)
    change(source / "1_Pooling" / "config.json", include_prompt=False)
    with pytest.raises(Unsupported, match=r"default prompt 'what is '.*include_prompt is false"):
        convert(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_modules_that_are_not_in_the_graph_are_refused(tmp_path: Path) -> None:
    """Behind the pooling, and behind a classifier."""
    for head in ("embedding", "sequence-classification"):
        source = tiny_checkpoint(tmp_path / head, head=head)
        kinds = ("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")
        modules = [
            {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for at, (path, kind) in enumerate(kinds[:: 2 if head == "sequence-classification" else 1])
        ]
        (source / "modules.json").write_text(json.dumps(modules))
        (source / "2_Dense").mkdir()
        change(source / "2_Dense" / "config.json", in_features=32, out_features=16)
        task = "text-classification" if head == "sequence-classification" else ""
        with pytest.raises(Unsupported, match="Dense"):
            convert(source, tmp_path / "out", task)
        assert not (tmp_path / "out").exists()
