"""The pages are true: what the code has stands in the reference, and what the pages name exists."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from naiad.cli.main import COMMANDS, module_of
from naiad.core.model.condition import WHEN_KEYS
from naiad.repository.manifest import naiad_yaml
from naiad.repository.manifest.endpoint import ENDPOINT_KEYS, METRICS_KEYS
from naiad.repository.manifest.ensemble import ENSEMBLE_KEYS, STEP_KEYS
from naiad.repository.manifest.read import read_manifest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
SOURCES = sorted((ROOT / "src" / "naiad").rglob("*.py"))
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """Code blocks of one language; those without a language are shell."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def shell_lines() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for block in [
            *blocks(page, ""),
            *blocks(page, "sh"),
            *re.findall(r"((?:^    .*\n)+)", page.read_text(), re.MULTILINE),
        ]:
            for line in block.splitlines():
                yield page, line.strip().split(" # ")[0].split("  #")[0].strip()


def test_generated_files_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "generate", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_error_code_is_documented() -> None:
    found = {
        value.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        and ast.unparse(statement.targets[0] if isinstance(statement, ast.Assign) else statement.target) == "code"
        and isinstance(value := statement.value, ast.Constant)
    }
    page = (REFERENCE / "errors.md").read_text()
    assert len(found) > 10
    assert sorted(code for code in found if f"`{code}`" not in page) == []


def test_every_metric_is_documented() -> None:
    found = {name for path in SOURCES for name in re.findall(r'"((?:nv|naiad)_[a-z_]+)"', path.read_text())}
    page = (REFERENCE / "metrics.md").read_text()
    assert sorted(name for name in found if f"`{name}`" not in page and name not in NOT_METRICS) == []


NOT_METRICS = {
    "naiad_text",
    "naiad_image",
    "naiad_batching",
    "naiad_worker",
    "naiad_sequences",
    "naiad_queues",
    "naiad_rate_limit",
    "naiad_steps",
}
"""The platforms of text and image models, keys of their statistics, and a package inside of workers."""


def test_every_key_of_the_manifest_is_documented() -> None:
    page = (REFERENCE / "manifest.md").read_text()
    keys = [*naiad_yaml._KEYS, *naiad_yaml._BATCHING_KEYS, *ENSEMBLE_KEYS, *STEP_KEYS, *WHEN_KEYS]
    keys += [*ENDPOINT_KEYS, *METRICS_KEYS]
    assert [key for key in keys if f"| `{key}` |" not in page] == []
    documented = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert [key for key in documented if key not in keys] == []


def test_every_command_is_documented() -> None:
    page = (REFERENCE / "cli.md").read_text()
    assert [name for name in COMMANDS if f"## naiad {name}" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page: Path) -> None:
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text())]
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_named_exist(page: Path) -> None:
    """Names in backticks that look like our files: below src/naiad, or from the root."""
    named = re.findall(r"`((?:[a-z_0-9.]+/)+(?:[a-z_0-9]+\.(?:py|md|txt|yaml|sh))?)`", page.read_text())
    ours = [name for name in named if not name.startswith(EXAMPLES)]
    assert [
        name for name in ours if not any((top / name).exists() for top in (ROOT, ROOT / "src" / "naiad", DOCS))
    ] == []


EXAMPLES = ("./", "../", "/", ".venv/", ".bench/", "bench/results/")
"""How the paths of a reader's own files begin, and of those that commands make."""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_exist(page: Path) -> None:
    named = re.findall(r"`make ([a-z][a-z-]*)", page.read_text())
    named += [line.split()[1] for where, line in shell_lines() if where == page and line.startswith("make ")]
    assert [name for name in named if name not in TARGETS] == []


def naiad_lines() -> list[tuple[str, list[str]]]:
    """Page and words of each shell line that runs naiad."""
    found = []
    for page, line in shell_lines():
        if re.match(r"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?naiad ", line):
            words = shlex.split(line)
            found.append((name_of(page), words[words.index(next(w for w in words if w.endswith("naiad"))) + 1 :]))
    return found


def test_commands_in_the_pages_exist() -> None:
    lines = naiad_lines()
    assert len(lines) > 8
    assert [(page, words) for page, words in lines if words[0] not in [*COMMANDS, "COMMAND"]] == []


@pytest.mark.parametrize(("page", "words"), [one for one in naiad_lines() if one[1][0] in COMMANDS])
def test_options_in_the_pages_exist(page: str, words: list[str]) -> None:
    command: click.Command = importlib.import_module(module_of(words[0])).command
    known = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
    given = [word.partition("=")[0] for word in words[1:] if word.startswith("--")]
    assert [option for option in given if option not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_in_the_pages_compiles(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, name_of(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")], ids=name_of)
def test_manifests_in_the_pages_are_right(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for block in blocks(page, "yaml"):
        for variable in re.findall(r"token_env: (\w+)", block):
            monkeypatch.setenv(variable, "hf_test")
        for folder in re.findall(r"source: \./(\S+)", block):
            (tmp_path / folder).mkdir(exist_ok=True)
        for place in re.findall(r"(?:preprocess|model_file|environment): \./(\S+)", block):
            (tmp_path / place).touch()
        path = tmp_path / "naiad.yaml"
        path.write_text(block)
        assert read_manifest(path).entries
