"""`naiad health` asks real servers, over HTTP and gRPC, with and without TLS, and says why when the answer is no."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from naiad.cli.health import command
from naiad.cli.main import main
from naiad.testing import RunningServer, running_server

REPOSITORY = Path(__file__).parents[1] / "data" / "model_repository"
BROKEN = REPOSITORY.with_name("broken_repository")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(str(REPOSITORY / "simple")) as running:
        yield running


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def ask(*words: str, **environment: str) -> tuple[int, str]:
    done = CliRunner(env=environment).invoke(command, list(words))
    return done.exit_code, done.output


def test_a_ready_server(server: RunningServer) -> None:
    http, grpc = f"127.0.0.1:{port_of(server.address)}", f"grpc://127.0.0.1:{port_of(server.grpc_address)}"
    assert [ask(http), ask(f"http://{http}/"), ask(grpc)] == [(0, "ready\n")] * 3
    assert [ask("--live", http), ask("--live", grpc)] == [(0, "live\n")] * 2


def test_without_an_address_the_environment_says_where(server: RunningServer) -> None:
    ports = {"NAIAD_HTTP_PORT": str(port_of(server.address)), "NAIAD_GRPC_PORT": str(port_of(server.grpc_address))}
    assert ask(**ports) == (0, "ready\n")
    assert ask(NAIAD_HOST="::", **ports) == (0, "ready\n"), "an address to listen on, not to ask"
    assert ask(NAIAD_ALLOW_HTTP="false", **ports) == (0, "ready\n")
    status, text = ask(NAIAD_ALLOW_HTTP="false", NAIAD_GRPC_PORT=str(port_of(server.address)))
    assert (status, text.partition(": ")[2].partition("://")[0]) == (1, "grpc")
    assert "which NAIAD_HOST, NAIAD_HTTP_PORT and their kin make" in ask_main(["health"], NAIAD_HTTP_PORT="8000x")


def ask_main(words: list[str], **environment: str) -> str:
    program = "from naiad.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    return done.stderr


def test_a_server_whose_models_are_not_loaded_is_live_but_not_ready() -> None:
    with running_server(str(REPOSITORY / "simple"), str(BROKEN)) as server:
        http, grpc = f"http://127.0.0.1:{port_of(server.address)}", f"grpc://127.0.0.1:{port_of(server.grpc_address)}"
        assert [ask("--live", http), ask("--live", grpc)] == [(0, "live\n")] * 2
        assert ask(grpc) == (1, f"naiad: {grpc}: ServerReady answers no\n")
        status, text = ask(http)
        assert status == 1
        assert text.startswith(f"naiad: {http}: /v2/health/ready answers 400")


def test_the_wrong_door(server: RunningServer) -> None:
    status, text = ask(f"grpc://127.0.0.1:{port_of(server.address)}")
    assert (status, text.rstrip().rpartition(": ")[2]) in [
        (1, "what answers does not speak HTTP/2"),
        (1, "the connection was closed before the answer"),
    ]
    assert ask(f"http://127.0.0.1:{port_of(server.grpc_address)}")[0] == 1


def test_nobody_there_or_nobody_answering() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for scheme in ("http", "grpc"):
            assert ask(f"{scheme}://127.0.0.1:{port}", "--timeout-s", "0.05") == (
                1,
                f"naiad: {scheme}://127.0.0.1:{port}: no answer within 0.05 s\n",
            )
    assert ask(f"http://127.0.0.1:{port}") == (
        1,
        f"naiad: http://127.0.0.1:{port}: cannot be reached: Connection refused\n",
    )


def test_a_slow_drip_ends_with_the_time_limit() -> None:
    """The limit is for the whole answer, not for each of its bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stops = threading.Event()

        def drip() -> None:
            client, _ = server.accept()
            with client:
                while not stops.wait(0.01):
                    try:
                        client.sendall(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            status, text = ask(f"127.0.0.1:{server.getsockname()[1]}", "--timeout-s", "0.2")
        finally:
            stops.set()
            thread.join()
    assert (status, text.rstrip().rpartition(": ")[2]) == (1, "no answer within 0.2 s")


def test_headers_open_a_restricted_door() -> None:
    restricted = ("health:secret=open",)
    with running_server(
        str(REPOSITORY / "simple"), http_restricted_api=restricted, grpc_restricted_protocol=restricted
    ) as server:
        http, grpc = f"http://127.0.0.1:{port_of(server.address)}", f"grpc://127.0.0.1:{port_of(server.grpc_address)}"
        assert ask(http)[0] == 1
        assert ask(grpc) == (1, f"naiad: {grpc}: ServerReady is refused, or this is no gRPC server\n")
        assert ask(http, "--header", "secret=open") == (0, "ready\n")
        long = f"x-long={'a' * 300}"
        assert ask(grpc, "--header", "triton-grpc-protocol-secret=open", "--header", long) == (0, "ready\n")


def test_tls(tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme", reason="trustme is not installed (requirements/dev.txt)")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    ca, cert, key = tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.cert_pem.write_to_path(str(ca))
    certificate.cert_chain_pems[0].write_to_path(str(cert))
    certificate.private_key_pem.write_to_path(str(key))
    files = {f"{door}_tls_{path.stem}": str(path) for door in ("http", "grpc") for path in (cert, key)}
    with running_server(str(REPOSITORY / "simple"), **files) as server:
        for address in (
            f"https://localhost:{port_of(server.address)}",
            f"grpcs://localhost:{port_of(server.grpc_address)}",
        ):
            assert ask(address, "--ca", str(ca)) == (0, "ready\n")
            assert ask(address, "--insecure") == (0, "ready\n")
            status, text = ask(address)
            assert status == 1
            assert "certificate verify failed" in text
        environment = {"NAIAD_HTTP_PORT": str(port_of(server.address)), "NAIAD_HTTP_TLS_CERT": str(cert)}
        assert ask("--insecure", **environment) == (0, "ready\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ftp://h:1"], "'ftp://h:1' is not an address"),
        (["h"], "'h' is not an address"),
        (["http://h:0"], "'http://h:0' is not an address"),
        (["http://h:99999"], "'http://h:99999' is not an address"),
        (["http://h:1/v2"], "'http://h:1/v2' is not an address"),
        (["http://a@h:1"], "'http://a@h:1' is not an address"),
        (["--header", "x"], "--header 'x': write it as NAME=VALUE"),
        (["--header", "x=\n"], "--header 'x': write it as NAME=VALUE"),
        (["--timeout-s", "0"], "--timeout-s must be more than 0"),
        (["https://h:1", "--ca", "no/such"], "--ca no/such: No such file"),
        (["https://h:1", "--ca", "x", "--insecure"], "--ca and --insecure contradict"),
    ],
)
def test_bad_words(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["health", *words])
    assert ended.value.code == 1
    assert message in capsys.readouterr().err


def test_a_file_without_certificates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(SystemExit):
        main(["health", "https://h:1", "--ca", str(tmp_path / "ca.pem")])
    assert "--ca" in capsys.readouterr().err


def test_it_imports_little(server: RunningServer) -> None:
    """It runs every few seconds: click and the standard library are all that it may cost."""
    program = f"""
import json, sys
before = set(sys.modules)
from naiad.cli.main import main
try:
    main(["health", "127.0.0.1:{port_of(server.address)}"])
except SystemExit as end:
    assert end.code == 0, end
names = {{name.split(".")[0] for name in set(sys.modules) - before}}
print(json.dumps(sorted(names - set(sys.stdlib_module_names))))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    answer, foreign = done.stdout.splitlines()
    assert (answer, json.loads(foreign)) == ("ready", ["click", "naiad"])
