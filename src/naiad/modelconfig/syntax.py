"""config.pbtxt, JSON and YAML texts ⇄ the document.

Only what the text says: defaults that depend on other fields are `normalize`'s work, contradictions are `validate`'s.
Every error is InvalidConfiguration and names the text, the line or the field, and the word that was probably meant.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.core.nearest import did_you_mean
from naiad.modelconfig.schema import Document, config_class, is_map, to_document

MAX_CHARACTERS = 4 << 20
"""The largest configurations seen in the wild, ensembles of hundreds of steps, stay far below."""

MAX_ENTRIES = 4096
"""The most entries of one list, or of one map: a tensor, a group or a step takes some 0.1 ms to read."""

MAX_REASON = 300
"""Characters of protobuf's own words, which may hold a whole line of the file."""

STRING_OR_COMMENT = re.compile(r"""#.*|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"?|'[^'\\\n]*+(?:\\.[^'\\\n]*+)*+'?""")
"""Never goes back, and takes a string without an end to the end of its line: one pass, whatever is read."""
ESCAPE = re.compile(r"\\([4-7][0-7]{2}|.)")
ESCAPES = frozenset("abfnrtvxuU\\'\"01234567")
"""What may follow a backslash. protobuf in Python leaves others as they are and warns; in C++ they are errors."""

UNKNOWN_IN_TEXT = re.compile(r'Message type "(?P<type>[\w.]+)" has no field named "(?P<name>[^"]*)"')
UNKNOWN_ENUM = re.compile(r'Enum type "(?P<type>[\w.]+)" has no value named (?P<name>\S+?)\.?$')
UNKNOWN_ENUM_IN_JSON = re.compile(r"Invalid enum value (?P<name>.*) for enum type (?P<type>[\w.]+)")
FAILED_FIELD = re.compile(r"^(?:Failed to parse \w+ field: )*Failed to parse (?P<name>\w+) field: ")
PLACE = re.compile(r" at \"?ModelConfig\.(?P<path>\S+?)\"?\.*$")


def parse_pbtxt(text: str | bytes, origin: str = "config.pbtxt") -> Document:
    """Read protobuf text. Raises InvalidConfiguration: `origin:line:column: …`."""
    from google.protobuf import text_format

    _check_size(text, origin)
    text = _decode(text, origin)
    _check_escapes(text, origin)
    message = config_class()()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        line, column = error.GetLine(), error.GetColumn()
        place = origin if line is None else f"{origin}:{line}:{column}"
        reason = str(error).removeprefix(f"{line}:{column} : ")
        raise InvalidConfiguration(f"{place}: {_explain(reason)}", origin=origin, line=line, column=column) from error
    except (ValueError, OverflowError, RecursionError) as error:
        # A number too large for an enumeration leaves protobuf as Python's own error, without its place.
        raise InvalidConfiguration(f"{_place_of(str(error), text, origin)}: {_explain(str(error))}") from error
    _check_lists(message, origin)
    return to_document(message)


def parse_json(source: str | bytes | Mapping[str, Any], origin: str = "config") -> Document:
    """Read JSON text, or values that were JSON; numbers may be strings, as in the load API.

    Raises InvalidConfiguration naming the path of the field, such as `input[0].dims`.
    """
    if not isinstance(source, Mapping):
        _check_size(source, origin)
        try:
            source = json.loads(source)
        except (ValueError, RecursionError) as error:
            raise InvalidConfiguration(f"{origin}: not valid JSON: {error}", origin=origin) from error
    return _from_values(source, origin)


def parse_yaml(text: str | bytes, origin: str = "config.yaml") -> Document:
    """Read a YAML mapping with the same names. Raises InvalidConfiguration."""
    import yaml

    _check_size(text, origin)
    try:
        values = yaml.safe_load(_decode(text, origin))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidConfiguration(f"{origin}: not valid YAML: {error}", origin=origin) from error
    return _from_values({} if values is None else values, origin)


def print_pbtxt(document: Mapping[str, Any]) -> str:
    """Write a document as protobuf text; `parse_pbtxt` gives the same document back."""
    from google.protobuf import text_format

    return str(text_format.MessageToString(to_message(document), as_utf8=True))


def to_message(document: Mapping[str, Any], origin: str = "config") -> Any:
    """Make the `inference.ModelConfig` message, as the gRPC door sends it. Raises InvalidConfiguration."""
    from google.protobuf import json_format

    message = config_class()()
    check_names(message.DESCRIPTOR, document, origin)
    try:
        return json_format.ParseDict(dict(document), message)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        # ParseDict lets Python's own errors through where a value has a shape it did not think of.
        raise InvalidConfiguration(f"{origin}: {_explain(str(error))}", origin=origin) from error


def check_names(descriptor: Any, values: object, origin: str, path: str = "") -> None:
    """Raise InvalidConfiguration for the first name that the message does not have."""
    place = f"{origin}: {path}" if path else origin
    if not isinstance(values, Mapping):
        raise InvalidConfiguration(f"{place}: expected a mapping of field names, found {type(values).__name__}")
    for name, value in values.items():
        field = descriptor.fields_by_name.get(name) or descriptor.fields_by_camelcase_name.get(name)
        if field is None:
            known = list(descriptor.fields_by_name)
            raise InvalidConfiguration(f"{place}: unknown field '{name}'{_suggest(str(name), known)}", field=str(name))
        inner = f"{path}.{name}" if path else name
        if field.is_repeated and isinstance(value, Mapping | list):
            _check_entries(len(value), origin, inner)
        if field.message_type is not None:
            _check_inner(field, value, origin, inner)


def _check_inner(field: Any, value: object, origin: str, path: str) -> None:
    if is_map(field):
        side = field.message_type.fields_by_name["value"]
        if side.message_type is not None and isinstance(value, Mapping):
            for key, element in value.items():
                check_names(side.message_type, element, origin, f"{path}[{key!r}]")
    elif field.is_repeated:
        for index, element in enumerate(value if isinstance(value, list) else []):
            check_names(field.message_type, element, origin, f"{path}[{index}]")
    elif value is not None:
        check_names(field.message_type, value, origin, path)


def _from_values(values: object, origin: str) -> Document:
    if not isinstance(values, Mapping):
        raise InvalidConfiguration(
            f"{origin}: a model configuration is a mapping of field names, not a {type(values).__name__}", origin=origin
        )
    return to_document(to_message(values, origin))


def _check_size(text: str | bytes, origin: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise InvalidConfiguration(
            f"{origin}: {len(text)} characters; a model configuration may have at most {MAX_CHARACTERS}", origin=origin
        )


def _check_lists(message: Any, origin: str, path: str = "") -> None:
    """As `check_names` does before there is a message."""
    for field, value in message.ListFields():
        place = f"{path}.{field.name}" if path else field.name
        if field.is_repeated:
            _check_entries(len(value), origin, place)
        if field.message_type is not None and not is_map(field):
            for element in value if field.is_repeated else (value,):
                _check_lists(element, origin, place)


def _check_entries(count: int, origin: str, path: str) -> None:
    if count > MAX_ENTRIES:
        raise InvalidConfiguration(f"{origin}: {path} has {count} entries; there may be at most {MAX_ENTRIES}")


def _check_escapes(text: str, origin: str) -> None:
    for token in STRING_OR_COMMENT.finditer(text) if "\\" in text else ():
        for escape in ESCAPE.finditer(token[0]) if token[0][0] != "#" else ():
            if escape[1] not in ESCAPES:
                at = token.start() + escape.start()
                line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
                raise InvalidConfiguration(
                    f"{origin}:{line}:{column}: '{escape[0]}' is not an escape sequence; write a backslash as '\\\\'",
                    origin=origin, line=line, column=column,
                )  # fmt: skip


def _decode(text: str | bytes, origin: str) -> str:
    """Bytes as UTF-8, with or without a byte order mark."""
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise InvalidConfiguration(f"{origin}:{line}: not UTF-8 ({error.reason})", origin=origin, line=line) from error


def _explain(reason: str) -> str:
    """Say protobuf's reason in the words of the file, with the name that was probably meant."""
    pool = config_class().DESCRIPTOR.file.pool
    if match := UNKNOWN_IN_TEXT.search(reason):
        names = [field.name for field in pool.FindMessageTypeByName(match["type"]).fields]
        owner = match["type"].removeprefix("inference.")
        return f"unknown field '{match['name']}' in {owner}{_suggest(match['name'], names)}"
    place, reason = _split_place(reason)
    if match := UNKNOWN_ENUM.search(reason) or UNKNOWN_ENUM_IN_JSON.search(reason):
        names = [value.name for value in pool.FindEnumTypeByName(match["type"]).values]
        reason = f"unknown value '{match['name']}'{_suggest(match['name'], names)}"
    reason = textwrap.shorten(reason.replace("inference.", ""), MAX_REASON)
    return f"{place}: {reason}" if place else reason


def _place_of(reason: str, text: str, origin: str) -> str:
    """`origin:line` of the number that `reason` ends with, or `origin` where the text writes it in another way."""
    number = reason.rpartition(" ")[2]
    at = text.find(number) if number else -1
    return origin if at < 0 else f"{origin}:{text.count(chr(10), 0, at) + 1}"


def _split_place(reason: str) -> tuple[str, str]:
    """Part protobuf's JSON errors into the path of the field and what is wrong with it."""
    failed = FAILED_FIELD.search(reason)
    place = PLACE.search(reason)
    bare = PLACE.sub("", FAILED_FIELD.sub("", reason))
    if place:
        return place["path"], bare
    return (failed["name"] if failed else ""), bare


def _suggest(word: str, names: list[str]) -> str:
    return did_you_mean(word, names, f"; known: {', '.join(names)}")
