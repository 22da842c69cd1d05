"""What a start says when it is over, by the real command: where models are served, or why none is and what to do."""

from __future__ import annotations

import shutil
import urllib.request
from pathlib import Path

import pytest

from .test_serve import FREE_PORTS, REPOSITORY, naiad, read_until, status_of

TEXT = ["--log-format", "text"]


def bad_model(folder: Path) -> Path:
    (folder / "bad" / "1").mkdir(parents=True)
    (folder / "bad" / "1" / "model.onnx").write_bytes(b"no model")
    return folder


def test_waiting_for_loads_is_no_mistake(tmp_path: Path) -> None:
    arguments = ["serve", str(REPOSITORY), "--model-control-mode=explicit", *TEXT, *FREE_PORTS]
    with naiad(*arguments, cwd=tmp_path) as process:
        waiting = (
            r"info +no model is loaded yet; waiting on http://127\.0\.0\.1:(\d+) for requests to load one \((.*)\)"
        )
        lines, found = read_until(process, waiting)
        assert "ready on" not in "".join(lines)
        assert found[2] == "POST /v2/repository/models/NAME/load"
        url = f"http://127.0.0.1:{found[1]}{found[2].removeprefix('POST ').replace('NAME', 'simple')}"
        with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=30) as answer:
            assert answer.status == 200
        assert status_of(int(found[1]), "/v2/models/simple/ready") == 200


@pytest.mark.parametrize(
    ("options", "what_to_do"),
    [
        ([], "see the reasons above, then start again"),
        (["--model-control-mode=explicit", "--load-model=bad"], "see the reasons above, then load it again"),
        (["--model-control-mode=poll"], "see the reasons above; a model is loaded again when its files change"),
    ],
)
def test_when_every_model_fails(tmp_path: Path, options: list[str], what_to_do: str) -> None:
    with naiad("serve", str(bad_model(tmp_path)), *options, *TEXT, *FREE_PORTS, cwd=tmp_path) as process:
        lines, found = read_until(
            process, r"nothing is served on http://127\.0\.0\.1:(\d+), because no model could be "
        )
        assert "ready on" not in "".join(lines)
        assert lines[-1].endswith(f"because no model could be loaded: {what_to_do}\n")
        assert any("UNAVAILABLE" in line and "bad" in line for line in lines), "the reason stands above"
        assert status_of(int(found[1]), "/v2/health/live") == 200


def test_when_some_fail_the_others_are_ready(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "simple", tmp_path / "simple")
    with naiad("serve", str(bad_model(tmp_path)), *TEXT, *FREE_PORTS, cwd=tmp_path) as process:
        lines, _ = read_until(process, "ready on http://")
        assert any("1 of 2 models cannot be served (bad); the others are served" in line for line in lines)


@pytest.mark.parametrize(
    ("mode", "what_to_do"),
    [
        ("none", "add one and start again, or use --model-control-mode=poll, which loads models as they come"),
        ("poll", "add one, and it will be loaded"),
    ],
)
def test_an_empty_repository(tmp_path: Path, mode: str, what_to_do: str) -> None:
    (tmp_path / "models").mkdir()
    arguments = [
        "--model-repository=models",
        f"--model-control-mode={mode}",
        "--http-address=127.0.0.1",
        "--allow-grpc=0",
    ]
    with naiad("triton", *arguments, "--http-port=0", "--metrics-port=0", cwd=tmp_path) as process:
        lines, _ = read_until(process, r"nothing is served on http://127\.0\.0\.1:\d+, because there is no model in ")
        assert lines[-1].endswith(f'in {tmp_path / "models"}: {what_to_do}"\n')
        assert "ready on" not in "".join(lines)


def test_only_grpc(tmp_path: Path) -> None:
    arguments = ["serve", str(REPOSITORY / "simple"), "--no-allow-http", *TEXT, *FREE_PORTS]
    with naiad(*arguments, cwd=tmp_path) as process:
        read_until(process, r"ready on grpc://127\.0\.0\.1:\d+ after")
    with naiad(*arguments, "--model-control-mode=explicit", cwd=tmp_path) as process:
        read_until(process, r"waiting on grpc://127\.0\.0\.1:\d+ for requests to load one \(RepositoryModelLoad\)")


def test_no_way_to_a_model(tmp_path: Path) -> None:
    arguments = ["serve", str(REPOSITORY / "simple"), "--no-allow-http", "--no-allow-grpc", *TEXT, *FREE_PORTS]
    with naiad(*arguments, cwd=tmp_path) as process:
        lines, _ = read_until(process, "start again with --allow-http or --allow-grpc")
        assert "no model can be reached, because HTTP and gRPC are both off" in lines[-1]
        assert "ready on" not in "".join(lines)
