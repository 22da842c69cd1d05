"""The folder that comes out: the source's configuration, tokenizer and modules, weights as asked for, a record.

Which files those are is `naiad.repository.hub.choose`'s knowledge, the same as for a download.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from naiad.core.errors import InvalidConfiguration, LoadFailed
from naiad.repository.checkpoint import INDEX, SINGLE, Checkpoint
from naiad.repository.checkpoint.json_files import read_json
from naiad.repository.hub.choose import Selection, choose_files

LEGAL = ("LICENSE*", "LICENCE*", "NOTICE*", "COPYING*")
"""Files that are copied when the weights are."""


@contextmanager
def making(out: Path) -> Iterator[Path]:
    """A folder beside OUT that becomes OUT when the block ends well, and is gone when it does not.

    Raises InvalidConfiguration where something is in OUT already, LoadFailed where the disk does not take the files.
    """
    check_empty(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as temporary:
            made = Path(temporary) / "made"
            made.mkdir()
            yield made
            if out.is_dir():
                out.rmdir()
            made.rename(out)
    except OSError as error:
        raise LoadFailed(f"{out} cannot be written: {error}", path=str(out)) from error


def check_empty(out: Path) -> None:
    """Raise InvalidConfiguration where OUT is a file, or a folder with something in it."""
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        raise InvalidConfiguration(f"{out} already exists; choose another folder, or empty this one", path=str(out))


def copy_checkpoint(folder: Path, into: Path, *, weights: bool = True) -> None:
    """Copy what a served checkpoint needs; without weights those of its modules all the same (Dense layers)."""
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    body = Checkpoint(folder).body.relative_to(folder)
    if not weights:  # the weights may be pickles; the choice must not stumble over them
        names = sorted({*names, (body / SINGLE).as_posix()})
    choice = choose_files(names, lambda name: read_json(folder / name), lambda _: True, Selection("safetensors"))
    legal = [path.name for pattern in LEGAL for path in folder.glob(pattern) if path.is_file()]
    for name in (*choice.files, *legal):
        path = Path(name)
        if not weights and path.parent == body and (path.suffix == ".safetensors" or path.name == INDEX):
            continue
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / path, into / path)


def folder_bytes(folder: Path) -> int:
    """Return the size in bytes of the files directly in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def write_card(folder: Path, section: Mapping[str, Any]) -> None:
    """Add a section on the conversion to the model card; without one, a card of nothing else."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace").rstrip() + "\n\n" if card.is_file() else ""
    lines = [f"- {name}: {value}" for name, value in section.items() if value]
    card.write_text(text + "## Converted by Naiad\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
