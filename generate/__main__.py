"""Writes the files that follow from others.

python -m generate           write them (make generate)
python -m generate --check   write nothing; exit with 1 and name those that are out of date
"""

from __future__ import annotations

import sys
from pathlib import Path

from generate import async_client, benchmarks, families, manifests, pages

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Write the files, or compare them."""
    wanted = pages.render() | families.render() | benchmarks.render() | async_client.render() | manifests.render()
    stale = {path: text for path, text in wanted.items() if not _is_same(path, text)}
    names = [path.relative_to(ROOT).as_posix() for path in stale]
    if "--check" in sys.argv[1:]:
        if stale:
            raise SystemExit(f"out of date: {', '.join(names)}; run `make generate`")
        return
    for path, text in stale.items():
        path.write_text(text, encoding="utf-8")
    sys.stdout.writelines(f"wrote {name}\n" for name in names)


def _is_same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    main()
