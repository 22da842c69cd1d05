"""Reading a manifest file, whichever of the two formats it has."""

from __future__ import annotations

from pathlib import Path

from naiad.core.errors import InvalidConfiguration, NotFound
from naiad.repository.manifest.entry import Manifest
from naiad.repository.manifest.hfmodels import manifest_from_hfmodels
from naiad.repository.manifest.naiad_yaml import ReadSecret, manifest_from_yaml
from naiad.repository.manifest.secret import secret_from_environment

_LARGEST_BYTES = 4 * 2**20


def read_manifest(path: Path, read_secret: ReadSecret = secret_from_environment) -> Manifest:
    """Read `naiad.yaml` (.yaml, .yml) or `hfmodels.json` (.json).

    read_secret: gives the token that `token_env` of the former names.
    Raises NotFound if there is no such file and InvalidConfiguration for whatever is wrong in it.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InvalidConfiguration(
                f"{path} is larger than {_LARGEST_BYTES} bytes; is it a manifest?", file=str(path)
            )
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no manifest {path}; write one that lists models, such as: models: [{{source: org/name}}]",
            file=str(path),
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidConfiguration(f"{path} is not UTF-8 text", file=str(path)) from error
    except OSError as error:
        raise InvalidConfiguration(f"{path} cannot be read: {error.strerror}", file=str(path)) from error
    if path.suffix in (".yaml", ".yml"):
        return manifest_from_yaml(text, path, read_secret)
    if path.suffix == ".json":
        return manifest_from_hfmodels(text, path)
    raise InvalidConfiguration(
        f"{path}: a manifest is a .yaml file (naiad.yaml) or a .json file (hfmodels.json)", file=str(path)
    )
