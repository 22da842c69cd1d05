"""A Hugging Face checkpoint's folder and what its files say of it; never its weights' content, never code."""

from naiad.repository.checkpoint.checkpoint import (
    INDEX,
    MODEL2VEC,
    PYLATE,
    SINGLE,
    STANFORD,
    TRANSFORMER_FILES,
    Checkpoint,
    read_transformer_settings,
)
from naiad.repository.checkpoint.config_file import CONFIG, read_config
from naiad.repository.checkpoint.json_files import read_object
from naiad.repository.checkpoint.modules import Module, inside
from naiad.repository.checkpoint.routes import Routes

__all__ = [
    "CONFIG",
    "INDEX",
    "MODEL2VEC",
    "PYLATE",
    "SINGLE",
    "STANFORD",
    "TRANSFORMER_FILES",
    "Checkpoint",
    "Module",
    "Routes",
    "inside",
    "read_config",
    "read_object",
    "read_transformer_settings",
]
