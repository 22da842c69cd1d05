#!/usr/bin/env python3
"""Make the descriptor module beside each .proto file, without protoc.

Reads the part of the language that our files use (messages, enums, oneofs, maps, services, imports, comments; of proto2
`optional` and `[packed = true]`) and nothing more; an unknown word is an error with its line. `--check` writes nothing
and fails when a module is out of date.
"""

from __future__ import annotations

import base64
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "src/naiad/proto"
SOURCES = ("model_config.proto", "grpc_service.proto", "onnx.proto")
"""Files of the folder; one that is imported stands before those that import it."""

TOKEN = re.compile(r"\s+|//[^\n]*|(?P<word>[A-Za-z_][\w.]*|\d+|\"[^\"]*\"|[{}()<>\[\]=,;])")
SCALARS = {
    name: FieldDescriptorProto.Type.Value(f"TYPE_{name.upper()}")
    for name in ("double", "float", "int32", "int64", "uint32", "uint64", "bool", "string", "bytes")
}


Kind = FieldDescriptorProto.Type.ValueType


@dataclass
class Parser:
    """A cursor over the words of one file."""

    words: list[tuple[str, int]]
    place: int = 0
    unresolved: list[tuple[FieldDescriptorProto, str]] = field(default_factory=list)
    kinds: dict[str, Kind] = field(default_factory=dict)
    """TYPE_MESSAGE or TYPE_ENUM by full name."""

    def take(self, expected: str = "") -> str:
        """Step over the next word, which must be `expected` if given."""
        word, line = self.words[self.place]
        if expected and word != expected:
            raise SystemExit(f"line {line}: expected '{expected}', found '{word}'")
        self.place += 1
        return word

    def peek(self) -> str:
        """The next word."""
        return self.words[self.place][0]

    def number(self) -> int:
        """Read `= 7;`."""
        self.take("=")
        value = int(self.take())
        self.take(";")
        return value


def words(text: str) -> Iterator[tuple[str, int]]:
    """Every word of the text with its line number."""
    place = 0
    while place < len(text):
        match = TOKEN.match(text, place)
        line = text.count("\n", 0, place) + 1
        if match is None:
            raise SystemExit(f"line {line}: cannot read {text[place : place + 10]!r}")
        if match["word"]:
            yield match["word"], line
        place = match.end()


def parse_file(name: str, text: str, known: dict[str, Kind]) -> FileDescriptorProto:
    """The descriptor that protoc makes of the same text; `known` has the types of earlier files and gets this one's."""
    parser = Parser([*words(text), ("", 0)], kinds=known)
    file = FileDescriptorProto(name=name)
    while word := parser.take():
        if word == "syntax":
            parser.take("=")
            syntax = parser.take().strip('"')
            if syntax != "proto2":  # which a descriptor does not name
                file.syntax = syntax
            parser.take(";")
        elif word == "package":
            file.package = parser.take()
            parser.take(";")
        elif word == "import":
            file.dependency.append(parser.take().strip('"'))
            parser.take(";")
        elif word == "service":
            parse_service(parser, file.service.add(), file.package)
        elif word == "enum":
            parse_enum(parser, file.enum_type.add(), file.package)
        elif word == "message":
            parse_message(parser, file.message_type.add(), file.package)
        else:
            raise SystemExit(f"{name}: '{word}' is not understood at the top of a file")
    resolve(parser, file.package)
    return file


def parse_service(parser: Parser, service: ServiceDescriptorProto, package: str) -> None:
    """Read `Name { rpc Method(stream Request) returns (stream Response); … }`."""
    service.name = parser.take()
    parser.take("{")
    while (word := parser.take()) != "}":
        if word != "rpc":
            raise SystemExit(f"service {service.name}: '{word}' is not understood")
        method = service.method.add(name=parser.take())
        method.client_streaming, method.input_type = parse_side(parser, package)
        parser.take("returns")
        method.server_streaming, method.output_type = parse_side(parser, package)
        if not method.client_streaming:
            method.ClearField("client_streaming")
        if not method.server_streaming:
            method.ClearField("server_streaming")
        parser.take(";")


def parse_side(parser: Parser, package: str) -> tuple[bool, str]:
    """Read `(Message)` or `(stream Message)`: whether it is a stream, and of what."""
    parser.take("(")
    word = parser.take()
    is_stream = word == "stream"
    name = parser.take() if is_stream else word
    parser.take(")")
    return is_stream, f".{package}.{name}"


def parse_enum(parser: Parser, enum: EnumDescriptorProto, scope: str) -> None:
    """Read `Name { VALUE = 0; … }`."""
    enum.name = parser.take()
    parser.kinds[f"{scope}.{enum.name}"] = FieldDescriptorProto.TYPE_ENUM
    parser.take("{")
    while (word := parser.take()) != "}":
        enum.value.add(name=word, number=parser.number())


def parse_message(parser: Parser, message: DescriptorProto, scope: str) -> None:
    """Read `Name { … }`."""
    message.name = parser.take()
    full_name = f"{scope}.{message.name}"
    parser.kinds[full_name] = FieldDescriptorProto.TYPE_MESSAGE
    parser.take("{")
    while (word := parser.take()) != "}":
        if word == "enum":
            parse_enum(parser, message.enum_type.add(), full_name)
        elif word == "message":
            parse_message(parser, message.nested_type.add(), full_name)
        elif word == "oneof":
            parse_oneof(parser, message)
        elif word == "map":
            parse_map(parser, message, full_name)
        else:
            parse_field(parser, message, word)


def parse_field(parser: Parser, message: DescriptorProto, word: str) -> FieldDescriptorProto:
    """Read `[repeated | optional] type name = 7 [packed = true];`, whose first word has been taken."""
    field = message.field.add(label=FieldDescriptorProto.LABEL_OPTIONAL)
    if word in ("repeated", "optional"):
        if word == "repeated":
            field.label = FieldDescriptorProto.LABEL_REPEATED
        word = parser.take()
    set_type(parser, field, word)
    field.name = parser.take()
    parser.take("=")
    field.number = int(parser.take())
    if parser.peek() == "[":
        for expected in ("[", "packed", "=", "true", "]"):
            parser.take(expected)
        field.options.packed = True
    parser.take(";")
    return field


def parse_oneof(parser: Parser, message: DescriptorProto) -> None:
    """Read `name { fields }`."""
    index = len(message.oneof_decl)
    message.oneof_decl.add(name=parser.take())
    parser.take("{")
    while (word := parser.take()) != "}":
        parse_field(parser, message, word).oneof_index = index


def parse_map(parser: Parser, message: DescriptorProto, full_name: str) -> None:
    """Read `<key, value> name = 7;`: a repeated message of key and value, as the language defines it."""
    parser.take("<")
    key = parser.take()
    parser.take(",")
    value = parser.take()
    parser.take(">")
    name = parser.take()
    entry = message.nested_type.add(name="".join(part.capitalize() for part in name.split("_")) + "Entry")
    entry.options.map_entry = True
    parser.kinds[f"{full_name}.{entry.name}"] = FieldDescriptorProto.TYPE_MESSAGE
    for number, (side, kind) in enumerate((("key", key), ("value", value)), start=1):
        side_field = entry.field.add(name=side, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        set_type(parser, side_field, kind)
    field = message.field.add(name=name, label=FieldDescriptorProto.LABEL_REPEATED, number=parser.number())
    field.type = FieldDescriptorProto.TYPE_MESSAGE
    field.type_name = f".{full_name}.{entry.name}"


def set_type(parser: Parser, field: FieldDescriptorProto, word: str) -> None:
    """A scalar at once; a name when the whole file is known."""
    if word in SCALARS:
        field.type = SCALARS[word]
    else:
        parser.unresolved.append((field, word))


def resolve(parser: Parser, package: str) -> None:
    """Give every named type its full name; ours are written from the package down."""
    for unresolved, name in parser.unresolved:
        full_name = f"{package}.{name}"
        if full_name not in parser.kinds:
            raise SystemExit(f"field '{unresolved.name}': no type named '{name}'; write it from the package down")
        unresolved.type = parser.kinds[full_name]
        unresolved.type_name = f".{full_name}"


def module(source: str, text: str, known: dict[str, Kind]) -> str:
    """The generated module."""
    serialized = parse_file(source, text, known).SerializeToString(deterministic=True)
    lines = textwrap.wrap(base64.b64encode(serialized).decode(), 110)
    body = "\n".join(f'    b"{line}"' for line in lines)
    return (
        f'"""Generated by tools/generate_descriptors.py from {source}; do not edit."""\n\n'
        f"SERIALIZED_BASE64 = (\n{body}\n)\n"
    )


def main(arguments: list[str]) -> int:
    """Write, or with --check compare, every module of SOURCES."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: tools/generate_descriptors.py [--check]\n")
        return 2
    stale = 0
    known: dict[str, Kind] = {}
    for source in SOURCES:
        text = module(source, (ROOT / FOLDER / source).read_text(), known)
        target = f"{FOLDER}/{source.removesuffix('.proto')}_descriptor.py"
        path = ROOT / target
        if path.exists() and path.read_text() == text:
            continue
        stale += 1
        if arguments:
            sys.stderr.write(f"{target} is out of date: run tools/generate_descriptors.py\n")
        else:
            path.write_text(text)
    return 1 if arguments and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
