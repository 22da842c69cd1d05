"""The seam to huggingface_hub: what is asked of the Hub.

Besides `hub_errors` and `push` no other file imports the library. Contents go into its own cache by its own functions.
One thing is added: since version 2 the library throws a partial file away when a download fails, so large files are
brought by its `http_get` into a partial file that stays, are checked, and only then become blobs that the library
finds. Files that the Hub keeps in Xet are left to hf_xet; HF_HUB_DISABLE_XET=1 makes those resumable too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from naiad.core.errors import DownloadFailed, InvalidConfiguration, NaiadError
from naiad.repository.hub.cache import UNKNOWN, CachedRepository, HubFile, content_fault
from naiad.repository.hub.hub_errors import HubErrors, XetFailed, without_password
from naiad.repository.hub.retries import Retries
from naiad.repository.manifest.secret import Secret
from naiad.repository.progress import Meter, Progress

Result = TypeVar("Result")
RESUMABLE_FROM_BYTES = 2**20
"""Smaller files are not worth the extra request."""
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Listing:
    """What a repository holds at one commit."""

    commit: str
    files: tuple[HubFile, ...]
    is_private: bool = False
    """Whether only some may download it: a private repository, or one with terms to be accepted."""


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids requests."""
    from huggingface_hub.constants import is_offline_mode

    return is_offline_mode()


def default_cache() -> Path:
    """The library's cache: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE).expanduser()


def default_endpoint() -> str:
    """HF_ENDPOINT, or the public Hub."""
    from huggingface_hub.constants import ENDPOINT

    return str(ENDPOINT)


def checked_endpoint(endpoint: str) -> str:
    """The address without a slash at its end. Raises InvalidConfiguration for one that is no web address."""
    match = re.fullmatch(r"https?://[^\s/?#]+(?:/[^\s?#]*)?", endpoint)
    if match is None:
        scheme = "" if "://" in endpoint else f"; did you mean https://{endpoint}?"
        raise InvalidConfiguration(
            f"HF_ENDPOINT is '{without_password(endpoint)}', which is not a web address: begin it with https:// or "
            f"http://{scheme}",
            setting="HF_ENDPOINT",
        )
    return endpoint.rstrip("/")


def uses_xet() -> bool:
    """Whether the library will hand Xet files to hf_xet."""
    from huggingface_hub.constants import HF_HUB_DISABLE_XET

    return not HF_HUB_DISABLE_XET and find_spec("hf_xet") is not None


class HubClient:
    """Requests about one repository."""

    def __init__(self, cache: CachedRepository, token: Secret | None, endpoint: str | None, retries: Retries) -> None:
        self._cache, self._repo_id = cache, cache.repo_id
        self._token = token.reveal() if token else None
        self._endpoint = checked_endpoint(endpoint or default_endpoint())
        self._words = HubErrors(self._repo_id, without_password(self._endpoint), token)
        self._retries = retries

    def list_files(self, revision: str) -> Listing:
        """Resolve a revision and list its files, sizes and checksums.

        Raises HubUnavailable, NotFound, DownloadFailed.
        """
        from huggingface_hub import HfApi

        api = HfApi(endpoint=self._endpoint, token=self._token)
        ask = partial(api.model_info, self._repo_id, revision=revision, files_metadata=True, timeout=_TIMEOUT_S)
        info = self._ask(f"{self._repo_id}@{revision}", ask)
        if not info.sha or info.siblings is None:
            raise DownloadFailed(
                f"{without_password(self._endpoint)} does not answer like a Hub: no commit, no files; check HF_ENDPOINT"
            )
        files = tuple(filter(None, map(_hub_file, info.siblings)))
        return Listing(info.sha, files, is_private=bool(info.private or info.gated))

    def fetch_file(self, commit: str, file: HubFile, progress: Progress) -> Path:
        """Bring one file into the cache; give the link in the snapshot.

        Raises HubUnavailable, NotFound, DownloadFailed.
        """
        if file.size_bytes >= RESUMABLE_FROM_BYTES:
            self._ask(file.path, partial(self._fetch_blob, commit, file, progress))
        by_library = partial(self._fetch_by_library, commit, file, progress)
        try:
            return Path(self._ask(file.path, by_library))
        except XetFailed as error:
            # Firewalls that let the Hub through often stop its Xet hosts.
            progress.note(f"{error.message}; continuing over plain HTTP")
        self._ask(file.path, partial(self._fetch_blob, commit, file, progress, xet_counts=False))
        return Path(self._ask(file.path, by_library))

    def _fetch_by_library(self, commit: str, file: HubFile, progress: Progress) -> str:
        from huggingface_hub import hf_hub_download

        path = hf_hub_download(
            self._repo_id,
            file.path,
            revision=commit,
            cache_dir=self._cache.cache_dir,
            endpoint=self._endpoint,
            token=self._token,
            etag_timeout=_TIMEOUT_S,
            tqdm_class=self._meters(progress, file),
        )
        progress.advance(self._label(file), max(0, file.size_bytes), max(0, file.size_bytes))
        return str(path)

    def _fetch_blob(self, commit: str, file: HubFile, progress: Progress, *, xet_counts: bool = True) -> None:
        """Download, or go on downloading, one content into `blobs`; nothing to do if hf_xet is going to."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import WeakFileLock, build_hf_headers  # type: ignore[attr-defined] # no __all__ there

        url = hf_hub_url(self._repo_id, file.path, revision=commit, endpoint=self._endpoint)
        found = get_hf_file_metadata(url, token=self._token, timeout=_TIMEOUT_S, endpoint=self._endpoint)
        if not found.etag or (found.xet_file_data is not None and uses_xet() and xet_counts):
            return
        blob, lock = self._cache.blob(found.etag), self._cache.lock(found.etag)
        blob.parent.mkdir(parents=True, exist_ok=True)
        lock.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._cache.unfinished(found.etag)
        headers = {**build_hf_headers(token=self._token), "Accept-Encoding": "identity"}
        with WeakFileLock(lock):
            if blob.exists():
                return
            with unfinished.open("ab") as body:
                if body.tell() > file.size_bytes:
                    body.truncate(0)
                http_get(
                    url,
                    body,
                    resume_size=body.tell(),
                    headers=headers,
                    expected_size=file.size_bytes,
                    tqdm_class=self._meters(progress, file),
                )
            fault = content_fault(unfinished, file)
            if fault:
                unfinished.unlink()
                raise DownloadFailed(f"{file.path} {fault}: the download was damaged and is discarded; try again")
            unfinished.replace(blob)

    def _label(self, file: HubFile) -> str:
        """For people; models that are fetched side by side have files of the same name."""
        return f"{self._repo_id.rpartition('/')[2]}/{file.path}"

    def _meters(self, progress: Progress, file: HubFile) -> Any:
        """What the library takes for a tqdm class; of tqdm's arguments only `initial` counts here."""
        label = self._label(file)

        class FileMeter(Meter):
            def __init__(self, *_: object, initial: int = 0, **__: object) -> None:
                super().__init__(progress, label, file.size_bytes, initial)

        return FileMeter

    def _ask(self, what: str, call: Callable[[], Result]) -> Result:
        return self._retries.call(partial(self._translated, what, call))

    def _translated(self, what: str, call: Callable[[], Result]) -> Result:
        import httpx2

        try:
            return call()
        except NaiadError:
            raise
        except (httpx2.HTTPError, OSError, ValueError, KeyError, RuntimeError) as error:  # the last: hf_xet's
            # A protocol error of our own making quotes the header that holds the token.
            raise self._words.of(what, error) from (None if isinstance(error, httpx2.LocalProtocolError) else error)


def _hub_file(sibling: Any) -> HubFile | None:
    """A file of the listing; None for a name that no model needs and no disk should see (control characters, ..)."""
    size = UNKNOWN if sibling.size is None else int(sibling.size)
    sha256 = sibling.lfs.sha256 if sibling.lfs else ""
    try:
        return HubFile(sibling.rfilename, size, sha256, "" if sha256 else sibling.blob_id or "")
    except InvalidConfiguration:
        return None
