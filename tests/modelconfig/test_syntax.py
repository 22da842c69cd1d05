"""Texts ⇄ document: real files, every kind of mistake, and whatever hypothesis thinks of."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format, text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from naiad.core.errors import InvalidConfiguration
from naiad.modelconfig import parse_json, parse_pbtxt, parse_yaml, print_pbtxt, to_message
from naiad.modelconfig.schema import config_class, is_map, to_document
from naiad.modelconfig.syntax import MAX_CHARACTERS, MAX_ENTRIES

REPOSITORY = Path(__file__).parents[1] / "data" / "model_repository"
REAL = sorted(REPOSITORY.glob("*/config.pbtxt"))


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.parent.name)
def test_real_files_survive_every_syntax(path: Path) -> None:
    document = parse_pbtxt(path.read_text(), str(path))
    assert document["name"] == path.parent.name
    assert parse_pbtxt(print_pbtxt(document)) == document
    assert parse_json(json.dumps(document)) == document
    assert parse_yaml(json.dumps(document)) == document


def test_a_document_says_what_the_file_says() -> None:
    document = parse_pbtxt(
        """
        # a comment
        name: "m" backend: 'identity'
        max_batch_size: 8
        input [ { name: "x" data_type: TYPE_STRING dims: [ -1, 2 ] reshape { shape: [ -1 ] } } ]
        version_policy: { specific { versions: [ 1, 3 ] } }
        dynamic_batching {
          max_queue_delay_microseconds: 18446744073709551615
          priority_queue_policy { key: 2 value { timeout_action: DELAY default_timeout_microseconds: 5 } }
        }
        parameters: { key: "a" value: { string_value: "é\\n" } }
        metric_tags: { key: "dims" value: "7" }
        """
    )
    assert document["input"][0]["dims"] == [-1, 2]
    assert document["input"][0]["reshape"] == {"shape": [-1]}
    assert document["version_policy"] == {"specific": {"versions": [1, 3]}}
    assert document["dynamic_batching"]["max_queue_delay_microseconds"] == 2**64 - 1
    assert document["dynamic_batching"]["priority_queue_policy"]["2"] == {
        "timeout_action": "DELAY",
        "default_timeout_microseconds": 5,
        "allow_timeout_override": False,
        "max_queue_size": 0,
    }
    assert document["parameters"] == {"a": {"string_value": "é\n"}}
    assert document["metric_tags"] == {"dims": "7"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('name: "m"\nnaem: "x"', "config.pbtxt:2:1: unknown field 'naem' in ModelConfig; did you mean 'name'?"),
        ('input { nam: "x" }', "config.pbtxt:1:9: unknown field 'nam' in ModelInput; did you mean 'name'?"),
        ("zebra: 1", "config.pbtxt:1:1: unknown field 'zebra' in ModelConfig; known: name, platform, backend,"),
        (
            "input { data_type: TYPE_FLOAT32 }",
            "config.pbtxt:1:20: unknown value 'TYPE_FLOAT32'; did you mean 'TYPE_FP32'?",
        ),
        ("\n\nmax_batch_size: 99999999999", "config.pbtxt:3:17: "),
        ("\ninput { data_type: 5555555555 }", "config.pbtxt:2: Value out of range: 5555555555"),
        ("optimization { priority: -0xfffffffff }", "Value out of range"),
        ("max_batch_size: 1.5", "Couldn't parse integer: 1.5"),
        ("name: 5", "Expected string"),
        ('name: "a', "String missing ending quote"),
        ('name: "a" name: "b"', 'should not have multiple "name" fields'),
        ("dynamic_batching {} sequence_batching {}", "sequence_batching"),
        ('name: "\\xff\\xfe"', "utf-8"),
        ("input {", "config.pbtxt:1:7: "),
        ("{", "config.pbtxt:1:1: "),
    ],
)
def test_a_mistake_in_pbtxt_is_named_with_its_place(text: str, expected: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        parse_pbtxt(text)
    assert caught.value.message.startswith("config.pbtxt:")
    assert expected in caught.value.message


@pytest.mark.parametrize("wrong", [r"\d", r"\500", r"\ ", r"\\\d", r"\N{DIGIT ONE}"])
@pytest.mark.parametrize("quote", ["'", '"'])
def test_what_is_no_escape(wrong: str, quote: str) -> None:
    text = f'# it\'s no \\d "\nname: "m"\nbackend: {quote}a{wrong}b{quote}'
    with pytest.raises(InvalidConfiguration, match=r"^c:3:\d+: '\\.+' is not an escape sequence; write a backslash as"):
        parse_pbtxt(text, "c")


def test_escapes() -> None:
    text = r"""name: "a\\d\n\101\x42\u00e9\"\'" backend: 'it\'s "\\d"' """
    assert parse_pbtxt(text)["name"] == "a\\d\nAB\u00e9\"'"
    assert parse_pbtxt(text)["backend"] == 'it\'s "\\d"'


def test_the_origin_and_the_line_are_in_the_error() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        parse_pbtxt('\nfoo: "x"', "models/m/config.pbtxt")
    assert caught.value.message.startswith("models/m/config.pbtxt:2:1: ")
    assert (caught.value.detail["line"], caught.value.detail["column"]) == (2, 1)


def test_json_numbers_may_be_strings_and_names_camel_case() -> None:
    document = parse_json(
        '{"maxBatchSize": "8", "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": ["4", 2]}],'
        ' "dynamic_batching": {"preferred_batch_size": ["4"], "max_queue_delay_microseconds": "100"}}'
    )
    assert document["max_batch_size"] == 8
    assert document["input"][0]["dims"] == [4, 2]
    assert document["dynamic_batching"]["preferred_batch_size"] == [4]
    assert document["dynamic_batching"]["max_queue_delay_microseconds"] == 100


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{"max_batch_sise": 1}', "config: unknown field 'max_batch_sise'; did you mean 'max_batch_size'?"),
        ('{"input": [{"name": "a"}, {"nam": "b"}]}', "config: input[1]: unknown field 'nam'; did you mean 'name'?"),
        (
            '{"input": [{"reshape": {"shap": []}}]}',
            "config: input[0].reshape: unknown field 'shap'; did you mean 'shape'?",
        ),
        (
            '{"parameters": {"a": {"strng_value": ""}}}',
            "config: parameters['a']: unknown field 'strng_value'; did you mean 'string_value'?",
        ),
        ('{"parameters": {"a": 5}}', "config: parameters['a']: expected a mapping of field names, found int"),
        ('{"input": [{"data_type": "FP32"}]}', "config: input[0].data_type: unknown value 'FP32'"),
        ('{"max_batch_size": "x"}', "config: max_batch_size: "),
        ('{"max_batch_size": 1.5}', "config: max_batch_size: "),
        ('{"name": 5}', "config: name: "),
        ('{"dynamic_batching": 5}', "config: dynamic_batching: expected a mapping"),
        ('{"dynamic_batching": {"preserve_ordering": "true"}}', "config: dynamic_batching.preserve_ordering: "),
        ('{"dynamic_batching": {}, "sequence_batching": {}}', "scheduling_choice"),
        ("[]", "config: a model configuration is a mapping of field names, not a list"),
        ("{", "config: not valid JSON: "),
        ("[" * 100_000, "config: not valid JSON: "),
    ],
)
def test_a_mistake_in_json_is_named_with_its_path(source: str, expected: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        parse_json(source)
    assert expected in caught.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\nmax_batch_size: [", "config.yaml: not valid YAML: "),
        ("- a", "config.yaml: a model configuration is a mapping"),
        ("5: a", "config.yaml: unknown field '5'"),
        ("naem: a", "did you mean 'name'?"),
        ("name: 2020-01-01", "config.yaml: name: "),
        ("&a {name: *a}", "config.yaml: name: "),
        ("input: &a [{reshape: *a}]", "config.yaml: "),
        ("!!python/object/apply:os.getcwd []", "config.yaml: not valid YAML: "),
    ],
)
def test_a_mistake_in_yaml(text: str, expected: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        parse_yaml(text)
    assert expected in caught.value.message


def test_yaml_is_the_same_names() -> None:
    document = parse_yaml("name: a\nmax_batch_size: 8\ninput: [{name: x, data_type: TYPE_FP32, dims: [-1]}]")
    assert document == parse_json(
        {"name": "a", "max_batch_size": 8, "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [-1]}]}
    )
    assert parse_yaml("") == parse_json({})


def test_bytes_are_utf_8_with_or_without_a_mark() -> None:
    expected = parse_pbtxt('name: "é"')
    assert parse_pbtxt('name: "é"'.encode()) == expected
    assert parse_pbtxt(b"\xef\xbb\xbf" + 'name: "é"'.encode()) == expected
    assert parse_json('{"name": "é"}'.encode()) == expected
    assert parse_yaml("name: é".encode()) == expected


@pytest.mark.parametrize(
    ("parse", "place"), [(parse_pbtxt, "config.pbtxt:2: "), (parse_yaml, "config.yaml:2: "), (parse_json, "config: ")]
)
def test_bytes_that_are_no_text(parse: Any, place: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        parse(b"\n\xff\x00")
    assert caught.value.message.startswith(place)


def test_an_error_does_not_repeat_a_whole_line() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        parse_pbtxt("max_batch_size: " + "9" * 5000)
    assert len(caught.value.message) < 400


def test_texts_have_a_largest_size() -> None:
    text = "#" * (MAX_CHARACTERS + 1)
    for parse in (parse_pbtxt, parse_json, parse_yaml):
        with pytest.raises(InvalidConfiguration, match="characters"):
            parse(text)


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"input": [{}] * (MAX_ENTRIES + 1)}, "input"),
        ({"parameters": {str(number): {} for number in range(MAX_ENTRIES + 1)}}, "parameters"),
        ({"ensemble_scheduling": {"step": [{}] * (MAX_ENTRIES + 1)}}, "ensemble_scheduling.step"),
        ({"dynamic_batching": {"preferred_batch_size": [1] * (MAX_ENTRIES + 1)}}, r"batching.preferred_batch_size"),
        ({"input": [{"dims": [1] * (MAX_ENTRIES + 1)}]}, r"input\S*\.dims"),
    ],
)
def test_lists_have_a_largest_length(values: dict[str, Any], place: str) -> None:
    """20,000 instance groups took six seconds to read, in which others went slowly."""
    words = f"{place} has {MAX_ENTRIES + 1} entries; there may be at most {MAX_ENTRIES}"
    with pytest.raises(InvalidConfiguration, match=words):
        parse_json(values)
    with pytest.raises(InvalidConfiguration, match=words):
        parse_pbtxt(text_format.MessageToString(json_format.ParseDict(values, config_class()())))


# Values for a field by its protobuf type; bounded so that every one is valid.
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "bool": st.booleans(),
    "string": TEXTS,
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
}


def scalar(field: Any) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    names = {getattr(field, f"TYPE_{name.upper()}"): name for name in SCALARS}
    return SCALARS[names[field.type]]


def fill(draw: Any, message: Any) -> Any:
    """Set a drawn choice of the fields of a message, by its descriptor alone."""
    names = [field.name for field in message.DESCRIPTOR.fields]
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=6)) if names else []
    for field in map(message.DESCRIPTOR.fields_by_name.__getitem__, chosen):
        target = getattr(message, field.name)
        if is_map(field):
            key = draw(scalar(field.message_type.fields_by_name["key"]))
            side = field.message_type.fields_by_name["value"]
            if side.message_type is not None:
                fill(draw, target[key])
            else:
                target[key] = draw(scalar(side))
        elif field.is_repeated and field.message_type is not None:
            fill(draw, target.add())
        elif field.is_repeated:
            target.extend(draw(st.lists(scalar(field), max_size=3)))
        elif field.message_type is not None:
            target.SetInParent()
            fill(draw, target)
        else:
            setattr(message, field.name, draw(scalar(field)))
    return message


@st.composite
def messages(draw: Any) -> Any:
    return fill(draw, config_class()())


@given(messages())
@settings(deadline=None, max_examples=150)
def test_any_configuration_survives_every_syntax(message: Any) -> None:
    document = to_document(message)
    assert parse_pbtxt(print_pbtxt(document)) == document
    assert parse_json(json.dumps(document)) == document
    assert to_message(document) == message


WORDS = st.sampled_from(
    ["name", "input", "dims", "{", "}", "[", "]", ":", ",", '"x"', "1", "-1", "TYPE_FP32", "version_policy", "#", "\n"]
)


@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=20).map(" ".join)))
@settings(deadline=None, max_examples=200)
def test_garbage_is_refused_or_read_but_never_a_crash(text: str) -> None:
    for parse in (parse_pbtxt, parse_json, parse_yaml):
        with suppress(InvalidConfiguration):
            document = parse(text)
            assert parse_json(document) == document


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from([field.name for field in config_class().DESCRIPTOR.fields])


@given(st.dictionaries(FIELDS, VALUES, max_size=3))
@settings(deadline=None, max_examples=300)
def test_wrong_values_under_right_names_are_one_kind_of_error(values: dict[str, Any]) -> None:
    message = ""
    try:
        parse_json(values)
    except InvalidConfiguration as error:
        message = error.message
    assert not message or message.startswith("config: ")
