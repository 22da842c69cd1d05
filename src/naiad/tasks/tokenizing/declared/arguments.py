"""The arguments that a checkpoint's files give to its tokenizer class, put together as transformers 5 does.

tokenizer_config.json is the base; special_tokens_map.json, added_tokens.json and the added tokens of tokenizer.json
count only where it has no added_tokens_decoder of its own. Pure reading; the vocabulary is read in `vocabulary.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from naiad.repository.checkpoint import read_object

ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
"""Roles of special tokens, in the order in which transformers adds them to a vocabulary."""

ROLE_KEYS = tuple(f"{role}_token" for role in ROLES)


@dataclass(slots=True)
class Arguments:
    """Everything that a tokenizer class is given; added tokens are `tokenizers.AddedToken`."""

    options: dict[str, Any]
    """tokenizer_config.json and what was merged into it."""
    added: dict[int, Any] = field(default_factory=dict)
    """Added tokens by number."""
    vocabulary: Any = None
    """Token → number for WordPiece and BPE, [(piece, score)] for Unigram."""
    merges: Any = field(default_factory=list)
    """BPE's pairs of tokens, most important first."""
    charsmap: bytes | None = None
    """sentencepiece's table of replacements."""
    post_processor: Any = None
    """The one in tokenizer.json."""
    whole: Any = None
    """A complete `tokenizers.Tokenizer`, for classes that take the file as it is."""
    controls: list[Any] | None = None
    """Control and user-defined pieces of a sentencepiece model; None without one."""

    def get(self, name: str, otherwise: Any = None) -> Any:
        """An option, or `otherwise` where the files do not name it."""
        return self.options.get(name, otherwise)


def read_arguments(
    folder: Path, tokenizer_config: Mapping[str, Any], overrides: Mapping[str, Any], tokenizer_file: Mapping[str, Any]
) -> Arguments:
    """Options and added tokens of the checkpoint in `folder`; the vocabulary is not filled in yet.

    overrides: win over the config. tokenizer_file: tokenizer.json, empty where there is none. Raises LoadFailed for
    files that are not JSON objects, TypeError and ValueError for tokens that are none.
    """
    options = {key: value for key, value in tokenizer_config.items() if key not in ("tokenizer_class", "init_inputs")}
    if tokenizer_file:
        options.pop("add_bos_token", None)
        options.pop("add_eos_token", None)
    options.update(overrides)
    if "additional_special_tokens" in options and not options.get("extra_special_tokens"):
        options["extra_special_tokens"] = options.pop("additional_special_tokens")
    options = {key: _with_tokens(value) for key, value in options.items()}
    written = options.pop("added_tokens_decoder", None)
    if written is not None:
        added = {int(number): _token(token) for number, token in written.items()}
    else:
        _merge_special_tokens(options, read_object(folder / "special_tokens_map.json"), overrides)
        added = _added_tokens(options, read_object(folder / "added_tokens.json"), tokenizer_file)
    by_content = {str(token.content): token for token in added.values()}
    for key in ROLE_KEYS:
        value = options.get(key)
        if isinstance(value, dict):
            options[key] = value = _token(value)
        if value is not None:
            options[key] = by_content.get(content(value), value)
    return Arguments(options, added)


def content(token: Any) -> str:
    """How a token is written, whether it is a string or an added token."""
    return str(getattr(token, "content", token))


def _merge_special_tokens(options: dict[str, Any], table: Mapping[str, Any], overrides: Mapping[str, Any]) -> None:
    """special_tokens_map.json over the options."""
    for key, value in table.items():
        if overrides.get(key):
            continue
        if key == "extra_special_tokens" and isinstance(value, list):
            known = list(options.get(key) or [])
            options[key] = known + [token for token in map(_special, value) if token not in known]
        elif isinstance(value, dict) and key != "extra_special_tokens":
            options[key] = _special(value)
        elif isinstance(value, list):
            options[key] = [_special(one) for one in value]
        else:
            options[key] = value


def _added_tokens(
    options: Mapping[str, Any], numbers: Mapping[str, Any], tokenizer_file: Mapping[str, Any]
) -> dict[int, Any]:
    """The added tokens of added_tokens.json and tokenizer.json, by number."""
    from tokenizers import AddedToken

    special = {content(options[key]) for key in ROLE_KEYS if options.get(key)}
    special |= {content(token) for token in options.get("extra_special_tokens") or ()}
    added = {
        int(number): AddedToken(token, normalized=token not in special, special=token in special)
        for token, number in numbers.items()
    }
    for token in tokenizer_file.get("added_tokens") or ():
        added[int(token["id"])] = _token({key: value for key, value in token.items() if key != "id"})
    return added


def _with_tokens(value: Any) -> Any:
    """The value with every object that is marked as an added token made into one."""
    if isinstance(value, dict):
        if value.get("__type") == "AddedToken":
            return _token(value)
        return {key: _with_tokens(one) for key, one in value.items()}
    return [_with_tokens(one) for one in value] if isinstance(value, list) else value


def _special(value: Any) -> Any:
    return _token({**value, "special": True}) if isinstance(value, dict) else value


def _token(value: Any) -> Any:
    """An `AddedToken` from the object that describes it."""
    from tokenizers import AddedToken

    if isinstance(value, dict):
        return AddedToken(**{key: one for key, one in value.items() if key != "__type"})
    if isinstance(value, AddedToken):
        return value
    raise TypeError(f"an added token must be an object with `content`, not {value!r}")
