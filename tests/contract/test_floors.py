"""Imports go down a floor or stay in the folder; heavy libraries have few homes and are imported late.

The table of floors is that of docs/explanation/design.md. A new folder or top-level module gets its floor here first.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from source import PACKAGE, Import, Module, read_module, read_package

FLOORS = {
    "core": 0,
    "proto": 0,
    "modelconfig": 1,
    "protocol": 1,
    "scheduling": 1,
    "backends": 1,
    "functions": 1,
    "repository": 1,
    "observe": 1,
    "convert": 2,
    "tasks": 2,
    "serving": 2,
    "client": 2,
    "jobs": 2,
    "kubernetes": 2,
    "wire": 3,
    "errors": 3,
    "loading": 4,
    "server": 4,
    "testing": 5,
    "cli": 5,
    "ray": 5,
    "compat": 6,
}
"""Folder or module below src/naiad → its floor."""

SIDEWAYS = {("server", "loading")}
"""The one step within a floor: the server puts together what `loading` has made of the sources."""

BACKENDS_DOOR = "naiad.backends.registry"
"""Whoever wants a runtime asks here by name; no other file outside of `backends` knows a concrete one."""

HEAVY = {
    "onnxruntime": ("backends/onnxruntime/",),
    "onnx": (),
    "torch": ("convert/export/",),
    "transformers": ("convert/export/",),
    "tokenizers": ("tasks/",),
    "fugashi": ("tasks/tokenizing/families/code/japanese.py",),
    "ipadic": ("tasks/tokenizing/families/code/japanese.py",),
    "unidic": ("tasks/tokenizing/families/code/japanese.py",),
    "unidic_lite": ("tasks/tokenizing/families/code/japanese.py",),
    "huggingface_hub": ("repository/", "cli/"),
    "obstore": ("repository/stores/store.py",),
    "safetensors": ("convert/", "repository/", "testing/"),
    "httpx2": ("client/", "repository/", "testing/"),
    "yaml": ("repository/", "modelconfig/", "kubernetes/"),
    "uvloop": ("cli/running.py", "server/loop_thread.py"),
    "httptools": ("wire/http/http1/",),
    "google": ("proto/", "modelconfig/", "protocol/"),
    "grpc": ("wire/grpc/", "client/grpc/", "ray/"),
    "hpack": ("wire/grpc/http2/",),
    "re2": ("wire/forwarding.py",),
    "opentelemetry": ("observe/trace/spans.py",),
    "redis": ("serving/caching/shared/redis_server.py", "jobs/redis/server.py"),
    "ray": ("ray/",),
    "starlette": ("ray/",),
    "PIL": ("tasks/image/preparing/decoding.py",),
    "rich": ("cli/", "repository/progress.py", "observe/"),
    "click": ("cli/",),
}
"""Library → the places that may import it at all; and then inside the function that needs it."""

HEAVY_AT_MODULE_LEVEL = {("click", "cli/")}
"""The exception: commands are made of click's decorators."""

CATCH_ALL = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}

MODULES = list(read_package().values())


def unit(name: str) -> str:
    """The part of a dotted name that has a floor: `naiad.core.errors` → `core`; the package itself → ``."""
    return [*name.split("."), ""][1]


def complaint(module: Module, one: Import) -> str | None:
    """What is wrong with one import between our own modules, if anything."""
    ours, theirs = unit(module.name), unit(one.target)
    if theirs in ("__version__", ours) or not ours:
        return None
    if theirs not in FLOORS:
        return f"imports {one.target}: '{theirs or 'naiad'}' has no floor; import the module that defines the name"
    if theirs == "backends" and not one.target.startswith(BACKENDS_DOOR):
        return f"imports {one.target}; ask {BACKENDS_DOOR} for a backend by its name"
    if FLOORS[theirs] < FLOORS[ours] or (ours, theirs) in SIDEWAYS:
        return None
    step = "up to" if FLOORS[theirs] > FLOORS[ours] else "sideways on"
    return f"imports {one.target}, {step} floor {FLOORS[theirs]}; '{ours}' is on floor {FLOORS[ours]}"


def floor_complaints(modules: Mapping[str, Module]) -> Iterator[str]:
    """One sentence for each import that goes up or sideways."""
    for module in modules.values():
        for one in module.imports:
            if one.target.split(".")[0] == "naiad" and (reason := complaint(module, one)):
                yield f"{module.where}:{one.line} {reason}"


def heavy_complaints(module: Module) -> Iterator[str]:
    """One sentence for each heavy library imported too early or in the wrong place."""
    for one in module.imports:
        library = one.target.split(".")[0]
        if library not in HEAVY or one.when == "types":
            continue
        if not module.where.startswith(HEAVY[library] or ("-",)):
            yield f"{module.where}:{one.line} imports {library}, whose home is {' or '.join(HEAVY[library]) or 'tests'}"
        elif one.when == "import" and not any(
            library == name and module.where.startswith(place) for name, place in HEAVY_AT_MODULE_LEVEL
        ):
            yield f"{module.where}:{one.line} imports {library} at module level; import it where it is first used"


def graph(modules: Mapping[str, Module]) -> dict[str, set[str]]:
    """Module → our modules that it imports, at import time or in a call; the package's lazy names do not count."""

    def resolve(target: str) -> str:
        return target if target in modules else target.rpartition(".")[0]

    return {
        name: {resolve(one.target) for one in module.imports if one.when != "types"} & modules.keys() - {name, "naiad"}
        for name, module in modules.items()
    }


def find_cycle(edges: Mapping[str, set[str]]) -> list[str]:
    """Some cycle, first name repeated at the end; empty if there is none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in sorted(edges[name]):
            if found := walk(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(edges) if (found := walk(name, []))), [])


def test_every_part_of_the_house_has_a_floor() -> None:
    assert sorted({unit(module.name) for module in MODULES} - {""} - FLOORS.keys()) == []


def test_imports_go_down_or_stay() -> None:
    assert list(floor_complaints(read_package())) == []


def test_no_import_cycles() -> None:
    assert find_cycle(graph(read_package())) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.where)
def test_heavy_libraries_stay_in_their_homes(module: Module) -> None:
    assert list(heavy_complaints(module)) == []


def test_no_catch_all_modules() -> None:
    """Of ours: `compat` has the names that others have chosen."""
    ours = [module for module in MODULES if not module.where.startswith("compat/")]
    assert [module.where for module in ours if CATCH_ALL & set(module.name.split("."))] == []


def test_every_module_says_why_it_exists() -> None:
    """An `__init__.py` may be empty; everything else begins with a docstring."""
    assert [module.where for module in MODULES if module.tree.body and not ast.get_docstring(module.tree)] == []


def write_module(folder: Path, source: str) -> Module:
    """A file of the folder scheduling/ with this source."""
    path = folder / "decide.py"
    path.write_text(source)
    return replace(read_module(path, "naiad.scheduling.decide"), path=PACKAGE / "scheduling" / "decide.py")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import naiad.wire.http", "up to floor 3"),
        ("from naiad.protocol import v2_json", "sideways on floor 1"),
        ("def late():\n    from naiad.server import Server", "up to floor 4"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from naiad.cli.main import main", "up to floor 5"),
        ("from ..serving.engine import Engine", "up to floor 2"),
        ("from naiad import Client", "has no floor"),
        ("from naiad.backends.identity import IdentityBackend", "ask naiad.backends.registry for a backend"),
        ("import naiad.backends.onnxruntime", "ask naiad.backends.registry for a backend"),
        ("from naiad.core.errors import NotFound\nfrom .queue import Queue\nimport numpy", ""),
    ],
)
def test_the_floor_rule_can_fail(tmp_path: Path, source: str, expected: str) -> None:
    module = write_module(tmp_path, source)
    complaints = list(floor_complaints({module.name: module}))
    assert [expected in line for line in complaints] == ([True] if expected else [])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import onnxruntime", "whose home is"),
        ("import hpack", "whose home is"),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None", "whose home is"),
        ("def late():\n    import yaml", "whose home is"),
        ("import onnx_thing", ""),
    ],
)
def test_the_heavy_rule_can_fail(tmp_path: Path, source: str, expected: str) -> None:
    complaints = list(heavy_complaints(write_module(tmp_path, source)))
    assert [expected in line for line in complaints] == ([True] if expected else [])


def test_the_cycle_rule_can_fail() -> None:
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
