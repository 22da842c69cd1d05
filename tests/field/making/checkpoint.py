"""A row of the table becomes a folder as it would come from the Hub, and the model in it."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from published.row import LinearSentence, Published, Sentence

from making.tokenizers import write_tokenizer
from making.weights import randomize

_LAYERS = {
    "distilbert": {"n_layers": 2},
    "bart": {"encoder_layers": 2, "decoder_layers": 2, "num_hidden_layers": 2},
    "t5": {"num_layers": 2},
    "funnel": {"block_sizes": [1, 1, 1]},
    **{family: {} for family in ("clip", "resnet", "convnext", "swin")},
}
"""How families spell the number of layers, where it is not num_hidden_layers."""

_OLD_NAMES = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}


@dataclass(frozen=True)
class Made:
    """A checkpoint on disk."""

    row: Published
    folder: Path

    @property
    def body(self) -> Path:
        """Where config.json lies."""
        return self.folder


def write_checkpoint(folder: Path, row: Published) -> Made:
    """Write config.json, weights, tokenizer and modules."""
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "config.json", config_document(row))
    config = transformers.AutoConfig.from_pretrained(folder)
    model = getattr(transformers, row.model)(config)
    randomize(model, zlib.crc32(row.name.encode()))
    model.save_pretrained(folder)
    _write_json(folder / "config.json", config_document(row))
    if row.old_weights:
        _rename_weights(folder / "model.safetensors")
    if row.vocabulary is not None:
        write_tokenizer(folder, row.vocabulary)
    if row.processor is not None:
        _write_json(folder / "preprocessor_config.json", dict(row.processor))
    if row.sentence is not None:
        _write_modules(folder, row)
    if row.card:
        (folder / "README.md").write_text(f"---\npipeline_tag: {row.card}\n---\n")
    return Made(row, folder)


def config_document(row: Published) -> dict[str, Any]:
    """config.json as published, but for two layers."""
    document: dict[str, Any] = {
        "architectures": [row.model],
        **row.config,
        **_LAYERS.get(row.family, {"num_hidden_layers": 2}),
    }
    if row.labels:
        document["id2label"] = dict(enumerate(row.labels))
        document["label2id"] = {label: number for number, label in enumerate(row.labels)}
    return document


def _rename_weights(path: Path) -> None:
    """Give the weights the names that the first checkpoints have."""
    from safetensors.torch import load_file, save_file

    renamed = {}
    for name, tensor in load_file(path).items():
        old = name
        for new, first in _OLD_NAMES.items():
            old = old.replace(new, first)
        renamed[old] = tensor
    save_file(renamed, path, {"format": "pt"})


def _write_modules(folder: Path, row: Published) -> None:
    """modules.json and what it names, as sentence-transformers 2 and 3 wrote them."""
    sentence = row.sentence
    assert sentence is not None
    if sentence.pooling == "splade":
        _write_sparse_modules(folder)
        return
    names = ["Transformer", "Pooling"]
    if sentence.dense:
        names.append("Dense")
        _write_dense(folder / "2_Dense", sentence, row.name)
    if sentence.normalize:
        names.append("Normalize")
    modules = [
        {
            "idx": at,
            "name": str(at),
            "path": f"{at}_{name}" if at else "",
            "type": f"sentence_transformers.models.{name}",
        }
        for at, name in enumerate(names)
    ]
    _write_json(folder / "modules.json", modules)
    _write_json(folder / "1_Pooling" / "config.json", _pooling(sentence, row))
    if sentence.max_seq_length is not None or sentence.do_lower_case:
        settings = {"max_seq_length": sentence.max_seq_length, "do_lower_case": sentence.do_lower_case}
        _write_json(folder / "sentence_bert_config.json", settings)
    if sentence.prompts:
        document = {"prompts": dict(sentence.prompts), "default_prompt_name": sentence.default_prompt}
        _write_json(folder / "config_sentence_transformers.json", document)


def _write_sparse_modules(folder: Path) -> None:
    """modules.json of a SparseEncoder, as sentence-transformers 5 wrote it."""
    kinds = (("", "MLMTransformer"), ("1_SpladePooling", "SpladePooling"))
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.sparse_encoder.models.{kind}"}
        for at, (path, kind) in enumerate(kinds)
    ]
    _write_json(folder / "modules.json", modules)
    settings = {"pooling_strategy": "max", "activation_function": "relu", "word_embedding_dimension": None}
    _write_json(folder / "1_SpladePooling" / "config.json", settings)
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    document = {"model_type": "SparseEncoder", "prompts": {}, "default_prompt_name": None, "similarity_fn_name": "dot"}
    _write_json(folder / "config_sentence_transformers.json", document)


def _pooling(sentence: Sentence, row: Published) -> dict[str, Any]:
    modes = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens", "mean_sqrt_len": "mean_sqrt_len_tokens"}
    width = row.config.get("hidden_size") or row.config.get("dim") or row.config.get("d_model") or 768
    flags = {f"pooling_mode_{name}": mode in sentence.pooling.split("+") for mode, name in modes.items()}
    return {"word_embedding_dimension": width, **flags}


def _write_dense(folder: Path, sentence: Sentence, name: str) -> None:
    import torch
    from safetensors.torch import save_file

    assert sentence.dense is not None
    inputs, outputs = sentence.dense
    is_linear = isinstance(sentence, LinearSentence)
    function = "torch.nn.modules." + ("linear.Identity" if is_linear else "activation.Tanh")
    settings = {"in_features": inputs, "out_features": outputs, "bias": not is_linear, "activation_function": function}
    _write_json(folder / "config.json", settings)
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    weights = {"linear.weight": torch.randn(outputs, inputs, generator=generator) / inputs**0.5}
    if not is_linear:
        weights["linear.bias"] = torch.randn(outputs, generator=generator) * 0.1
    save_file(weights, folder / "model.safetensors")


def _write_json(path: Path, document: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2), encoding="utf-8")
