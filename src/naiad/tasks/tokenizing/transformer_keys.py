"""Keys of sentence_bert_config.json that are obeyed in part, or not at all: those that change answers are refused here.

They are what sentence-transformers gives to its Transformer module, which can load the body with other settings than
config.json's, take another of its values, and prepare texts in other ways. Keys that only say how it is loaded or
computed are nobody's concern. Not here: keys that are obeyed whole (`settings.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed, Unsupported
from naiad.core.json_values import shown
from naiad.repository.checkpoint import INDEX, SINGLE, TRANSFORMER_FILES

_OF_THE_MODEL = ("config_kwargs", "config_args", "model_kwargs", "model_args")
"""Options for the config's and the model's from_pretrained, under their names in versions 6 and before."""

_LOADING = frozenset(
    {
        "trust_remote_code", "cache_dir", "cache_folder", "revision", "code_revision", "local_files_only", "token",
        "use_auth_token", "force_download", "resume_download", "proxies", "subfolder", "torch_dtype", "dtype",
        "attn_implementation", "_attn_implementation", "device", "device_map", "max_memory", "offload_folder",
        "offload_state_dict", "low_cpu_mem_usage", "use_safetensors", "use_cache", "use_flash_attn", "tp_plan",
        "use_memory_efficient_attention", "unpad_inputs", "add_pooling_layer", "backend", "file_name", "export",
        "provider", "provider_options", "session_options",
    }
)  # fmt: skip
"""Options that say where to load from and how to compute; sentence-transformers itself puts some of them right."""

_USUAL = {
    "padding": (True, "longest", "max_length"),
    "truncation": (True, "longest_first"),
    "add_special_tokens": (True,),
    "return_tensors": ("pt", "np"),
}
"""Options of calling a tokenizer → values that change nothing."""

_CALLING = frozenset({"max_length", "pad_to_multiple_of", "padding_side", "logits_to_keep", "return_attention_mask"})
"""Options of calling a tokenizer that are obeyed, or change nothing."""

_STATES: tuple[Any, ...] = (
    None, "last_hidden_state", ["last_hidden_state"], ["hidden_states", -1], "logits", ["logits"],
)  # fmt: skip
"""Values of a body's forward that Naiad takes, too."""


def refuse_keys(folder: Path, values: Mapping[str, Any], config: Mapping[str, Any] | None) -> None:
    """Raise Unsupported naming the first key of a body's settings that changes answers and is not obeyed.

    config: config.json, whose own values may be repeated; None where the body has ONNX files alone, which hold all that
    is said of the model. Raises LoadFailed for options that are no objects.
    """
    path = next((folder / name for name in TRANSFORMER_FILES if (folder / name).is_file()), folder)
    if config is not None:
        for key in _OF_THE_MODEL:
            for name, value in _object(path, key, values.get(key)).items():
                if name not in _LOADING and (name not in config or config[name] != value):
                    advice = "write it into config.json, if the model is to be run so, and remove it from this file"
                    raise _refusal(path, f"{key}.{name}", value, advice)
        _refuse_modality(path, _object(path, "modality_config", values.get("modality_config")))
    _refuse_processing(path, _object(path, "processing_kwargs", values.get("processing_kwargs")))
    if values.get("tokenizer_name_or_path"):
        advice = "copy that tokenizer's files into the folder and remove the key"
        raise _refusal(path, "tokenizer_name_or_path", values["tokenizer_name_or_path"], advice)


def has_safetensors(folder: Path) -> bool:
    """Whether a body has weights to make a graph of."""
    return any((folder / name).is_file() for name in (SINGLE, INDEX))


def text_max_length(values: Mapping[str, Any]) -> int | None:
    """Tokens of the longest text where the tokenizer is called with a limit; it wins over all others."""
    return _length("processing_kwargs.text.max_length", (_processing(values).get("text") or {}).get("max_length"))


def kind_length(values: Mapping[str, Any], kind: str) -> int | None:
    """Tokens of the longest text of a kind, query or document, special ones included; None for the model's."""
    return _length(f"{kind}_length", values.get(f"{kind}_length"))


def _processing(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return values.get("processing_kwargs") or {}


def _refuse_modality(path: Path, modalities: Mapping[str, Any]) -> None:
    """What of the body's values is taken for texts; what is for images is for whoever prepares those."""
    entry = _object(path, "modality_config.text", modalities.get("text"))
    output = entry.get("method_output_name")
    if entry.get("method", "forward") == "forward" and output not in _STATES:
        advice = (
            "Naiad takes last_hidden_state, or a classifier's logits; export the whole model to ONNX with the output "
            "sentence_embedding, and serve that folder without the safetensors"
        )
        raise _refusal(path, "modality_config.text.method_output_name", output, advice)
    if modalities and "text" not in modalities and "message" in modalities:
        advice = "Naiad takes texts, not messages of a chat; export the whole model to ONNX"
        raise _refusal(path, "modality_config.message", modalities["message"], advice)


def _refuse_processing(path: Path, processing: Mapping[str, Any]) -> None:
    for part in ("common", "text", "image"):
        for name, value in _object(path, f"processing_kwargs.{part}", processing.get(part)).items():
            is_obeyed = part == "text" and name in _CALLING
            if not is_obeyed and value not in _USUAL.get(name, (None,)):
                advice = (
                    "write it into preprocessor_config.json, and remove it from this file"
                    if part == "image"
                    else "remove it; of such options only text.max_length is obeyed"
                )
                raise _refusal(path, f"processing_kwargs.{part}.{name}", value, advice)


def _object(path: Path, key: str, value: Any) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise LoadFailed(f"{path}: {key} is {shown(value)}, an object is expected", path=str(path))
    return value or {}


def _length(key: str, value: Any) -> int | None:
    if value is not None and (type(value) is not int or value < 1):
        raise LoadFailed(f"{key} is {shown(value)}, a whole number of at least 1 is expected")
    return value


def _refusal(path: Path, key: str, value: Any, advice: str) -> Unsupported:
    return Unsupported(f"{path}: {key} is {shown(value)}, which changes answers and is not obeyed: {advice}", key=key)
