"""What a loaded version is made of, as one digest: servers that share a cache share the answers of equal digests alone.

It covers the bytes of every file in the model's folder, but for hidden ones and those of other versions, what the
operator asked for besides, and this version of Naiad. Not covered: what a model's own code reads elsewhere.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from naiad import __version__
from naiad.core.machine.file_digests import digest_of
from naiad.loading.plan import PlannedModel
from naiad.repository import Signature, signature
from naiad.serving.model import ServedModel


def load(model: PlannedModel, *, reads_contents: bool) -> tuple[list[ServedModel], bytes | None]:
    """Load a version and say what it is made of, if it asks for the response cache. Blocks. Raises NaiadError.

    None: nobody wants to know, or it is not certain: it has no files, or they changed meanwhile.
    """
    folder = model.folder
    if not reads_contents or folder is None:
        return model.load(), None
    before = signature(folder)
    loaded = model.load()
    if not any(one.config.uses_response_cache for one in loaded):
        return loaded, None
    try:
        contents = digest_contents(model, folder, before)
    except OSError:
        return loaded, None
    return loaded, contents if signature(folder) == before else None


def digest_contents(model: PlannedModel, folder: Path, files: Signature) -> bytes:
    """Return the digest. files: of the folder. Raises OSError."""
    others = {child.name for child in folder.iterdir() if child.name.isdigit()} - {model.version}
    digest = hashlib.blake2b(repr((__version__, model.asked)).encode(), digest_size=32)
    for name, *_ in files:
        if name.endswith("/") or Path(name).parts[0] in others:
            continue
        digest.update(repr((name, digest_of(folder / name))).encode(errors="surrogatepass"))
    return digest.digest()
