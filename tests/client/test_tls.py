"""https:// addresses: certificates are checked unless told otherwise."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from naiad.client import Client, Unreachable

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here to make a certificate")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate for 127.0.0.1, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem"),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "certificate.pem").read_text())
    return both


@pytest.fixture
def address(server: Any, certificate: Path) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return f"https://{server.address}"


def test_an_unknown_certificate_is_refused(address: str) -> None:
    with (
        Client(address) as client,
        pytest.raises(Unreachable, match=r"no secure connection to https://127.* takes a context"),
    ):
        client.is_live()


def test_a_port_without_tls_says_so(server: Any) -> None:
    with Client(f"https://{server.address}") as client, pytest.raises(Unreachable, match="Is it an https port"):
        client.is_live()


def test_a_context_says_whom_to_trust(address: str, certificate: Path) -> None:
    with Client(address, tls=ssl.create_default_context(cafile=str(certificate))) as client:
        assert client.model("text")("hello").echo == "hello"


def test_checking_can_be_left_out(address: str) -> None:
    with Client(address, tls=False) as client:
        assert client.is_live()
