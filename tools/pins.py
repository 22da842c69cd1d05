"""The pins of requirements/*.txt, for the tools that complete and check them.

A pin is one line, `name==version; marker`, and the hashes on the lines that continue it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
ONE_ENVIRONMENT = ("base", "dev", "torch", "torch-itself", "model", "fuzz")
"""Files that are installed side by side in .venv; the others (bench-*) are of other servers, each in its own place."""
HASHED = (*ONE_ENVIRONMENT, "stores", "kubernetes", "kserve", "ray", "image", "gpu")
"""Files whose packages are checked when they are installed."""
UNHASHED = ("torch-itself",)
"""Of these, those whose packages are not the same files everywhere."""

_HASH = re.compile(r"\s+--hash=(\S+)")


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of a requirements file."""

    name: str
    """As the index has it: lower case, with dashes."""
    requirement: str
    """As in the file, without hashes and comment."""
    hashes: tuple[str, ...] = ()
    """`sha256:…`, of each file that may be installed."""

    @property
    def version(self) -> str:
        """The exact version; empty if the line does not say one."""
        specifiers = list(Requirement(self.requirement).specifier)
        return specifiers[0].version if len(specifiers) == 1 and specifiers[0].operator == "==" else ""


def path_of(name: str) -> Path:
    """Return the file of that name: `base` → requirements/base.txt."""
    return FOLDER / f"{name}.txt"


def read_pins(text: str) -> Iterator[Pin]:
    """Yield the pins of a requirements file; files that it includes are left out."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        plain = re.sub(r"(^|\s)#.*", "", line).strip()
        if plain and not plain.startswith("-"):
            requirement = _HASH.sub("", plain).strip()
            yield Pin(canonicalize_name(Requirement(requirement).name), requirement, tuple(_HASH.findall(plain)))
