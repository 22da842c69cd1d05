"""What a package's `__init__` promises in `__all__` exists, is documented, and is all that it holds."""

from __future__ import annotations

import ast
import importlib
import inspect
import typing

import pytest
from source import Module, read_package

import naiad.errors

PACKAGES = [module for module in read_package().values() if module.path.name == "__init__.py"]
PROMISING = [module for module in PACKAGES if module.tree.body]


def bound_names(tree: ast.Module) -> set[str]:
    """Public names that the statements of an `__init__` bind, those under TYPE_CHECKING included."""
    found: set[str] = set()
    typed = [node for one in tree.body if isinstance(one, ast.If) for node in one.body]
    for node in [*tree.body, *typed]:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("naiad"):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {name for name in found if not name.startswith("_")}


def names_of_all(module: Module) -> list[str]:
    """`__all__` as it stands in the file."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return []


@pytest.mark.parametrize("module", PROMISING, ids=lambda module: module.name)
def test_the_list_is_what_the_file_binds(module: Module) -> None:
    names = names_of_all(module)
    assert sorted(name for name in names if not name.startswith("_")) == sorted(bound_names(module.tree))


@pytest.mark.parametrize("module", PROMISING, ids=lambda module: module.name)
def test_every_listed_name_exists_and_is_documented(module: Module) -> None:
    package = importlib.import_module(module.name)
    for name in names_of_all(module):
        value = getattr(package, name)
        assert inspect.getdoc(value) or typing.get_origin(value) or isinstance(value, str), f"{module.name}.{name}"


@pytest.mark.parametrize("module", PROMISING, ids=lambda module: module.name)
def test_an_init_lists_names_and_nothing_else(module: Module) -> None:
    """No classes and no functions except the two that make a lazy import."""
    defined = [node.name for node in module.tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    assert sorted(set(defined) - {"__getattr__", "__dir__"}) == []


def test_every_error_of_the_tree_is_public() -> None:
    """Further classes, of the Hub for example, are known as their base."""

    def tree(base: type[Exception]) -> set[str]:
        return {base.__name__}.union(*(tree(one) for one in base.__subclasses__() if one.__module__ in homes))

    homes = ("naiad.core.errors", "naiad.client.errors")
    assert sorted(naiad.errors.__all__) == sorted(tree(naiad.errors.NaiadError))
