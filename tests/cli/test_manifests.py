"""`naiad manifests`: files for Kubernetes; what is wrong is refused by name before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from naiad.cli.main import group
from naiad.core.errors import NaiadError
from naiad.kubernetes.choices import Choices, amount
from naiad.repository import read_manifest

GOOD = "models:\n  - source: org/one  # the first\n"


def write(folder: Path, text: str = GOOD, *options: str) -> dict[str, list[dict[str, Any]]]:
    """The documents of each file. Raises NaiadError, or click's error."""
    manifest = folder / "naiad.yaml"
    manifest.write_text(text)
    words = ["manifests", str(manifest), "--out", str(folder / "out"), *options]
    result = CliRunner().invoke(group, words, standalone_mode=False)
    if isinstance(result.exception, NaiadError | click.ClickException):
        raise result.exception
    assert result.exit_code == 0, result.output
    return {path.name: list(yaml.safe_load_all(path.read_text())) for path in (folder / "out").iterdir()}


def pod(files: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    [deployment] = files["deployment.yaml"]
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return found


def test_the_files_and_what_lists_them(tmp_path: Path) -> None:
    files = write(tmp_path)
    listed = files.pop("kustomization.yaml")[0]["resources"]
    assert sorted(listed) == sorted(files)
    kinds = [document["kind"] for documents in files.values() for document in documents]
    assert sorted(kinds) == ["ConfigMap", "Deployment", "PodDisruptionBudget", "Service", "Service"]


def test_pods_get_the_manifest_word_for_word(tmp_path: Path) -> None:
    [config] = write(tmp_path)["config-map.yaml"]
    assert config["data"] == {"naiad.yaml": GOOD}
    (tmp_path / "naiad.yaml").write_text(config["data"]["naiad.yaml"])
    assert len(read_manifest(tmp_path / "naiad.yaml").models) == 1


def test_pods_get_the_lock_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "naiad.lock").write_text("locked: 1\n")
    files = write(tmp_path)
    assert files["config-map.yaml"][0]["data"]["naiad.lock"] == "locked: 1\n"
    assert "--lock=/etc/naiad/naiad.lock" in pod(files)["containers"][0]["args"]
    other = tmp_path / "other.lock"
    with pytest.raises(NaiadError, match=r"there is no lock file .*other\.lock; `naiad pull` writes it"):
        write(tmp_path, GOOD, "--lock", str(other))


def test_a_changed_manifest_starts_new_pods(tmp_path: Path) -> None:
    def told(text: str) -> str:
        [deployment] = write(tmp_path, text)["deployment.yaml"]
        found: str = deployment["spec"]["template"]["metadata"]["annotations"]["checksum/models"]
        return found

    assert told(GOOD) == told(GOOD) != told(GOOD.replace("one", "two"))


def test_tokens_come_from_a_secret_and_need_not_be_here(tmp_path: Path) -> None:
    text = GOOD + "    token_env: NOWHERE_TOKEN\n"
    with pytest.raises(NaiadError, match=r"takes tokens from NOWHERE_TOKEN; name the secret .*--secret NAME"):
        write(tmp_path, text)
    assert not (tmp_path / "out").exists()
    [container] = pod(write(tmp_path, text, "--secret", "tokens"))["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "tokens"}}]


def test_a_namespace_is_everywhere(tmp_path: Path) -> None:
    scaled = ("--keda", "http://p:1", "--max-replicas", "3", "--target-pending", "2", "--cache", "claim")
    watched = ("--network-policy", "--pod-monitor", "--prometheus-rule")
    files = write(tmp_path, GOOD, "--namespace", "eu", *scaled, *watched)
    assert files.pop("kustomization.yaml")[0]["namespace"] == "eu"
    assert {each["metadata"]["namespace"] for documents in files.values() for each in documents} == {"eu"}
    assert len(files) == 9


def test_what_another_run_has_left_is_not_applied_along(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "--pod-monitor")
    with pytest.raises(NaiadError, match=r"out has pod-monitor\.yaml already; remove them, or name a new folder"):
        write(tmp_path)


BAD_MANIFESTS = {
    "nothing": ("models: []\n", "'models' must be a list with at least one item"),
    "unknown key": ("models:\n  - source: org/one\n    quantise: int8\n", "unknown key 'quantise'"),
    "a folder": ("models:\n  - source: ./here\n", "is a folder of this machine, which no pod has"),
    "an endpoint": (
        "endpoints:\n  - endpoint: one\n    engine: custom\n    preprocess: ./here\n",
        "endpoint 'one' is made of",
    ),
    "no YAML": ("models: [\n", "not YAML"),
    "large": (GOOD + "#" * 1_000_000, "a ConfigMap holds 1000000"),
}


@pytest.mark.parametrize("case", BAD_MANIFESTS)
def test_a_bad_manifest_is_refused_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    (tmp_path / "here").mkdir()
    text, words = BAD_MANIFESTS[case]
    with pytest.raises(NaiadError) as refused:
        write(tmp_path, text)
    assert words in refused.value.message
    assert not (tmp_path / "out").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "hf.json").write_text('{"models": []}')
    for name, words in {"hf.json": "write a naiad.yaml", "none.yaml": "there is no manifest"}.items():
        result = CliRunner().invoke(group, ["manifests", str(tmp_path / name), "--out", str(tmp_path / "out")])
        assert isinstance(result.exception, NaiadError)
        assert words in result.exception.message


BAD_OPTIONS = {
    "--name Naiad": "--name: 'Naiad' is not lower-case letters",
    f"--name {'n' * 51}": "50 at most",
    "--namespace a_b": "--namespace: 'a_b' is not a name of Kubernetes",
    "--secret A": "--secret: 'A' is not a name",
    "--image :1": "--image: ':1' is not an image's name",
    "--cpu two": "--cpu: 'two' is not a quantity",
    "--cpu 0": "--cpu: '0' is not a quantity",
    "--memory 2GB": "--memory: '2GB' is not a quantity",
    "--memory 8Gi": "--memory 8Gi is more than --memory-limit 4Gi",
    "--cache-size -1": "--cache-size: '-1' is not a quantity",
    "--cache disk": "--cache: 'disk' is not one of emptyDir, claim, perPod",
    "--cache-claim mine": "used only with --cache claim",
    "--storage-class fast": "use --cache claim or perPod",
    "--service-type Public": "--service-type: 'Public' is not one of ClusterIP",
    "--replicas 0": "--replicas: '0' is not 1 or more",
    "--replicas -1": "--replicas: '-1' is not 0 or more",
    "--gpus -1": "--gpus: '-1' is not 0 or more",
    "--grace-s 70": "--grace-s 70 must be longer than --lame-duck-s 10 and --drain-timeout-s 60 together",
    "--startup-s 0": "--startup-s: '0' is not 1 or more",
    "--max-replicas 1": "--min-replicas 2 must be 1 or more, and not above --max-replicas 1",
    "--max-replicas 3 --target-cpu 0": "nothing to scale by: set --target-cpu or --target-pending",
    "--keda http://p": "--keda scales pods: say up to how many with --max-replicas",
    "--keda p --max-replicas 3": "--keda: 'p' is not Prometheus' address",
    "--keda http://p --max-replicas 3": "say how many with --target-pending",
    "--env A": "--env A: write NAME=VALUE",
    "--env A=1 --env A=2": "--env gives A twice",
    "--env 1A=1": "--env: '1A' is not the name of an environment variable",
    "--node-selector pool": "--node-selector pool: write NAME=VALUE",
    "--arg --cash-config": "--arg: naiad serve would refuse this: No such option",
    "--arg --http-port=1": "--arg --http-port=1: --http-port is set by the manifests",
    "--arg --lock=x": "--arg --lock=x: --lock is set by the manifests",
}


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_a_bad_option_is_refused_by_name_and_nothing_is_written(tmp_path: Path, options: str) -> None:
    with pytest.raises(NaiadError) as refused:
        write(tmp_path, GOOD, *options.split())
    assert BAD_OPTIONS[options] in refused.value.message
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NaiadError, match="cannot be written"):
        write(tmp_path, GOOD, "--out", str(tmp_path / "file" / "below"))


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [("500m", 0.5), ("2", 2.0), ("1.5", 1.5), ("2Ki", 2048.0), ("1k", 1e3), ("3Gi", 3.0 * 2**30)],
)
def test_quantities(quantity: str, expected: float) -> None:
    assert amount(quantity) == pytest.approx(expected)


def test_the_defaults_are_good() -> None:
    assert Choices(image="naiad:1").grace_s == 90
