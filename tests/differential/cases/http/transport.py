"""HTTP itself: compression, chunks, connections, versions and headers."""

from __future__ import annotations

import gzip
import json
import zlib

from harness.case import Http, Raw, Step, get, infer

ROW = list(range(16))
DOCUMENT = {
    "inputs": [
        {"name": f"INPUT{n}", "shape": [8, 16], "datatype": "INT32", "data": [1000000 + at for at in range(128)]}
        for n in (0, 1)
    ]
}
BODY = json.dumps(DOCUMENT).encode()
BINARY = b"".join(value.to_bytes(4, "little") for value in ROW)
HEAD = json.dumps({"inputs": [
    {"name": f"INPUT{n}", "shape": [1, 16], "datatype": "INT32", "parameters": {"binary_data_size": 64}} for n in (0, 1)
], "outputs": [{"name": "OUTPUT0", "parameters": {"binary_data": True}}]}).encode()  # fmt: skip
WHOLE = HEAD + BINARY * 2
PATH = "/v2/models/simple/infer"


def packed(body: bytes, encoding: str, **headers: str) -> Step:
    return infer(body, content_encoding=encoding, **headers)


def asking(accept: str) -> Step:
    return infer(BODY, accept_encoding=accept)


def bare_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([line, *headers]).encode() + b"\r\n\r\n" + body


def chunked(*chunks: bytes, extension: str = "", trailer: str = "") -> bytes:
    pieces = [b"%x%b\r\n%b\r\n" % (len(chunk), extension.encode(), chunk) for chunk in chunks]
    head = request(f"POST {PATH} HTTP/1.1", "Host: x", "Connection: close", "Transfer-Encoding: chunked")
    return head + b"".join(pieces) + b"0\r\n" + trailer.encode() + b"\r\n"


def raw(*sent: bytes, answers: int = 1, method: str = "GET") -> Step:
    return Raw(sent, answers, method)


LENGTH = f"Content-Length: {len(BODY)}"
POST = f"POST {PATH} HTTP/1.1"
LIVE = "GET /v2/health/live HTTP/1.1"
META = "GET /v2/models/simple HTTP/1.1"

COMPRESSION: dict[str, Step] = {
    "gzip": packed(gzip.compress(BODY, mtime=0), "gzip"),
    "deflate": packed(zlib.compress(BODY), "deflate"),
    "identity": packed(BODY, "identity"),
    "an empty encoding": packed(BODY, ""),
    "GZIP in capitals": packed(gzip.compress(BODY, mtime=0), "GZIP"),
    "x-gzip": packed(gzip.compress(BODY, mtime=0), "x-gzip"),
    "br": packed(BODY, "br"),
    "two encodings": packed(gzip.compress(BODY, mtime=0), "gzip, gzip"),
    "deflate called gzip": packed(zlib.compress(BODY), "gzip"),
    "gzip called deflate": packed(gzip.compress(BODY, mtime=0), "deflate"),
    "deflate without a container": packed(bare_deflate(BODY), "deflate"),
    "not compressed at all": packed(BODY, "gzip"),
    "not compressed at all, deflate": packed(BODY, "deflate"),
    "gzip cut": packed(gzip.compress(BODY, mtime=0)[:-20], "gzip"),
    "gzip without its end": packed(gzip.compress(BODY, mtime=0)[:-8], "gzip"),
    "gzip with a wrong sum": packed(gzip.compress(BODY, mtime=0)[:-8] + b"\0" * 8, "gzip"),
    "gzip and something behind": packed(gzip.compress(BODY, mtime=0) + b"xxxx", "gzip"),
    "nothing as gzip": packed(b"", "gzip"),
    "gzip of nothing": packed(gzip.compress(b"", mtime=0), "gzip"),
    "gzip, binary": packed(gzip.compress(WHOLE, mtime=0), "gzip", inference_header_content_length=str(len(HEAD))),
    "gzip, header length of the packed": packed(gzip.compress(WHOLE, mtime=0), "gzip", inference_header_content_length="99999"),
    "answer gzip, binary": infer(WHOLE, inference_header_content_length=str(len(HEAD)), accept_encoding="gzip"),
    "both ways": packed(gzip.compress(BODY, mtime=0), "gzip", accept_encoding="deflate"),
    **{f"accept {accept!r}": asking(accept) for accept in (
        "gzip", "deflate", "identity", "*", "br", "", "gzip, deflate", "deflate, gzip", "gzip;q=0.5, deflate;q=0.8",
        "gzip;q=0", "identity;q=0, gzip", "gzip;q=1, identity;q=0.5", "identity, gzip", "gzip;q=x", "GZIP", "gzip ;q=0.5",
    )},
    "accept gzip, an error": infer("{", accept_encoding="gzip"),
    "accept gzip, metadata": get("/v2/models/simple", accept_encoding="gzip"),
    "accept gzip, little": infer(json.dumps({"inputs": [{"name": "int8", "shape": [1], "datatype": "INT8", "data": [1]}]}), "all", accept_encoding="gzip"),
    "metadata with a packed body": Http("GET", "/v2/models/simple", gzip.compress(b"x", mtime=0), {"Content-Encoding": "gzip"}),
    "generate with a packed body": Http("POST", "/v2/models/raw_text/generate", gzip.compress(b'{"x":"a"}', mtime=0), {"Content-Encoding": "gzip"}),
}  # fmt: skip

CONNECTION: dict[str, Step] = {
    "kept, then closed": raw(request(LIVE, "Host: x"), request(META, "Host: x", "Connection: close")),
    "two at once": raw(request(META, "Host: x") + request(LIVE, "Host: x", "Connection: close"), answers=2),
    "closed": raw(request(META, "Host: x", "Connection: close")),
    "Close in capitals": raw(request(META, "Host: x", "Connection: Close")),
    "kept by name, then closed": raw(
        request(META, "Host: x", "Connection: keep-alive"), request(META, "Host: x", "Connection: close")),
    "an error does not close": raw(
        request("GET /nothing HTTP/1.1", "Host: x"), request(META, "Host: x", "Connection: close")),
    "bad JSON does not close": raw(
        request(POST, "Host: x", "Content-Length: 1", body=b"{"), request(META, "Host: x", "Connection: close")),
    "405 does not close": raw(
        request(f"GET {PATH} HTTP/1.1", "Host: x"), request(META, "Host: x", "Connection: close")),
    "HTTP/1.0": raw(request("GET /v2/models/simple HTTP/1.0")),
    "HTTP/1.0 with a body": raw(request(f"POST {PATH} HTTP/1.0", LENGTH, body=BODY)),
    "HTTP/1.0, an error": raw(request("GET /nothing HTTP/1.0")),
    "HTTP/1.0 kept": raw(request("GET /v2/models/simple HTTP/1.0", "Connection: keep-alive")
                         , request("GET /v2/health/live HTTP/1.0")),
    "no Host": raw(request(META, "Connection: close")),
    "two Hosts": raw(request(META, "Host: x", "Host: x", "Connection: close")),
    "a page's own": raw(request(META, "Host: localhost", "Origin: http://localhost", "Connection: close")),
    "a foreign page": raw(request(META, "Host: localhost", "Origin: http://evil.example", "Connection: close")),
    "a rebound name": raw(request(META, "Host: evil.example", "Sec-Fetch-Site: same-origin", "Connection: close")),
    "Expect": raw(request(POST, "Host: x", LENGTH, "Expect: 100-continue", "Connection: close", body=BODY)),
    "Expect something else": raw(request(POST, "Host: x", LENGTH, "Expect: x", "Connection: close", body=BODY)),
    "chunks": raw(chunked(BODY)),
    "many chunks": raw(chunked(*(BODY[at : at + 100] for at in range(0, len(BODY), 100)))),
    "chunks with an extension": raw(chunked(BODY, extension=";a=b")),
    "chunks with a trailer": raw(chunked(BODY, trailer="X-A: b\r\n")),
    "no chunk": raw(chunked()),
    "a chunked unknown": raw(request("POST /nothing HTTP/1.1", "Host: x", "Connection: close", "Transfer-Encoding: chunked",
                                     body=b"1\r\nx\r\n0\r\n\r\n")),
    "HEAD": raw(request("HEAD /v2 HTTP/1.1", "Host: x", "Connection: close"), method="HEAD"),
    "HEAD of nothing": raw(request("HEAD /nothing HTTP/1.1", "Host: x", "Connection: close"), method="HEAD"),
    "no length": raw(request(POST, "Host: x", "Connection: close")),
    "length 0": raw(request(POST, "Host: x", "Connection: close", "Content-Length: 0")),
    "header names in any case": raw(request(POST, "host: x", LENGTH.lower(), "CONNECTION: close", body=BODY)),
    "a length twice, equal": raw(request(POST, "Host: x", LENGTH, LENGTH, "Connection: close", body=BODY)),
    "bare newlines": raw(b"GET /v2/models/simple HTTP/1.1\nHost: x\nConnection: close\n\n"),
    "empty lines first": raw(b"\r\n\r\n" + request(META, "Host: x", "Connection: close")),
}  # fmt: skip

BROKEN: dict[str, Step] = {
    "nonsense": raw(b"hello\r\n\r\n"),
    "no version": raw(b"GET /v2\r\n\r\n"),
    "an unknown version": raw(request("GET /v2 HTTP/9.9", "Host: x", "Connection: close")),
    "HTTP/2.0": raw(request("GET /v2 HTTP/2.0", "Host: x", "Connection: close")),
    "an unknown method": raw(request("NONSENSE /v2 HTTP/1.1", "Host: x", "Connection: close")),
    "a header without a colon": raw(request(META, "Host: x", "nonsense", "Connection: close")),
    "a length of letters": raw(request(POST, "Host: x", "Content-Length: x", "Connection: close")),
    "a negative length": raw(request(POST, "Host: x", "Content-Length: -1", "Connection: close")),
    "a chunk of letters": raw(request(POST, "Host: x", "Connection: close", "Transfer-Encoding: chunked", body=b"xyz\r\n")),
    "a space in the target": raw(request("GET /v2 models HTTP/1.1", "Host: x", "Connection: close")),
    "a length and chunks": raw(request(POST, "Host: x", "Connection: close", "Content-Length: 3", "Transfer-Encoding: chunked",
                                       body=b"3\r\n{}x\r\n0\r\n\r\n")),
    "an unknown transfer coding": raw(request(POST, "Host: x", "Connection: close", "Transfer-Encoding: x", "Content-Length: 2", body=b"{}")),
}  # fmt: skip

CASES: dict[str, Step] = {
    **COMPRESSION,
    **{f"connection: {name}": step for name, step in CONNECTION.items()},
    **{f"broken: {name}": step for name, step in BROKEN.items()},
}
