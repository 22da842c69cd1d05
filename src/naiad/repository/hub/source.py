"""Source: a repository of the Hugging Face Hub.

The order of things: if the lock knows the source and the cache has its files, nobody is asked. Else the revision is
resolved to a commit, the files needed are chosen, downloaded and checked, and the lock is written. If the Hub cannot
be had, what is cached is served, and that is said.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from naiad.core.errors import DownloadFailed, InvalidConfiguration, LoadFailed, NotFound
from naiad.repository.checkpoint.json_files import read_json
from naiad.repository.contract import Fetched, FetchedFile, FetchSettings
from naiad.repository.hub.cache import CachedRepository, HubFile
from naiad.repository.hub.choose import Choice, Selection, choose_files
from naiad.repository.hub.client import HubClient, default_cache, is_offline
from naiad.repository.hub.download import download, faults, with_checksums
from naiad.repository.hub.hub_errors import NoSuchRevision
from naiad.repository.hub.lock import LockedSource, read_lock, write_lock
from naiad.repository.hub.retries import HubUnavailable, Retries
from naiad.repository.layout import recognise
from naiad.repository.manifest.entry import ModelEntry
from naiad.repository.progress import SilentProgress, size_text
from naiad.repository.reference import HubReference

RETRY_S, RETRY_WITH_CACHE_S = 90.0, 10.0


class HubSource:
    """Downloads what is needed, once."""

    def fetch(self, entry: ModelEntry, settings: FetchSettings) -> Fetched:
        """See Source."""
        if not isinstance(entry.source, HubReference):
            raise InvalidConfiguration(f"{entry.source} is not a Hub repository", reference=str(entry.source))
        if entry.source.note:  # at once: whoever meant a folder need not wait for the Hub
            settings.progress.note(entry.source.note)
        try:
            fetched = _fetch(entry, entry.source, settings)
        except (NotFound, DownloadFailed) as error:
            if not entry.source.note:
                raise
            raise type(error)(f"{error.message}; {entry.source.note}", **error.detail) from error
        recognise(fetched.folder, onnx=entry.onnx_file)
        return fetched


def _fetch(entry: ModelEntry, reference: HubReference, settings: FetchSettings) -> Fetched:
    """Fetch what a reference means: the first of its readings that there is. Raises what `_Fetch.run` raises."""
    fetches = [_Fetch(entry, reading, settings) for reading in reference.readings()]
    fetches.sort(key=lambda one: not one.is_known)  # stable: as written, unless another is known to be meant
    missing: list[NoSuchRevision] = []
    for one in fetches:
        try:
            fetched = one.run()
        except NoSuchRevision as error:
            missing.append(error)
            continue
        if one.reference != reference:
            settings.progress.note(f"'{one.reference.revision}' is a branch of {reference.repo_id}: {one.reference}")
        return fetched
    if len(fetches) == 1:
        raise missing[0]
    names = ", ".join(sorted(f"'{one.reference.revision}'" for one in fetches))
    raise NotFound(f"{reference.repo_id} has no branch, tag or commit {names}", repository=reference.repo_id)


@dataclass(slots=True)
class _Fetch:
    """One fetch of one source."""

    entry: ModelEntry
    reference: HubReference
    settings: FetchSettings

    def run(self) -> Fetched:
        """See the file's docstring."""
        locked = self._locked()
        same_files = locked is not None and locked.selection == self._selection
        if locked is not None and same_files and not self.settings.update:
            broken = faults(self._cache, locked.commit, locked.files, anew=self.settings.verify)
            if not broken:
                return self._fetched(locked.commit, locked.files, "from the cache, as locked", [])
            return self._complete(locked, broken)
        try:
            return self._ask_hub(locked)
        except HubUnavailable as error:
            return self._fall_back(locked, error)

    # -- what is known beforehand -------------------------------------------------------------------------------------

    @property
    def is_known(self) -> bool:
        """Whether the lock or the cache has it, so that nobody need be asked what is meant."""
        return self._locked() is not None or bool(self._cache.commit_of(self.reference.revision or "main"))

    @property
    def _cache(self) -> CachedRepository:
        return CachedRepository(self.settings.cache_dir or default_cache(), self.reference.repo_id)

    @property
    def _selection(self) -> Selection:
        entry = self.entry
        return Selection(entry.weights, entry.allow, entry.ignore, entry.allow_code)

    def _locked(self) -> LockedSource | None:
        """The lock's word on this source; on another choice of its files if that is all there is."""
        if self.settings.lock_path is None:
            return None
        sources = read_lock(self.settings.lock_path)
        same = [source for source in sources.values() if source.reference == str(self.reference)]
        return sources.get((str(self.reference), self._selection)) or next(iter(same), None)

    def _client(self, *, has_cached: bool) -> HubClient:
        if self.settings.is_offline or is_offline():
            raise HubUnavailable("the Hub may not be contacted in offline mode")
        total_s = RETRY_WITH_CACHE_S if has_cached else RETRY_S
        retries = Retries(total_s, self.settings.sleep, self.settings.progress.note)
        return HubClient(self._cache, self.entry.token, self.settings.endpoint, retries)

    # -- three ways -------------------------------------------------------------------------------------------------

    def _complete(self, locked: LockedSource, broken: dict[HubFile, str]) -> Fetched:
        """The lock says which bytes; some of them have to come again."""
        try:
            client = self._client(has_cached=False)
            to_come_bytes = self._cache.bytes_to_come(broken)
            notices = download(client, self._cache, locked.commit, broken, self.settings)
        except HubUnavailable as error:
            file, fault = next(iter(broken.items()))
            path = self._cache.snapshot(locked.commit) / file.path
            raise DownloadFailed(
                f"{self.reference}: {file.path} is not in the cache as it should be ({fault}), and {error.message}; "
                f"when the Hub can be reached start again, which replaces {path}",
                file=file.path,
            ) from error
        how = f"as locked, downloaded {size_text(to_come_bytes)}"
        return self._fetched(locked.commit, locked.files, how, notices)

    def _ask_hub(self, locked: LockedSource | None) -> Fetched:
        revision = self.reference.revision or "main"
        asked = locked.commit if locked is not None and not self.settings.update else revision
        client = self._client(has_cached=bool(locked or self._cache.commit_of(revision)))
        listing = client.list_files(asked)
        commit, by_path = listing.commit, {file.path: file for file in listing.files}
        if listing.is_private:
            self._close_to_others()

        quiet = replace(self.settings, progress=SilentProgress())

        def read(path: str) -> Any:
            file = by_path[self._prefix + path]
            download(client, self._cache, commit, faults(self._cache, commit, [file]), quiet)
            return read_json(self._cache.snapshot(commit) / file.path)

        choice = self._choose(by_path, read)
        files = [by_path[self._prefix + path] for path in choice.files]
        broken = faults(self._cache, commit, files)
        to_come_bytes = self._cache.bytes_to_come(broken)
        notices = [*choice.notices, *download(client, self._cache, commit, broken, self.settings)]
        complete = with_checksums(self._cache, commit, files)
        if listing.is_private:
            self._close_to_others()
        if asked == revision:
            self._cache.note_commit(revision, commit)
        notices += self._write_lock(LockedSource(str(self.reference), commit, self._selection, complete))
        came = f"downloaded {size_text(to_come_bytes)}" if to_come_bytes else "all of it was in the cache already"
        return self._fetched(commit, complete, f"{revision} on the Hub, {came}", notices)

    def _fall_back(self, locked: LockedSource | None, error: HubUnavailable) -> Fetched:
        """The Hub cannot be had: whatever is whole in the cache is served, and that is said."""
        warning = f"{self.reference}: {error.message}; serving what is in the cache, which may be outdated"
        same_files = locked is not None and locked.selection == self._selection
        if locked is not None and same_files and not faults(self._cache, locked.commit, locked.files):
            return self._fetched(locked.commit, locked.files, "from the cache, as locked", [warning])
        commit = locked.commit if locked else self._cache.commit_of(self.reference.revision or "main")
        if not commit:
            raise DownloadFailed(
                f"{self.reference}: {error.message}, and the cache ({self._cache.folder}) does not have it; fetch it "
                "with `naiad pull` on a machine that can reach the Hub",
                reference=str(self.reference),
            ) from error
        files = self._chosen_from_cache(commit, error)
        return self._fetched(commit, files, "from the cache, Hub unreachable", [warning])

    def _chosen_from_cache(self, commit: str, error: HubUnavailable) -> list[HubFile]:
        """Without a lock the blobs' own names say what their contents must be."""
        by_path = {file.path: file for file in self._cache.files(commit)}
        folder = self._cache.snapshot(commit) / self.reference.subfolder

        try:
            choice = self._choose(by_path, lambda path: read_json(folder / path))
        except (DownloadFailed, InvalidConfiguration) as problem:
            raise DownloadFailed(
                f"{self.reference}: {error.message}, and the copy in the cache is not complete: {problem.message}",
                reference=str(self.reference),
            ) from error
        files = [by_path[self._prefix + path] for path in choice.files]
        for file, fault in faults(self._cache, commit, files).items():
            path = self._cache.snapshot(commit) / file.path
            raise DownloadFailed(
                f"{self.reference}: {error.message}, and the copy in the cache is damaged: {file.path} {fault}; delete "
                f"{path} and start again when the Hub can be reached",
                file=file.path,
            ) from error
        return files

    def _choose(self, by_path: Mapping[str, HubFile], read: Callable[[str], Any]) -> Choice:
        try:
            return choose_files(self._inside(by_path), read, self.settings.builder_knows, self._selection)
        except LoadFailed as error:
            raise DownloadFailed(error.message, **error.detail) from error

    # -- small things ---------------------------------------------------------------------------------------------

    @property
    def _prefix(self) -> str:
        return f"{self.reference.subfolder}/" if self.reference.subfolder else ""

    def _inside(self, paths: Mapping[str, HubFile]) -> list[str]:
        """Paths below the subfolder, relative to it."""
        inside = [path.removeprefix(self._prefix) for path in paths if path.startswith(self._prefix)]
        if not inside and paths:
            folders = sorted({path.split("/")[0] for path in paths if "/" in path})
            raise InvalidConfiguration(
                f"{self.reference}: there is no folder {self.reference.subfolder}; there are "
                f"{', '.join(folders) or 'no folders at all'}",
                reference=str(self.reference),
            )
        return inside

    def _close_to_others(self) -> None:
        with contextlib.suppress(OSError):  # downloading says what is wrong with the place
            self._cache.close_to_others()

    def _write_lock(self, source: LockedSource) -> list[str]:
        if self.settings.lock_path is None:
            return []
        try:
            write_lock(self.settings.lock_path, source)
        except OSError as error:
            return [
                f"{self.settings.lock_path} cannot be written ({error.strerror}): the next start may find newer bytes"
            ]
        return []

    def _fetched(
        self, commit: str, files: tuple[HubFile, ...] | list[HubFile], how: str, notices: list[str]
    ) -> Fetched:
        return Fetched(
            folder=self._cache.snapshot(commit) / self.reference.subfolder,
            reference=self.reference,
            commit=commit,
            files=tuple(
                FetchedFile(file.path.removeprefix(self._prefix), file.size_bytes, file.sha256) for file in files
            ),
            origin=f"{replace(self.reference, revision='')} at commit {commit}, {how}",
            notices=tuple(notices),
        )
