"""From a manifest to the Dockerfile of an image that serves it.

Nothing is fetched. The image has no shell, so that every RUN is in the form that needs none.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from naiad.cli.sources import MANIFEST
from naiad.core.errors import AlreadyExists, InvalidConfiguration
from naiad.loading.fetching import LOCK
from naiad.repository import (
    FolderReference,
    HubReference,
    Manifest,
    ModelEntry,
    PackageReference,
    StoreReference,
    read_manifest,
)

_HOME = "/srv"
"""The image's working directory."""
_TOKEN = "/run/secrets/hf_token"  # noqa: S105 - where one is, not one
_CACHES = {"HF_HOME": f"{_HOME}/huggingface", "NAIAD_LOCK": f"{_HOME}/{LOCK}"}
"""Of baked models: not below /cache, which is a volume, and is empty in every new container."""


_OPENS = f"""import os
for top, folders, files in os.walk('{_HOME}'):
    for name in folders: os.chmod(os.path.join(top, name), 0o755)
    for name in files: os.chmod(os.path.join(top, name), 0o644)"""
"""What comes from private repositories can be read by one user alone, as it should be on a machine."""


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """What the image is to hold."""

    folder: Path
    image: str
    """To build on."""
    is_baked: bool
    local: tuple[str, ...]
    """Folders of the manifest, relative to its own."""
    hub: tuple[str, ...]
    """Sources on the Hub."""
    variables: tuple[str, ...]
    """Variables with tokens that containers must be given."""
    has_lock: bool

    @classmethod
    def of(cls, folder: Path, image: str, *, is_baked: bool) -> ImagePlan:
        """Read the manifest in a folder.

        Raises NotFound if there is none, and InvalidConfiguration for what cannot be put into an image.
        """
        manifest = read_manifest(folder / MANIFEST)
        hub = tuple(str(entry.source) for entry in manifest.models if isinstance(entry.source, HubReference))
        variables = {entry.token.origin.removeprefix("$") for entry in manifest.models if entry.token is not None}
        local = tuple(dict.fromkeys(_local(manifest, folder)))
        for entry in manifest.models:
            _check(entry, is_baked=is_baked)
        return cls(folder, image, is_baked, local, hub, tuple(sorted(variables)), (folder / LOCK).is_file())

    @property
    def hints(self) -> tuple[str, ...]:
        """What to type next."""
        name = re.sub(r"[^a-z0-9]+", "-", self.folder.resolve().name.lower()).strip("-") or "models"
        secret = " --secret id=hf_token,env=HF_TOKEN" if self.is_baked and self.hub else ""
        runs = "" if self.is_baked else "".join(f" -e {one}" for one in self.variables or ("HF_TOKEN",) if self.hub)
        return (
            f"build it:  docker build{secret} -t {name} {shlex.quote(str(self.folder))}",
            f"run it:    docker run --rm -p 8000:8000 -p 8001:8001 -p 8002:8002{runs} {name}",
        )


def _local(manifest: Manifest, folder: Path) -> Iterator[str]:
    root = folder.resolve()
    for entry in manifest.models:
        if isinstance(entry.source, FolderReference):
            path = entry.source.path.resolve()
            if not path.is_relative_to(root) or path == root:
                raise InvalidConfiguration(
                    f"{entry.source}: an image can hold only what lies in a folder below {folder}; copy it there, and "
                    "name it in naiad.yaml as ./FOLDER"
                )
            if entry.source.path.relative_to(folder.absolute()).as_posix() != path.relative_to(root).as_posix():
                raise InvalidConfiguration(f"{entry.source} is a link to {path}; name that folder in naiad.yaml")
            yield path.relative_to(root).as_posix()


def _check(entry: ModelEntry, *, is_baked: bool) -> None:
    if isinstance(entry.source, PackageReference):
        raise InvalidConfiguration(
            f"{entry.source}: the image has no such package; copy the model's folder beside naiad.yaml, and name that"
        )
    if is_baked and isinstance(entry.source, StoreReference):
        raise InvalidConfiguration(
            f"{entry.source}: models of object stores are fetched at start; leave --bake out, or copy the folder "
            "beside naiad.yaml, and name that"
        )
    if is_baked and entry.token is not None:
        raise InvalidConfiguration(
            f"{entry.source}: --bake reads one token, HF_TOKEN, while the image is built; leave token_env out of "
            "naiad.yaml, or leave --bake out"
        )


def write_files(plan: ImagePlan, *, replaces: bool) -> list[Path]:
    """Write Dockerfile and .dockerignore; returns their paths.

    Raises AlreadyExists for a Dockerfile that is there, unless it may be replaced.
    """
    dockerfile = plan.folder / "Dockerfile"
    ignore = plan.folder / "Dockerfile.dockerignore"
    if dockerfile.exists() and not replaces:
        raise AlreadyExists(f"{dockerfile} exists; --force replaces it")
    dockerfile.write_text("\n".join(_lines(plan)) + "\n", encoding="utf-8")
    kept = [MANIFEST, *([LOCK] if plan.has_lock else []), *plan.local]
    ignore.write_text("\n".join(["*", *(f"!{name}" for name in kept)]) + "\n", encoding="utf-8")
    return [dockerfile, ignore]


def _lines(plan: ImagePlan) -> Iterator[str]:
    listed = [MANIFEST, *([LOCK] if plan.has_lock else [])]
    copies = [
        "COPY " + json.dumps([*listed, f"{_HOME}/"]),
        *("COPY " + json.dumps([name, f"{_HOME}/{name}"]) for name in plan.local),
    ]
    yield "# Written by naiad containerize for the models of naiad.yaml."
    if not (plan.is_baked and plan.hub):
        yield f"FROM {plan.image}"
        yield from copies
        yield 'CMD ["serve"]'
        return
    settings = " ".join(f"{name}={value}" for name, value in _CACHES.items())
    yield f"FROM {plan.image} AS models"
    yield "USER 0"
    yield from copies
    yield f"ENV {settings} HF_TOKEN_PATH={_TOKEN}"
    yield 'RUN --mount=type=secret,id=hf_token,uid=0 ["naiad", "pull"]'
    yield "# Whoever has the image has its models; whatever user it runs as must be able to read them."
    yield f"RUN {json.dumps(['/usr/bin/python3', '-c', _OPENS])}"
    yield ""
    yield f"FROM {plan.image}"
    yield f"COPY --from=models {_HOME}/ {_HOME}/"
    yield f"ENV {settings} HF_HUB_OFFLINE=1"
    yield 'CMD ["serve"]'
