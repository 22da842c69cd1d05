"""`naiad triton`: tritonserver's command line, read as a table and run as a process."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import Any

import click
import pytest

from naiad.cli.running import ONE_STOP_S
from naiad.cli.triton import command
from naiad.cli.triton_arguments import read_arguments
from naiad.cli.triton_flags import BOOLEAN, NUMBER, TritonFlag, all_flags
from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.config import ServerSettings, options
from naiad.repository import FolderReference

from .test_serve import REPOSITORY, naiad, read_until, run, status_of

REPO = "--model-repository=/tmp"
LOOPBACK = ["--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--http-port=0", "--grpc-port", "0"]
LOOPBACK += ["--metrics-port=0"]
ON_TRITON = Path(__file__).with_name("tritonserver_flags.txt").read_text().split()
"""Every flag of tritonserver 2.51 (from its --help) and those that came later (from its sources)."""


def read(*arguments: str) -> ServerSettings:
    return read_arguments([REPO, *arguments]).settings


def test_the_metrics_are_those_that_are_asked_for() -> None:
    given = read("--metrics-config", "summary_latencies=true", "--metrics-config=summary_quantiles=0.5:0.05,0.9:0.01")
    assert given.models.metrics_config == ("summary_latencies=true", "summary_quantiles=0.5:0.05,0.9:0.01")


@pytest.mark.parametrize(("value", "escapes"), [(None, True), ("", True), ("1", True), ("false", True), ("0", False)])
def test_only_0_in_the_environment_turns_escapes_off(value: str | None, escapes: bool) -> None:
    variables = {} if value is None else {"TRITON_SERVER_ESCAPE_LOG_MESSAGES": value}
    assert read_arguments([REPO], variables).settings.log.escape is escapes


# the table


def test_every_flag_of_tritonserver_is_there() -> None:
    assert sorted(set(ON_TRITON) - {flag.name for flag in all_flags()}) == []


def test_every_flag_sets_a_field_or_says_why_not() -> None:
    fields = {option.name for option in options()}
    by_name = ("model-repository", "model-store", "disable-auto-complete-config", "strict-model-config")
    by_name += ("response-cache-byte-size", "manifest")
    for flag in all_flags():
        if flag.field:
            assert flag.field in fields
        elif not flag.no_effect:
            assert flag.name in by_name or flag.name.startswith(("grpc-", "trace-")), flag.name


IGNORED = [flag for flag in all_flags() if flag.no_effect]


@pytest.mark.parametrize("flag", IGNORED, ids=lambda flag: flag.name)
def test_what_has_no_effect_is_accepted_and_said_once(flag: TritonFlag) -> None:
    value = {BOOLEAN: "false" if "true" in flag.harmless else "true", NUMBER: "7"}.get(flag.kind, "x")
    given = read_arguments([REPO, f"--{flag.name}={value}", f"--{flag.name}", value])
    expected = [] if value in flag.harmless else [f"--{flag.name} has no effect: {flag.no_effect}"]
    assert given.warnings == expected
    assert given.settings == read()


def test_the_defaults_are_tritons() -> None:
    given = read()
    assert (given.http.hosts, given.http.port) == (("0.0.0.0",), 8000)  # noqa: S104
    assert (given.grpc.hosts, given.grpc.port) == (("0.0.0.0",), 8001)  # noqa: S104
    assert (given.metrics.hosts, given.metrics.port) == (("0.0.0.0",), 8002)  # noqa: S104
    assert (given.server_name, given.exit_on_error, given.models.strict_readiness) == ("triton", True, True)
    assert (given.models.control_mode, given.models.repository_poll_s, given.drain_timeout_s) == ("none", 15.0, 30.0)
    assert (given.http.max_input_size, given.log.format, given.log.verbose) == (67108864, "default", 0)
    assert (given.allow_client_shm, given.allow_setting_changes) == (False, True)
    names = ("join_waiting", "run_ahead", "adaptive_batching")
    assert [getattr(given.models, name) for name in names] == [False] * 3
    assert [getattr(ServerSettings().models, name) for name in names] == [True] * 3, "naiad serve batches by its own"
    assert ServerSettings().host == ("127.0.0.1",), "naiad serve keeps its own"


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ("--id=me", "server_name", "me"),
        ("--rate-limit=EXECUTION_COUNT", "models.rate_limit", "execution_count"),
        ("--rate-limit-resource=a:1 --rate-limit-resource b:2:0", "models.rate_limit_resource", ("a:1", "b:2:0")),
        ("--allow-gpu-kind-on-cpu=false", "models.allow_gpu_kind_on_cpu", False),
        ("--http-port=1", "http.port", 1),
        ("--http-port 1", "http.port", 1),
        ("--http-po=1", "http.port", 1),
        ("--http-port=1 --http-port=2", "http.port", 2),
        ("--allow-grpc=false", "grpc.allow", False),
        ("--allow-setting-changes=false", "allow_setting_changes", False),
        ("--http-allowed-origin=http://a --http-allowed-origin http://b", "http.allowed_origin", ("http://a", "http://b")),
        ("--allow-grpc FALSE", "grpc.allow", False),
        ("--allow-grpc=0", "grpc.allow", False),
        ("--exit-on-error=false --exit-on-error", "exit_on_error", True),
        ("--exit-on-error --http-port=1", "http.port", 1),
        ("--reuse-grpc-port=1", "grpc.reuse_port", True),
        ("--metrics-address=::1", "metrics.host", "::1"),
        ("--exit-timeout-secs=5", "drain_timeout_s", 5.0),
        ("--exit-timeout-secs=-5", "drain_timeout_s", 0.0),
        ("--lame-duck-secs=5", "lame_duck_s", 5.0),
        ("--model-control-mode=EXPLICIT", "models.control_mode", "explicit"),
        ("--model-control-mode=poll --repository-poll-secs 3", "models.repository_poll_s", 3.0),
        ("--model-control-mode=explicit --load-model=a --load-model b", "models.load_model", ("a", "b")),
        ("--disable-auto-complete-config", "models.auto_complete_config", False),
        ("--strict-model-config=true", "models.auto_complete_config", False),
        ("--strict-model-config=false --disable-auto-complete-config", "models.auto_complete_config", False),
        ("--model-load-thread-count=0", "models.load_threads", 1),
        ("--model-load-retry-count=2", "models.load_retries", 2),
        ("--id=me", "models.require_all_versions", True),
        ("--join-waiting", "models.join_waiting", True),
        ("--adaptive-batching", "models.adaptive_batching", True),
        ("--log-verbose=3", "log.verbose", 3),
        ("--log-verbose=true", "log.verbose", 1),
        ("--log-format=ISO8601", "log.format", "iso8601"),
        ("--log-info=false", "log.info", False),
        ("--backend-config=python,x=1 --backend-config=default-max-batch-size=4", "models.backend_config",
         ("python,x=1", "default-max-batch-size=4")),
        ("--trace-config=rate=7 --trace-file=/f --trace-level=TIMESTAMPS --trace-level=TENSORS", "trace_config",
         ("rate=7", "triton,file=/f", "level=TIMESTAMPS", "level=TENSORS")),
        ("--cache-config=local,size=9 --cache-config local,ttl=5", "cache_config", ("local,size=9", "local,ttl=5")),
        ("--response-cache-byte-size=9", "cache_config", ("local,size=9",)),
        ("--response-cache-byte-size 0", "cache_config", ()),
        ("--http-restricted-api=health:a=b --http-restricted-api=metadata:a=b", "http.restricted_api",
         ("health:a=b", "metadata:a=b")),
        ("--grpc-infer-response-compression-level=HIGH", "grpc.infer_response_compression_level", "high"),
        ("--grpc-use-ssl=true --grpc-server-cert=c --grpc-server-key=k --grpc-root-cert=r", "grpc.tls_client_ca", ""),
        ("--grpc-use-ssl=1 --grpc-server-cert=c --grpc-server-key=k", "grpc.tls_cert", "c"),
        ("--grpc-use-ssl-mutual=1 --grpc-server-cert=c --grpc-server-key=k --grpc-root-cert=r", "grpc.tls_client_ca",
         "r"),
        ("--grpc-server-cert=c --grpc-server-key=k", "grpc.tls_cert", ""),
        ("--jobs=/kept --jobs-max-wait-s 7", "jobs.max_wait_s", 7.0),
        ("--jobs /kept --jobs-callback-host=a --jobs-callback-host b", "jobs.callback_hosts", ("a", "b")),
        ("--jobs /kept --jobs-listing", "jobs.listing", True),
    ],
)  # fmt: skip
def test_flags(words: str, field: str, value: Any) -> None:
    assert attrgetter(field)(read(*words.split(" "))) == value


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--frobnicate=1", "unrecognized option '--frobnicate'"),
        ("--http", "option '--http' is ambiguous; possibilities: '--http-address' "),
        ("-v", "Unexpected argument: -v"),
        ("stray", "Unexpected argument: stray"),
        ("--", "Unexpected argument: --"),
        ("--id", "option '--id' requires an argument"),
        ("--http-port=abc", 'Bad option: "--http-port".\nInvalid option value. Got abc'),
        ("--http-port=", 'Bad option: "--http-port".\nInvalid option value. Got '),
        ("--http-port=99999", "--http-port must be between 0 and 65535"),
        ("--http-port=8001", "--http-port, --grpc-port and --metrics-port must differ"),
        ("--allow-http=maybe", 'Bad option: "--allow-http".\ninvalid value for bool option: maybe'),
        ("--disable-auto-complete-config=true", "option '--disable-auto-complete-config' doesn't allow an argument"),
        ("--log-format=xml", 'Bad option: "--log-format".\ninvalid argument for --log-format'),
        ("--rate-limit=on", "invalid argument for --rate-limit; there are: off, execution_count"),
        ("--model-control-mode=sometimes", "invalid argument for --model-control-mode"),
        ("--load-model=x", "Use of '--load-model' requires setting '--model-control-mode=explicit' as well."),
        (
            "--cache-config=local,size=9 --response-cache-byte-size=9",
            "Incompatible flags --response-cache-byte-size and",
        ),
        ("--grpc-use-ssl=true", "--grpc-use-ssl needs --grpc-server-cert and --grpc-server-key"),
        ("--grpc-use-ssl-mutual --grpc-server-cert=c --grpc-server-key=k", "--grpc-use-ssl-mutual needs"),
        ("--model-repository=hf://org/models", "is neither a folder nor in an object store"),
    ],
)
def test_mistakes(words: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=re.escape(message)):
        read(*words.split(" "))


def test_repositories() -> None:
    given = read_arguments(["--model-repository=/a", "--model-store", "/b", "--model-repository", "/a"])
    assert given.repositories == (FolderReference(Path("/a")), FolderReference(Path("/b")))
    assert read_arguments(["--model-repository=x"]).repositories == (FolderReference(Path.cwd() / "x"),)
    with pytest.raises(InvalidConfiguration, match="--model-repository must be specified"):
        read_arguments([])


def test_what_asks_for_nothing_special_is_not_warned_about() -> None:
    given = read_arguments([REPO, "--allow-sagemaker=false", "--allow-gpu-metrics=FALSE"])
    assert given.warnings == []


def test_help_lists_every_flag() -> None:
    text = command.get_help(click.Context(command, info_name="naiad triton"))
    assert [flag.name for flag in all_flags() if f"--{flag.name}" not in text] == []


# the process


def test_serves_like_tritonserver_from_start_to_sigterm(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "simple").symlink_to(REPOSITORY / "simple")
    arguments = ["triton", f"--model-repository={folder}", *LOOPBACK, "--host-policy=0,numa-node=0"]
    with naiad(*arguments, cwd=tmp_path) as process:
        lines, found = read_until(process, r"Started Metrics Service at 127\.0\.0\.1:(\d+)")
        text = "".join(lines)
        assert "successfully loaded 'simple'" in text
        assert "\n| Model  | Version | Status |\n" in text
        assert "\n| simple | 1       | READY  |\n" in text
        assert re.search(r"Started GRPCInferenceService at 127\.0\.0\.1:\d+\"\n", text)
        port = int(re.search(r"Started HTTPService at 127\.0\.0\.1:(\d+)\"\n", text)[1])  # type: ignore[index]
        assert status_of(port, "/v2/health/ready") == 200, "the doors open when the models are there"
        assert status_of(int(found[1]), "/metrics") == 200
        assert text.count("--host-policy has no effect") == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


TRITONS_ISO_LINE = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z [IWE] \d+ [\w.]+:\d+\] (.*)\n"


def test_log_lines_and_a_log_file(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    log = tmp_path / "log"
    log.touch()
    arguments = ["triton", "--model-repository", "models", "--log-file=log", "--log-format=ISO8601", *LOOPBACK]
    with naiad(*arguments, cwd=tmp_path) as process:
        while "nothing is served on" not in log.read_text():
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
                raise AssertionError(log.read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    lines = [line for line in log.read_text().splitlines(keepends=True) if line.strip("+|-\n")]
    messages = [re.fullmatch(TRITONS_ISO_LINE, line) for line in lines if not line.startswith("| ")]
    assert all(messages)
    assert json.loads(messages[-1][1]) == "stopped"  # type: ignore[index]


def test_messages_are_not_escaped_where_the_environment_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITON_SERVER_ESCAPE_LOG_MESSAGES", "0")
    (tmp_path / "models").mkdir()
    with naiad("triton", "--model-repository=models", *LOOPBACK, cwd=tmp_path) as process:
        _, found = read_until(process, r"nothing is served on http")
        assert re.search(r"\.py:\d+\] [a-z]", found.string)


@pytest.fixture
def one_broken(tmp_path: Path) -> Path:
    """A repository with `simple` and a model whose configuration is wrong."""
    folder = tmp_path / "models"
    (folder / "broken").mkdir(parents=True)
    (folder / "broken" / "config.pbtxt").write_text('backend: "identity" max_batch_size: -1')
    (folder / "simple").symlink_to(REPOSITORY / "simple")
    return folder


def test_a_model_that_cannot_be_loaded_ends_it(one_broken: Path) -> None:
    code, text = run("triton", f"--model-repository={one_broken}", *LOOPBACK, cwd=one_broken.parent)
    assert code == 1
    assert "failed to load all models" in text
    assert "Started" not in text


def test_unless_told_otherwise(one_broken: Path) -> None:
    arguments = ["triton", f"--model-repository={one_broken}", "--exit-on-error=0", *LOOPBACK]
    with naiad(*arguments, cwd=one_broken.parent) as process:
        _, found = read_until(process, r"Started HTTPService at 127\.0\.0\.1:(\d+)")
        assert status_of(int(found[1]), "/v2/models/simple/ready") == 200
        assert status_of(int(found[1]), "/v2/health/ready") == 400


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--frobnicate"], "unrecognized option '--frobnicate'"),
        (["--model-repository=missing"], "failed to stat file"),
        (["--model-repository=.", "--grpc-use-ssl=1", "--grpc-server-cert=c", "--grpc-server-key=k"],
         "--grpc-server-cert: cannot read 'c': No such file or directory"),
        (["--model-repository=.", "--http-address=999.1.1.1", "--http-port=0"], "Choose another with --http-address"),
        (["--model-repository=.", "--log-file=/nonexistent/log"], "--log-file: cannot write"),
        (["--model-repository=.", "--metrics-config=frob=1"], "--metrics-config 'frob=1': unknown setting 'frob'"),
        (["--model-repository=.", "--http-restricted-api=frob:key=very-secret"], "unknown restricted api 'frob'"),
    ],
)  # fmt: skip
def test_mistakes_end_it_with_the_error_last(tmp_path: Path, words: list[str], message: str) -> None:
    code, text = run("triton", *words, *LOOPBACK[3:], "--metrics-port=0", "--grpc-port=0", cwd=tmp_path)
    assert code == 1
    assert message in text.splitlines()[-1]
    assert "very-secret" not in text
    assert "Traceback" not in text


def test_usage_comes_first() -> None:
    code, text = run("triton", "--frobnicate", cwd=Path.cwd())
    assert code == 1
    assert text.startswith("Usage: naiad triton [options]")
    assert text.endswith("unrecognized option '--frobnicate'\n")
    assert run("triton", "--help", cwd=Path.cwd())[0] == 0


def test_a_second_signal_kills(tmp_path: Path) -> None:
    """A client that never reads its answers keeps the server from ending; nobody need wait for it."""
    (tmp_path / "models").mkdir()
    with naiad("triton", "--model-repository=models", *LOOPBACK, cwd=tmp_path) as process:
        _, found = read_until(process, r"nothing is served on http://127\.0\.0\.1:(\d+)")
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=0.5) as client:
            with suppress(TimeoutError):
                while True:  # until neither the kernel nor the server takes any more
                    client.sendall(b"GET /v2 HTTP/1.1\r\nHost: h\r\n\r\n" * 1000)
            process.send_signal(signal.SIGTERM)
            read_until(process, "SIGTERM: finishing")
            time.sleep(ONE_STOP_S)  # two of them sooner are one
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == -signal.SIGTERM
            read_until(process, "second SIGTERM: stopping at once")


def test_two_servers_share_a_port(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    arguments = ["triton", "--model-repository=models", "--reuse-http-port", "--reuse-grpc-port=true"]
    with naiad(*arguments, *LOOPBACK, cwd=tmp_path) as first:
        _, http = read_until(first, r"Started HTTPService at 127\.0\.0\.1:(\d+)")
        shared = [f"--http-port={http[1]}"]
        with naiad(*arguments, *LOOPBACK, *shared, cwd=tmp_path) as second:
            read_until(second, r"Started HTTPService at 127\.0\.0\.1:" + http[1])
            assert status_of(int(http[1]), "/v2/health/live") == 200
            first.send_signal(signal.SIGTERM)
            assert first.wait(30) == 0
            assert status_of(int(http[1]), "/v2/health/live") == 200
