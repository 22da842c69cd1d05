"""Uploads to an emulator of Google's store, as they arrive, and what is said when they do not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from naiad.core.errors import NotFound
from naiad.repository.stores.emulator import upload


class _Emulator(BaseHTTPRequestHandler):
    """Has one bucket, which takes everything but one name."""

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        [name] = parse_qs(parts.query)["name"]
        known = parts.path == "/upload/storage/v1/b/models/o"
        status = 404 if not known else 500 if name == "refused" else 200
        if status == 200:
            self.server.objects[name] = body  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def emulator() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), _Emulator) as server:
        server.objects = {}  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def address_of(emulator: HTTPServer) -> str:
    return f"http://127.0.0.1:{emulator.server_port}"


def test_a_file_arrives_under_its_whole_name(emulator: HTTPServer, tmp_path: Path) -> None:
    contents = {"a/é x+y&z.bin": b"content", "empty": b"", "large": bytes(range(256)) * 4096}
    for name, content in contents.items():
        (tmp_path / "file").write_bytes(content)
        upload(address_of(emulator), "models", name, tmp_path / "file")
    assert emulator.objects == contents  # type: ignore[attr-defined]


def test_what_goes_wrong_is_said(emulator: HTTPServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with pytest.raises(NotFound, match=r"gs://absent: there is no bucket 'absent'"):
        upload(address_of(emulator), "absent", "a", tmp_path / "file")
    with pytest.raises(OSError, match=r"http://127\.0\.0\.1:\d+/upload.*: the emulator answered 500"):
        upload(address_of(emulator), "models", "refused", tmp_path / "file")
    with pytest.raises(OSError, match=r"http://127\.0\.0\.1:1/upload.*: .*refused"):
        upload("http://127.0.0.1:1", "models", "a", tmp_path / "file")
