"""What headers say to gRPC: timeouts, encodings, and what is refused before it begins."""

from __future__ import annotations

from urllib.parse import unquote

import hpack
import pytest
from peer import REQUEST

from naiad.wire.grpc.http2.rpc.answers import STATUS, trailers, trailers_only
from naiad.wire.grpc.http2.rpc.head import RpcHead, interpret


def head(*changes: tuple[bytes, bytes]) -> RpcHead:
    names = {name for name, _ in changes}
    return interpret([*(field for field in REQUEST if field[0] not in names), *changes])


def decoded(block: bytes) -> dict[str, str]:
    return {str(name): str(value) for name, value in hpack.Decoder().decode(block)}


def test_a_plain_request() -> None:
    plain = head((b"x-id", b"7"), (b"x-many", b"1"), (b"x-many", b"2"), (b"raw-bin", b"AAE="))
    assert plain == RpcHead(
        "/s/m",
        {"te": "trailers", "content-type": "application/grpc", "x-id": "7", "x-many": "1,2", "raw-bin": "AAE="},
        timeout_s=None,
        wbits=0,
        content_bytes=-1,
        refusal=b"",
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1H", 3600.0),
        ("2M", 120.0),
        ("3S", 3.0),
        ("40m", 0.04),
        ("50u", 5e-5),
        ("60n", 6e-8),
        ("0n", 0.0),
        ("99999999S", 99999999.0),
    ],
)
def test_timeouts(value: str, expected: float) -> None:
    assert head((b"grpc-timeout", value.encode())).timeout_s == pytest.approx(expected)


@pytest.mark.parametrize("value", ["", "1", "S", "-1S", "1.5S", "1s", "123456789S", "1S "])
def test_malformed_timeouts(value: str) -> None:
    answer = decoded(head((b"grpc-timeout", value.encode())).refusal)
    assert (answer["grpc-status"], unquote(answer["grpc-message"])) == ("13", f"malformed grpc-timeout: {value}")


@pytest.mark.parametrize("message", ["ends with a space. ", "  ", " begins with one", "Größe %41"])
def test_messages_arrive_as_they_were(message: str) -> None:
    sent = decoded(trailers("INTERNAL", message))["grpc-message"]
    assert (unquote(sent), sent.strip()) == (message, sent)


@pytest.mark.parametrize(("encoding", "wbits"), [("gzip", 31), ("deflate", 15), ("identity", 0)])
def test_encodings(encoding: str, wbits: int) -> None:
    known = head((b"grpc-encoding", encoding.encode()))
    assert (known.wbits, known.refusal) == (wbits, b"")


def test_an_unknown_encoding_is_answered_with_those_we_know() -> None:
    answer = decoded(head((b"grpc-encoding", b"br")).refusal)
    assert (answer["grpc-status"], answer["grpc-accept-encoding"]) == ("12", "identity,deflate,gzip")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/grpc", None),
        ("application/grpc+proto", None),
        ("application/grpc;charset=utf-8", None),
        ("application/grpc-web", "415"),
        ("application/json", "415"),
        ("", "415"),
    ],
)
def test_content_types(content_type: str, status: str | None) -> None:
    refusal = head((b"content-type", content_type.encode())).refusal
    assert decoded(refusal).get(":status") == status


@pytest.mark.parametrize(
    "fields",
    [
        {b":method": b"OPTIONS", b"content-type": b"", b"access-control-request-method": b"POST"},
        {b"content-type": b"text/plain;charset=UTF-8"},
        {b"content-type": b"application/x-www-form-urlencoded"},
        {b"content-type": b"application/grpc-web-text"},
    ],
)
def test_what_a_browser_can_send_is_no_call(fields: dict[bytes, bytes]) -> None:
    """A page may send `application/grpc` only after asking, and nobody lets it."""
    refusal = head(*fields.items(), (b"origin", b"https://evil.example")).refusal
    answer = decoded(refusal)
    assert answer[":status"] in ("405", "415")
    assert not [name for name in answer if name.startswith("access-control")]


def test_only_post() -> None:
    answer = decoded(head((b":method", b"GET")).refusal)
    assert (answer[":status"], answer["allow"]) == ("405", "POST")


@pytest.mark.parametrize(("lengths", "expected"), [(["5"], 5), (["5", "5"], 5), (["5", "6"], 0)])
def test_content_length(lengths: list[str], expected: int) -> None:
    assert head(*((b"content-length", one.encode()) for one in lengths)).content_bytes == expected


def test_status_numbers_are_those_of_grpc() -> None:
    import grpc

    assert {name: code.value[0] for name, code in grpc.StatusCode.__members__.items()} == STATUS


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("plain, with: {signs} ~", "plain, with: {signs} ~"),
        ("100 %", "100 %25"),
        ("line\nbreak", "line%0Abreak"),
        ("größer", "gr%C3%B6%C3%9Fer"),
        ("", None),
    ],
)
def test_messages_are_percent_encoded(message: str, expected: str | None) -> None:
    block = decoded(trailers("NOT_FOUND", message))
    assert (block["grpc-status"], block.get("grpc-message")) == ("5", expected)


def test_a_long_message_is_cut_between_characters() -> None:
    sent = decoded(trailers("INTERNAL", "x" * 4090 + "ö" * 10))["grpc-message"]
    assert (len(sent), sent[-6:]) == (4096, "%C3%B6")


def test_answers() -> None:
    assert decoded(trailers_only("OK", "")) == {
        ":status": "200",
        "content-type": "application/grpc",
        "grpc-status": "0",
    }
