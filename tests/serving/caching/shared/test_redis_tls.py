"""The way to Redis over TLS: whom it trusts, under which name, with which certificate; and files that are of no use."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.serving.caching.options import RedisOptions
from naiad.serving.caching.shared.redis_server import RedisServer
from naiad.serving.caching.shared.server import Unreachable

trustme = pytest.importorskip("trustme", reason="trustme is not installed (requirements/dev.txt)")


@dataclass(frozen=True)
class Secured:
    """A Redis server that takes clients with a certificate of `ca` alone, and shows one for `cache.test`."""

    port: int
    ca: str
    cert: str
    key: str
    other_ca: str


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, redis_processes: Callable[..., Any]) -> Secured:
    folder, ca = tmp_path_factory.mktemp("tls"), trustme.CA()
    paths = {name: str(folder / f"{name}.pem") for name in ("ca", "cert", "key", "other_ca")}
    leaf = ca.issue_cert("cache.test")
    for name, blob in (
        ("ca", ca.cert_pem),
        ("cert", leaf.cert_chain_pems[0]),
        ("key", leaf.private_key_pem),
        ("other_ca", trustme.CA().cert_pem),
    ):
        blob.write_to_path(paths[name])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    files = ("--tls-cert-file", paths["cert"], "--tls-key-file", paths["key"], "--tls-ca-cert-file", paths["ca"])
    redis_processes("--tls-port", str(port), *files)
    return Secured(port, **paths)


def options(secured: Secured, **changes: Any) -> RedisOptions:
    given = {"cacert": secured.ca, "cert": secured.cert, "key": secured.key, "sni": "cache.test", **changes}
    return RedisOptions("127.0.0.1", secured.port, tls=True, connect_timeout_s=5.0, socket_timeout_s=5.0, **given)


async def test_answers_come_and_go_over_tls(secured: Secured) -> None:
    server = RedisServer(options(secured))
    try:
        await server.put([(b"key", b"value")], 60.0)
        assert list(await server.get([b"key", b"none"])) == [b"value", None]
    finally:
        await server.close()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sni": None}, "IP address mismatch|doesn't match"),
        ({"sni": "other.test"}, "Hostname mismatch|doesn't match"),
        ({"cacert": "other_ca"}, "certificate verify failed"),
        ({"cert": None, "key": None}, r"\S"),
    ],
    ids=["its name is another one", "asked for another name", "trusts somebody else", "no certificate of ours"],
)
async def test_who_is_not_trusted_is_not_asked(secured: Secured, changes: dict[str, Any], words: str) -> None:
    if changes.get("cacert"):
        changes = {"cacert": secured.other_ca}
    server = RedisServer(options(secured, **changes))
    try:
        with pytest.raises(Unreachable, match=words):
            await server.get([b"key"])
    finally:
        await server.close()


@pytest.mark.parametrize("name", ["cacert", "cert", "key"])
def test_a_file_that_cannot_be_used_is_said_at_the_start(secured: Secured, name: str, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nothing")
    for bad in (tmp_path / "missing.pem", tmp_path / "bad.pem"):
        with pytest.raises(
            InvalidConfiguration, match=r"the files of TLS \(cert, key, cacert, cacert_dir\) cannot be used"
        ):
            RedisServer(options(secured, **{name: str(bad)}))
