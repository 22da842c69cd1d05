"""Mirror, own certificates, proxies, and models that are carried along; with the local Hub and real sockets."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from naiad.cli.own_ca import use_own_ca
from naiad.core.errors import InvalidConfiguration
from naiad.testing import LocalHub, tiny_checkpoint

sys.path.insert(0, str(Path(__file__).parent))

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "closed-network.md").read_text()
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
NAIAD = [sys.executable, "-c", "from naiad.cli.main import main; main()"]
PORTS = ["--http-port", "0", "--no-allow-grpc", "--no-allow-metrics"]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    """A Hub that has the model of the page, and a file beside it that is not served."""
    folder = tiny_checkpoint(tmp_path / "checkpoint")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    with LocalHub() as hub:
        hub.add_folder(MODEL, folder)
        yield hub


def run(words: list[str], folder: Path, **variables: str) -> tuple[int, str]:
    """Run naiad in a folder, with an empty cache and with nothing of the environment that could help."""
    hidden = ("HF_", "NAIAD_", "XDG_", "SSL_", "REQUESTS_", "CURL_")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(hidden) and not name.upper().endswith("_PROXY")
    }
    environment |= {"HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    environment |= {"NAIAD_CACHE": str(folder / "cache"), **variables}
    serves = words[0] == "serve"
    process = subprocess.Popen(
        [*NAIAD, *words, *(PORTS if serves else [])],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines.append(line)
            if serves and re.search(r"ready on|nothing is served", line):
                process.send_signal(signal.SIGTERM)
    return process.wait(60), "".join(lines)


def commands(section: str) -> list[str]:
    """The page's lines that run naiad, of those about something."""
    blocks = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if "naiad " in line and section in line]


def run_line(line: str, folder: Path, **known: str) -> tuple[int, str]:
    """Run a line of the page; known: variables that it does not name."""
    words = shlex.split(line)
    variables = dict(word.split("=", 1) for word in words[: words.index("naiad")])
    return run(words[words.index("naiad") + 1 :], folder, **{**known, **variables})


def test_a_model_is_carried_in_a_folder_and_served_from_it(hub: LocalHub, tmp_path: Path) -> None:
    (pull,) = commands("--to ./models")
    (serve,) = commands("serve ./models")
    status, said = run_line(pull, tmp_path, HF_ENDPOINT=hub.url)
    carried = tmp_path / "models" / "all-MiniLM-L6-v2"
    assert (status, f"serve it with: naiad serve {carried}" in said) == (0, True), said
    assert not (carried / "pytorch_model.bin").exists()
    assert not any(path.is_symlink() for path in carried.rglob("*"))
    assert list((tmp_path / "models").iterdir()) == [carried]
    asked = hub.count()
    status, said = run_line(serve, tmp_path, HF_ENDPOINT="http://127.0.0.1:1", HF_HUB_OFFLINE="1")
    assert (status, "successfully loaded 'all-MiniLM-L6-v2'" in said) == (0, True), said
    assert hub.count() == asked
    assert run_line(pull, tmp_path, HF_ENDPOINT=hub.url)[0] == 0, "once more is no harm"


def test_what_is_in_the_way_is_not_removed(hub: LocalHub, tmp_path: Path) -> None:
    (pull,) = commands("--to ./models")
    precious = tmp_path / "models" / "all-MiniLM-L6-v2" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("mine")
    status, said = run_line(pull, tmp_path, HF_ENDPOINT=hub.url)
    assert (status, "is there already, and no model" in said, precious.read_text()) == (1, True, "mine"), said


def test_a_mirror_offline_and_the_warm_cache(hub: LocalHub, tmp_path: Path) -> None:
    (mirror,) = [line for line in commands("HF_ENDPOINT=https") if "BUNDLE" not in line]
    assert run_line(mirror.replace("https://hub.example.com", hub.url), tmp_path)[0] == 0
    (warm,) = commands("--offline")
    assert (tmp_path / "naiad.lock").exists()
    asked = hub.count()
    status, said = run_line(warm.replace("/models", str(tmp_path / "hf")), tmp_path)
    assert (status, "successfully loaded" in said, hub.count()) == (0, True, asked), said


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"])
def test_certificates_of_ones_own(hub: LocalHub, tmp_path: Path, variable: str) -> None:
    from fronts import TlsFront

    (line,) = commands("REQUESTS_CA_BUNDLE=")
    with TlsFront(hub.url, tmp_path) as front:
        line = line.replace("https://hub.example.com", front.url).replace("REQUESTS_CA_BUNDLE", variable)
        status, said = run_line(line.replace("/etc/ssl/company.pem", str(front.authority)), tmp_path)
        assert (status, "download" in said) == (0, True), said
        words = shlex.split(line)
        elsewhere = tmp_path / "elsewhere"  # without the lock, for whose files the library asks again and again
        elsewhere.mkdir()
        status, said = run(words[words.index("naiad") + 1 :], elsewhere, HF_ENDPOINT=front.url)
        assert (status, "; set SSL_CERT_FILE to the file with your company's certificates" in said) == (1, True), said
        status, said = run(["pull", MODEL], tmp_path, HF_ENDPOINT=front.url, **{variable: "/nowhere.pem"})
        assert (status, f"{variable} is '/nowhere.pem', which does not exist" in said) == (1, True), said


def test_a_proxy_and_what_goes_past_it(hub: LocalHub, tmp_path: Path) -> None:
    from fronts import Proxy

    (line,) = commands("HTTP_PROXY=")
    with Proxy("hub.example.com", hub.url) as proxy:
        through = line.replace("http://proxy.example.com:3128", proxy.url)
        status, said = run_line(through, tmp_path)
        assert status == 0, said
        assert any(MODEL in url for url in proxy.asked)
        count = len(proxy.asked)
        past = through.replace("http://hub.example.com", hub.url).replace("NO_PROXY=localhost", "NO_PROXY=127.0.0.1")
        assert run_line(past, tmp_path, HF_HOME=str(tmp_path / "second"))[0] == 0
        assert len(proxy.asked) == count


def test_which_variable_counts(tmp_path: Path) -> None:
    file, folder = tmp_path / "a.pem", tmp_path / "certificates"
    file.touch()
    folder.mkdir()
    for given, expected in (
        ({}, {}),
        ({"REQUESTS_CA_BUNDLE": str(file)}, {"SSL_CERT_FILE": str(file)}),
        ({"CURL_CA_BUNDLE": str(folder)}, {"SSL_CERT_DIR": str(folder)}),
        ({"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": str(file)}, {"SSL_CERT_FILE": str(file)}),
        ({"SSL_CERT_FILE": str(file), "REQUESTS_CA_BUNDLE": str(folder)}, {}),
        ({"SSL_CERT_DIR": str(folder), "REQUESTS_CA_BUNDLE": str(file)}, {}),
    ):
        environment = dict(given)
        use_own_ca(environment)
        assert environment == given | expected
    with pytest.raises(InvalidConfiguration, match="CURL_CA_BUNDLE is 'nowhere'"):
        use_own_ca({"CURL_CA_BUNDLE": "nowhere"})
