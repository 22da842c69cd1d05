"""Keys of sentence_bert_config.json: those that change answers are obeyed, or refused by name before all else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import LoadFailed, Unsupported
from naiad.tasks.tokenizing.loading import load_tokenizer
from naiad.tasks.tokenizing.settings import read_sentence_settings
from naiad.tasks.tokenizing.trial.trying import begin_trial

TEXT = {"method": "forward", "method_output_name": "last_hidden_state"}


def folder_with(make_folder: Any, values: dict[str, Any], *, has_weights: bool = True) -> Path:
    folder: Path = make_folder({"num_hidden_layers": 2}, sentence_bert_config=values)
    if has_weights:
        (folder / "model.safetensors").touch()
    return folder


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"config_args": {"num_hidden_layers": 1}}, "config_args.num_hidden_layers is 1"),
        ({"config_kwargs": {"hidden_act": "relu"}}, "config_kwargs.hidden_act is 'relu'"),
        ({"model_args": {"rotary_scaling_factor": 2}}, "model_args.rotary_scaling_factor is 2"),
        ({"modality_config": {"text": {**TEXT, "method_output_name": ["hidden_states", 1]}}}, "method_output_name is"),
        ({"modality_config": {"text": {**TEXT, "method_output_name": "pooler_output"}}}, "is 'pooler_output'"),
        ({"modality_config": {"message": {**TEXT, "format": "flat"}}}, "modality_config.message"),
        ({"processing_kwargs": {"text": {"add_special_tokens": False}}}, "processing_kwargs.text.add_special_tokens"),
        ({"processing_kwargs": {"common": {"max_length": 8}}}, "processing_kwargs.common.max_length is 8"),
        (
            {"processing_kwargs": {"image": {"size": 32}}},
            "processing_kwargs.image.size is 32.*preprocessor_config.json",
        ),
        ({"tokenizer_name_or_path": "another/one"}, "tokenizer_name_or_path is 'another/one'"),
    ],
)
def test_what_is_not_obeyed_is_refused(make_folder: Any, values: dict[str, Any], key: str) -> None:
    folder = folder_with(make_folder, values)
    with pytest.raises(Unsupported, match=rf"sentence_bert_config\.json: .*{key}"):
        read_sentence_settings(folder)
    with pytest.raises(Unsupported, match="changes answers and is not obeyed"):
        begin_trial(folder, has_class=True)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"config_args": {}, "model_args": None, "processing_kwargs": {}, "modality_config": {}},
        {"config_kwargs": {"trust_remote_code": True, "cache_dir": "x", "num_hidden_layers": 2}},
        {"model_kwargs": {"torch_dtype": "float16", "attn_implementation": "sdpa", "device_map": "auto"}},
        {"backend": "torch", "cache_dir": None, "unpad_inputs": True, "transformer_task": "feature-extraction"},
        {"modality_config": {"text": TEXT, "message": {**TEXT, "format": "flat"}}},
        {"modality_config": {"text": {**TEXT, "method_output_name": "logits"}}, "module_output_name": "scores"},
        {"modality_config": {"text": {"method": "get_text_features", "method_output_name": "pooler_output"}}},
        {"processing_kwargs": {"text": {"padding": True, "truncation": True}, "chat_template": {"a": 1}}},
    ],
)
def test_what_changes_nothing_is_accepted(make_folder: Any, values: dict[str, Any]) -> None:
    assert read_sentence_settings(folder_with(make_folder, values)).max_length is None


def test_onnx_files_hold_what_is_said_of_the_model(make_folder: Any) -> None:
    values = {
        "config_kwargs": {"hidden_act": "relu"},
        "modality_config": {"text": {"method_output_name": "pooler_output"}},
    }
    assert read_sentence_settings(folder_with(make_folder, values, has_weights=False)).max_length is None


@pytest.mark.parametrize(("length", "expected"), [(8, 8), (40, 40), (999, 64)])
def test_the_length_that_the_tokenizer_is_called_with_wins(
    make_folder: Any, make_spec: Any, length: int, expected: int
) -> None:
    values = {"max_seq_length": 20, "processing_kwargs": {"text": {"max_length": length}}}
    tokenizer = load_tokenizer(folder_with(make_folder, values), make_spec(max_tokens=64))
    assert tokenizer.max_tokens == expected


@pytest.mark.parametrize(
    ("head", "values", "key"),
    [
        ("embedding", {"query_length": 8}, "query_length"),
        ("embedding", {"document_length": 8}, "document_length"),
        ("embedding", {"query_expansion": {"strategy": "fixed", "length": 8}}, "query_expansion"),
        ("embedding", {"query_length": None}, ""),
        ("sequence-classification", {"query_length": 8}, ""),
    ],
)
def test_kinds_of_texts(make_folder: Any, make_spec: Any, head: str, values: dict[str, Any], key: str) -> None:
    folder, spec = folder_with(make_folder, values), make_spec(head)
    if key:
        with pytest.raises(Unsupported, match=f"{key} in sentence_bert_config.json changes answers"):
            load_tokenizer(folder, spec)
    else:
        assert load_tokenizer(folder, spec).max_tokens == 64


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"config_args": 3}, "config_args is 3, an object is expected"),
        ({"modality_config": {"text": "forward"}}, "modality_config.text is 'forward', an object"),
        ({"processing_kwargs": {"text": [1]}}, "processing_kwargs.text is .1., an object"),
        ({"processing_kwargs": {"text": {"max_length": 0}}}, "max_length is 0, a whole number of at least 1"),
        ({"query_length": "8"}, "query_length is '8', a whole number"),
    ],
)
def test_what_makes_no_sense(make_folder: Any, values: dict[str, Any], words: str) -> None:
    with pytest.raises(LoadFailed, match=words):
        read_sentence_settings(folder_with(make_folder, values))
