"""Who is made of whom: what follows from that for loading and unloading. Pure functions over names.

`parts`: by the name of an ensemble, the names of the models that it is made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

Parts = Mapping[str, AbstractSet[str]]


def dependents(parts: Parts, changed: Iterable[str]) -> list[str]:
    """Return the ensembles that are made of any of the models, over others too; parts before what is made of them."""
    users: dict[str, list[str]] = {}
    for name in sorted(parts):
        for part in parts[name]:
            users.setdefault(part, []).append(name)
    found: dict[str, None] = {}
    new = list(changed)
    while new:
        for name in users.get(new.pop(), ()):
            if name not in found:
                found[name] = None
                new.append(name)
    return [name for name in parts_first(parts, sorted(found)) if name in found]


def parts_first(parts: Parts, names: Iterable[str]) -> list[str]:
    """Return models and all that they are made of, each behind its own parts; a circle is cut somewhere."""
    ordered: dict[str, None] = {}
    entered: set[str] = set()
    stack = [(name, False) for name in reversed(list(names))]
    while stack:
        name, is_done = stack.pop()
        if is_done:
            ordered[name] = None
        elif name not in entered:
            entered.add(name)
            stack.append((name, True))
            stack += [(part, False) for part in sorted(parts.get(name, ()), reverse=True)]
    return list(ordered)


def circle(parts: Parts, name: str) -> str:
    """Return the ensemble whose part the named one is, in a circle that goes through it; empty: there is none."""
    for part in parts_first(parts, [name]):
        if name in parts.get(part, ()):
            return part
    return ""


def unloaded_with(parts: Parts, name: str, wanted: AbstractSet[str]) -> list[str]:
    """Return what goes with an ensemble: its parts, and theirs, that nobody asked for and nothing else is made of.

    wanted: models that were asked for by name. Source: Triton, model repository extension, `unload_dependents`.
    """
    left = {one: set(of) for one, of in parts.items()}
    gone, new = [], [name]
    while new:
        freed = left.pop(new.pop(0), set())
        for part in sorted(freed):
            if part not in wanted and part not in gone and not any(part in of for of in left.values()):
                gone.append(part)
                new.append(part)
    return gone
