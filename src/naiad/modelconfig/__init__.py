"""config.pbtxt, JSON, YAML ⇄ ModelConfig: parse, `prepare`, (the backend completes), `finish`."""

from naiad.modelconfig.layout import DEFAULT_MODEL_FILENAMES, choose_versions, infer_backend, prepare
from naiad.modelconfig.normalize import GpuKind, finish, normalize
from naiad.modelconfig.servable import check_servable, fields_without_effect
from naiad.modelconfig.syntax import parse_json, parse_pbtxt, parse_yaml, print_pbtxt, to_message
from naiad.modelconfig.typed import typed_config
from naiad.modelconfig.validate import validate

__all__ = [
    "DEFAULT_MODEL_FILENAMES",
    "GpuKind",
    "check_servable",
    "choose_versions",
    "fields_without_effect",
    "finish",
    "infer_backend",
    "normalize",
    "parse_json",
    "parse_pbtxt",
    "parse_yaml",
    "prepare",
    "print_pbtxt",
    "to_message",
    "typed_config",
    "validate",
]
