"""What a tokenizer class is: its special tokens, how its parts are made, which frame it puts around texts.

A class of transformers 5 is a row (`table.py`) of this dataclass; the makers of parts are in the files beside it, one
for each kind of vocabulary. What all classes do alike, adding tokens and framing, is `finish`, the rules of
transformers' `TokenizersBackend.__init__`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from naiad.core.errors import LoadFailed
from naiad.tasks.tokenizing.declared.arguments import ROLE_KEYS, ROLES, Arguments, content

Named = dict[str, Any]
"""Special tokens by role (cls, sep …), strings or added tokens; roles without a token are absent."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Special tokens around a text and a pair: templates of the library with {role} for special tokens.

    `roberta` is RobertaProcessing, which also trims offsets.
    """

    single: str = ""
    pair: str = ""
    roberta: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """One tokenizer class."""

    model: str
    """Kind of vocabulary: WordPiece, BPE, Unigram; empty where the files decide."""
    files: tuple[str, ...] = ()
    """Vocabulary files that it reads where tokenizer.json is missing."""
    make: Callable[[Arguments, Named], Any] | None = None
    """A `tokenizers.Tokenizer` of the vocabulary, without added tokens and frame; None: tokenizer.json as it is."""
    tokens: Mapping[str, str | None] = field(default_factory=dict)
    """Default special tokens by role."""
    flags: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    """Keyed by role: how a special token matches that is written as a plain string."""
    frame: Frame | Callable[[Any, Arguments, Named], Any] | None = None
    """Put around texts after everything else; None: what tokenizer.json or the options say."""
    first_frame: Frame | None = None
    """Put around texts where tokenizer.json says nothing."""
    further: Callable[[Arguments], list[Any]] | None = None
    """Further special tokens, where the options name none."""
    reorder: Callable[[Arguments, Named], Any] | None = None
    """The vocabulary of a sentencepiece model as this class numbers it."""
    takes_file: bool = False
    """Whether tokenizer.json is taken as it is, and the parts are made only without it."""
    is_code: bool = False
    """Whether it is Python code in transformers: tokenizer.json is not read, and pairs are cut by other rules."""
    type_ids: bool = False
    """Whether its models are given token type ids, unless `model_input_names` says otherwise."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Options that the class does not let the files decide."""
    after: Callable[[Any, list[str]], None] | None = None
    """What is changed last; it gets the tokenizer and all its special tokens."""
    max_tokens: int | None = None
    """Longest input where the files name none."""


def named_tokens(family: Family, arguments: Arguments) -> Named:
    """The special tokens of a checkpoint by role, in the order of the roles."""
    from tokenizers import AddedToken

    named: Named = {}
    for role, key in zip(ROLES, ROLE_KEYS, strict=True):
        token = arguments.get(key, family.tokens.get(role))
        if isinstance(token, str) and role in family.flags:
            token = AddedToken(token, **family.flags[role])
        if token is not None and not isinstance(token, str | AddedToken):
            raise TypeError(f"{key} must be a token, not {token!r}")
        if token is not None:
            named[role] = token
    return named


def finish(family: Family, arguments: Arguments, rust: Any, named: Named) -> Any:
    """Give a tokenizer its added tokens and its frame."""
    rust.no_truncation()
    rust.no_padding()
    if family.first_frame is not None:
        rust.post_processor = _processor(family.first_frame, rust, named)
    if arguments.post_processor is not None:
        rust.post_processor = arguments.post_processor
    rust.encode_special_tokens = arguments.get("split_special_tokens") is True
    asks_for_ends = "add_bos_token" in arguments.options or "add_eos_token" in arguments.options
    _add_tokens(family, arguments, rust, named)
    if asks_for_ends or rust.post_processor is None:
        rust.post_processor = frame_ends(rust, arguments, named)
    if isinstance(family.frame, Frame):
        rust.post_processor = _processor(family.frame, rust, named)
    elif family.frame is not None:
        rust.post_processor = family.frame(rust, arguments, named)
    if family.after is not None:
        extra, own = extra_tokens(family, arguments)
        family.after(rust, [content(token) for token in (*named.values(), *own.values(), *extra)])
    return rust


def token_id(rust: Any, named: Named, token: Any) -> int:
    """A token's number, that of the unknown token where the vocabulary does not have it.

    Raises LoadFailed where it has neither.
    """
    found: int | None = rust.token_to_id(content(token))
    if found is None and "unk" in named:
        found = rust.token_to_id(content(named["unk"]))
    if found is None:
        raise LoadFailed(f"the vocabulary has no special token {content(token)}")
    return found


def extra_tokens(family: Family, arguments: Arguments) -> tuple[list[Any], dict[str, Any]]:
    """Special tokens without a role, and those with a name of the checkpoint's own."""
    options = arguments.options
    own = {key: value for key, value in options.items() if key.endswith("_token") and key not in ROLE_KEYS}
    named = {key: value for key, value in own.items() if isinstance(value, str) or hasattr(value, "content")}
    extra = options.get("extra_special_tokens")
    if isinstance(extra, dict):
        named |= {key: value for key, value in extra.items() if isinstance(value, str) or hasattr(value, "content")}
    if isinstance(extra, dict) or "extra_special_tokens" not in options:
        written = options.get("additional_special_tokens") if arguments.controls is None else arguments.controls
        extra = family.further(arguments) if family.further is not None else written
    return list(extra or ()), named


def _add_tokens(family: Family, arguments: Arguments, rust: Any, named: Named) -> None:
    from tokenizers import AddedToken

    existing = rust.get_added_tokens_decoder()
    known = {repr(token) for token in existing.values()}
    wanted = [token for _, token in sorted(arguments.added.items()) if repr(token) not in known]
    written = {content(token) for token in [*existing.values(), *wanted]}
    extra, own = extra_tokens(family, arguments)
    special = [*named.values(), *own.values()]
    for token in [*special, *extra]:
        if content(token) not in written and token not in wanted:
            wanted.append(token)
    names = {content(token) for token in special}
    tokens = []
    for token in wanted:
        made = AddedToken(token, special=True) if isinstance(token, str) else token
        if not made.special and made.content in names:
            made.special = True
        tokens.append(_unnormalized(made) if family.is_code else made)
    if tokens:
        rust.add_tokens(tokens)


def _unnormalized(token: Any) -> Any:
    """The token, looked for in the text as it comes."""
    from tokenizers import AddedToken

    flags = {name: getattr(token, name) for name in ("single_word", "lstrip", "rstrip", "special")}
    return AddedToken(token.content, normalized=False, **flags)


def frame_ends(rust: Any, arguments: Arguments, named: Named) -> Any:
    """Begin and end tokens as `add_bos_token` and `add_eos_token` ask for them."""
    from tokenizers.processors import TemplateProcessing

    bos, eos = (
        content(named[role]) if role in named and arguments.get(f"add_{role}_token", False) else ""
        for role in ("bos", "eos")
    )
    single = f"{bos + ':0 ' if bos else ''}$A:0{' ' + eos + ':0' if eos else ''}"
    pair = f"{single}{' ' + bos + ':1' if bos else ''} $B:1{' ' + eos + ':1' if eos else ''}"
    tokens = [(token, token_id(rust, named, token)) for token in (bos, eos) if token]
    return TemplateProcessing(single=single, pair=pair, special_tokens=tokens)


def _processor(frame: Frame, rust: Any, named: Named) -> Any:
    from tokenizers.processors import RobertaProcessing, TemplateProcessing

    texts = {role: content(token) for role, token in named.items()}
    used = [role for role in texts if "{" + role + "}" in frame.single + frame.pair]
    tokens = list(dict.fromkeys((texts[role], token_id(rust, named, texts[role])) for role in used))
    if frame.roberta:
        numbers = dict(tokens)
        sep, cls = texts["sep"], texts["cls"]
        return RobertaProcessing((sep, numbers[sep]), (cls, numbers[cls]), True, False)
    return TemplateProcessing(
        single=frame.single.format(**texts), pair=frame.pair.format(**texts), special_tokens=tokens
    )
