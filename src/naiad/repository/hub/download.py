"""Bringing a list of files into the cache: what is missing, whether there is room, and whether what came is right."""

from __future__ import annotations

from collections.abc import Sequence

from naiad.core.errors import DownloadFailed
from naiad.core.machine.daemon_threads import DaemonThreads
from naiad.core.machine.file_digests import digest_of
from naiad.repository.contract import FetchSettings
from naiad.repository.hub.cache import CachedRepository, HubFile, total_bytes
from naiad.repository.hub.client import RESUMABLE_FROM_BYTES, HubClient
from naiad.repository.names import resolve_inside
from naiad.repository.progress import Progress, SilentProgress, size_text

_SMALL_AT_ONCE = 4


def faults(cache: CachedRepository, commit: str, files: Sequence[HubFile], *, anew: bool = False) -> dict[HubFile, str]:
    """The files that are not in the cache as they should be, with what is wrong. anew: as in `fault_of`."""
    found = {file: cache.fault_of(commit, file, anew=anew) for file in files}
    return {file: fault for file, fault in found.items() if fault}


def download(
    client: HubClient, cache: CachedRepository, commit: str, broken: dict[HubFile, str], settings: FetchSettings
) -> list[str]:
    """Download the files of `broken` (see `faults`); damaged ones are replaced. Gives sentences about these.

    Raises DownloadFailed, naming the file; what was complete before stays.
    """
    notices = []
    for file, fault in broken.items():
        if fault != "missing":
            cache.remove(commit, file.path)
            notices.append(f"{file.path} in the cache {fault}: downloaded again")
    if not broken:
        return notices
    here = [file for file in broken if cache.has_content(file)]
    _download_all(client, commit, here, SilentProgress())
    if to_come := [file for file in broken if file not in here]:
        check_space(cache, to_come, settings)
        settings.progress.begin(f"downloading {cache.repo_id} at {commit[:7]}", total_bytes(to_come))
        try:
            _download_all(client, commit, to_come, settings.progress)
        finally:
            settings.progress.end()
    for file in broken:
        _check(cache, commit, file)
    return notices


def check_space(cache: CachedRepository, files: Sequence[HubFile], settings: FetchSettings) -> None:
    """Raise DownloadFailed if the disk has not room for what is still to come of them."""
    cache_dir = cache.cache_dir
    place = next(folder for folder in (cache_dir, *cache_dir.parents) if folder.exists())
    needed, free = cache.bytes_to_come(files), settings.free_bytes(place)
    if needed > free:
        raise DownloadFailed(
            f"{size_text(needed)} have to be downloaded to {cache_dir}, but its disk has {size_text(free)} free; make "
            "room, or set HF_HOME to a folder on a larger disk",
            needed_bytes=needed,
            free_bytes=free,
        )


def _download_all(client: HubClient, commit: str, files: Sequence[HubFile], progress: Progress) -> None:
    """Small ones side by side; large ones one after another on this thread, where Ctrl-C reaches them."""
    small = [file for file in files if file.size_bytes < RESUMABLE_FROM_BYTES]
    with DaemonThreads(_SMALL_AT_ONCE, "naiad-download") as pool:
        running = [pool.submit(client.fetch_file, commit, file, progress) for file in small]
        try:
            for future in running:
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)
    for file in files:
        if file.size_bytes >= RESUMABLE_FROM_BYTES:
            client.fetch_file(commit, file, progress)


def _check(cache: CachedRepository, commit: str, file: HubFile) -> None:
    """What came must be what was listed; else it leaves the cache again."""
    fault = cache.fault_of(commit, file, anew=True)
    if fault:
        cache.remove(commit, file.path)
        raise DownloadFailed(
            f"{cache.repo_id}: {file.path} {fault}; the damaged file was removed, so start again to download it anew",
            file=file.path,
        )


def with_checksums(cache: CachedRepository, commit: str, files: Sequence[HubFile]) -> tuple[HubFile, ...]:
    """The files with size and sha256 for every one; small ones are read for it, which were checked just before."""
    complete = []
    for file in files:
        path = resolve_inside(cache.snapshot(commit), file.path, cache.cache_dir)
        complete.append(HubFile(file.path, path.stat().st_size, file.sha256 or digest_of(path)))
    return tuple(complete)
