"""Uploading a folder that can be served to the Hub, in one commit, with a model card if it has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from naiad.core.errors import Failed, InvalidConfiguration, NaiadError
from naiad.repository.hub.client import checked_endpoint, default_endpoint
from naiad.repository.hub.hub_errors import HubErrors, without_password
from naiad.repository.hub.retries import Busy
from naiad.repository.layout import Layout, LayoutKind, recognise
from naiad.repository.leaving import files_that_may_leave
from naiad.repository.manifest.secret import Secret
from naiad.repository.progress import Progress, SilentProgress, size_text
from naiad.repository.reference import HubReference

_PUBLIC_HUB = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class PushSettings:
    """How to push."""

    token: Secret | None = None
    """None: HF_TOKEN or the saved login."""
    is_private: bool = False
    """For a repository that is made by this push."""
    allow_code: bool = False
    task: str = ""
    """For the card's front matter."""
    message: str = "Upload a servable model"
    endpoint: str | None = None
    progress: Progress = field(default_factory=SilentProgress)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was uploaded."""

    reference: HubReference
    """With the new commit as its revision."""
    url: str
    files: tuple[str, ...]


def push(folder: Path, target: HubReference, settings: PushSettings) -> Pushed:
    """Upload a folder to a repository, which is made if need be; blocks.

    Raises InvalidConfiguration for a folder that cannot be served or must not leave the machine, and what fetching
    raises for tokens and an unreachable Hub.
    """
    layout = recognise(folder)
    files = files_that_may_leave(folder, allow_code=settings.allow_code)
    if target.subfolder and layout.kind is LayoutKind.TRITON_REPOSITORY:
        raise InvalidConfiguration(f"{target}: a model repository is pushed to the top of a Hub repository")
    card = None if "README.md" in files else model_card(layout, target, settings.task)
    endpoint = checked_endpoint(settings.endpoint or default_endpoint())
    size = sum((folder / path).stat().st_size for path in files)
    settings.progress.note(f"uploading {folder.name} ({size_text(size)}) to {target}")
    words = HubErrors(target.repo_id, without_password(endpoint), settings.token)
    commit = _translated(words, str(target), partial(_upload, folder, files, card, target, endpoint, settings))
    paths = tuple(sorted([*files, "README.md"] if card is not None else files))
    reference = HubReference(target.repo_id, commit, target.subfolder)
    return Pushed(reference, f"{without_password(endpoint)}/{target.repo_id}/tree/{commit}", paths)


def _upload(
    folder: Path, files: Sequence[str], card: str | None, target: HubReference, endpoint: str, settings: PushSettings
) -> str:
    """One commit with all files, so that nobody ever pulls half of a model; gives its name."""
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(endpoint=endpoint, token=settings.token.reveal() if settings.token else None)
    api.create_repo(target.repo_id, private=settings.is_private or None, exist_ok=True)
    branch = target.revision or "main"
    if branch != "main":
        api.create_branch(target.repo_id, branch=branch, exist_ok=True)
    prefix = f"{target.subfolder}/" if target.subfolder else ""
    with ExitStack() as stack:
        contents: dict[str, Any] = {path: _content(folder / path, endpoint, stack) for path in files}
        if card is not None:
            contents["README.md"] = card.encode()
        operations = [CommitOperationAdd(prefix + path, content) for path, content in sorted(contents.items())]
        info = api.create_commit(target.repo_id, operations, commit_message=settings.message, revision=branch)
    return str(info.oid)


def _content(path: Path, endpoint: str, stack: ExitStack) -> Any:
    """Paths go by Xet where hf_xet is there; open files by plain git-lfs, which is all that other Hubs speak."""
    return str(path) if endpoint == _PUBLIC_HUB else stack.enter_context(path.open("rb"))


def _translated(words: HubErrors, what: str, call: Callable[[], str]) -> str:
    import httpx2

    try:
        return call()
    except NaiadError:
        raise
    except (httpx2.HTTPError, OSError, ValueError, KeyError, RuntimeError) as error:
        # The library wraps whatever one file's upload met in a RuntimeError.
        met = error.__cause__ if isinstance(error, RuntimeError) else error
        ours = words.of(what, met if isinstance(met, Exception) else error)
        raise (Failed(f"{ours.reason}; push again later") if isinstance(ours, Busy) else ours) from error


def model_card(layout: Layout, target: HubReference, task: str = "") -> str:
    """A README.md that says how to serve what lies in the repository."""
    front = ["---", "library_name: naiad", *([f"pipeline_tag: {task}"] if task else []), "---"]
    source = f"hf://{target.repo_id}" + (f"/{target.subfolder}" if target.subfolder else "")
    if layout.models:
        what = "Triton models: " + ", ".join(f"`{model.name}`" for model in layout.models) + "."
    else:
        what = f"A checkpoint ({size_text(_bytes_of(layout))} of weights)" + (f" for {task}." if task else ".")
    serve = ["```", "pip install naiad", f"naiad serve {source}", "```"]
    return "\n".join([*front, "", f"# {target.default_name}", "", what, "", "Serve it:", "", *serve, ""])


def _bytes_of(layout: Layout) -> int:
    weights = layout.safetensors or layout.onnx
    if weights is None:
        return 0
    return sum(
        path.stat().st_size for path in weights.parent.iterdir() if path.suffix in (".safetensors", weights.suffix)
    )
