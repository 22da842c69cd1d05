"""The source tree as the contract tests see it: modules and what they import, read with `ast`, never imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "naiad"


@dataclass(frozen=True)
class Import:
    """One name that one module imports."""

    target: str
    """Dotted: `naiad.core.errors`, `numpy`; for `from x import y` it is `x.y`."""
    line: int
    when: str
    """"import" = when the module is imported; "call" = inside a function; "types" = under TYPE_CHECKING."""


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str
    path: Path
    tree: ast.Module
    imports: tuple[Import, ...]

    @property
    def where(self) -> str:
        """The path below the package, for messages."""
        return self.path.relative_to(PACKAGE).as_posix()


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _targets(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        parents = package.split(".")
        base = ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [base])])
    yield from (f"{base}.{alias.name}" for alias in node.names)


def _imports(node: ast.AST, package: str, when: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield from (Import(target, child.lineno, when) for target in _targets(child, package))
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and when == "import":
            yield from _imports(child, package, "call")
        elif _is_type_checking(child):
            yield from _imports(child, package, "types")
        else:
            yield from _imports(child, package, when)


def read_module(path: Path, name: str) -> Module:
    """Parse one file. Raises SyntaxError."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return Module(name, path, tree, tuple(_imports(tree, package, "import")))


@cache
def read_package() -> dict[str, Module]:
    """Every module of the package, by dotted name."""
    modules = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = read_module(path, name)
    return modules
