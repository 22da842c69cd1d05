"""Which tokenizer class a checkpoint has: the rules of transformers' AutoTokenizer, from the two configs alone.

A class is chosen even where tokenizer.json exists, because most classes take no more than the vocabulary from it and
build the rest from tokenizer_config.json. Pure; what the classes do is in `families/`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from naiad.core.errors import LoadFailed
from naiad.tasks.tokenizing.declared.names import ALIASES, GENERIC, MISDECLARED_TYPES, MODEL_TYPE_CLASS, REFUSED

SAVE_AS_FILE = (
    "if transformers can load it, save it with "
    'AutoTokenizer.from_pretrained(...).save_pretrained(...) and set "tokenizer_class": "PreTrainedTokenizerFast" in '
    "its tokenizer_config.json"
)


def choose_class(
    config: Mapping[str, Any], tokenizer_config: Mapping[str, Any], built: Collection[str], is_byte_level: bool
) -> str:
    """The class of transformers 5 that splits this checkpoint's text.

    config: config.json. built: classes that we have. is_byte_level: tokenizer.json speaks of ByteLevel. Raises
    LoadFailed for custom code, and for classes that transformers has and we have not.
    """
    own = _text(tokenizer_config.get("tokenizer_class"))
    declared = own or _text(config.get("tokenizer_class"))
    model_type = _text(config.get("model_type"))
    registered = MODEL_TYPE_CLASS.get(model_type, "")
    is_misdeclared = model_type in MISDECLARED_TYPES or config.get("model_name") in MISDECLARED_TYPES
    custom = _custom_code(tokenizer_config)
    if custom and not registered and _resolve(own, built) is None:
        raise LoadFailed(
            f"the tokenizer is code of its own ({custom} in tokenizer_config.json), which Naiad does not run; "
            f"{SAVE_AS_FILE}",
            tokenizer_class=declared,
        )
    if not custom and declared:
        if _bare(declared) == "LlamaTokenizer" and is_byte_level and not is_misdeclared:
            return GENERIC
        if registered and _bare(registered) != _bare(declared):
            chosen = registered if is_misdeclared else declared
            found = _resolve(chosen, built) if registered != GENERIC else None
            return _supported(found or GENERIC, built)
    return _supported(_resolve(_bare(declared) or registered, built) or GENERIC, built)


def is_silent(config: Mapping[str, Any], tokenizer_config: Mapping[str, Any]) -> bool:
    """Whether neither config names a class, nor a family of models that has one."""
    declares = any(each.get("tokenizer_class") or each.get("auto_map") for each in (tokenizer_config, config))
    return not declares and _text(config.get("model_type")) not in MODEL_TYPE_CLASS


def _supported(name: str, built: Collection[str]) -> str:
    if name in built:
        return name
    reason = REFUSED.get(name, "Naiad does not know it")
    raise LoadFailed(f"the tokenizer class {name} cannot be used: {reason}; {SAVE_AS_FILE}", tokenizer_class=name)


def _resolve(name: str, built: Collection[str]) -> str | None:
    """The class's name in transformers 5; None where transformers does not have it."""
    candidates = (ALIASES.get(one, one) for one in (name, _bare(name)))
    return next((one for one in candidates if one in built or one in REFUSED), None)


def _bare(name: str) -> str:
    return name.removesuffix("Fast")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _custom_code(tokenizer_config: Mapping[str, Any]) -> str:
    """The checkpoint's own class, where tokenizer_config.json asks for one; else empty."""
    value = tokenizer_config.get("auto_map")
    if isinstance(value, dict):
        value = value.get("AutoTokenizer")
    if isinstance(value, list):
        value = next((str(one) for one in reversed(value) if one), "")
    return _text(value)
