"""What runs in a worker's Python must do so in 3.9, with numpy and the standard library alone."""

from __future__ import annotations

import ast
import sys

import pytest
from source import Module, read_package

from naiad.backends.python.worker.datatypes import TABLE as WORKERS_TABLE
from naiad.core.datatypes import TABLE

OLDEST = (3, 9)
HOME = "naiad.backends.python.worker"
MODULES = [module for name, module in read_package().items() if name.startswith(HOME)]


def test_there_is_a_worker() -> None:
    assert len(MODULES) > 20


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.where)
def test_its_imports(module: Module) -> None:
    found = {one.target for one in module.imports if not one.target.startswith(HOME)}
    assert {name.split(".")[0] for name in found} - sys.stdlib_module_names <= {"numpy"}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.where)
def test_its_syntax(module: Module) -> None:
    ast.parse(module.path.read_text(), feature_version=OLDEST)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.where)
def test_it_names_itself_by_no_name(module: Module) -> None:
    """In a worker, the package is called otherwise."""
    assert "naiad.backends" not in module.path.read_text()


def test_both_ends_have_the_same_datatypes() -> None:
    assert [(row.name, row.config_name, row.number, row.numpy) for row in WORKERS_TABLE] == [
        (row.name, row.config_name, row.config_number, row.numpy) for row in TABLE
    ]
