"""Source: a folder of an object store, copied to this machine's disk.

What is there is known from one listing. Only what has changed is downloaded, and a listing becomes a folder when all of
it has come, so half of a model is never served. If the store cannot be had, what it held last is served from the cache,
and that is said.
"""

from __future__ import annotations

import logging
import os

from naiad.core.errors import DownloadFailed, InvalidConfiguration, NotFound
from naiad.repository.contract import Fetched, FetchSettings
from naiad.repository.layout import recognise
from naiad.repository.manifest.entry import ModelEntry
from naiad.repository.progress import size_text
from naiad.repository.stores.address import StoreReference
from naiad.repository.stores.cache import SIZE_VARIABLE, USUAL_SIZE, Hold, StoreCache, cache_size
from naiad.repository.stores.download import download
from naiad.repository.stores.listing import Listing
from naiad.repository.stores.store import Changed, Store

AGAIN = 3
"""Listings of a folder that changes while it is downloaded, before that is an error."""

_away: set[str] = set()
"""Addresses whose stores could not be had when they were asked last; said once."""

_log = logging.getLogger("naiad.repository")


class StoreSource:
    """Downloads what has changed."""

    def fetch(self, entry: ModelEntry, settings: FetchSettings) -> Fetched:
        """See Source. The folder is held until `Fetched.release` is called."""
        reference = entry.source
        if not isinstance(reference, StoreReference):
            raise InvalidConfiguration(f"{reference} is no folder of an object store", source=str(reference))
        listing = reference.listing or list_store(reference, is_offline=settings.is_offline)
        if not listing.files:
            raise NotFound(f"{reference}: no object's name begins so; see what there is with your store's own tools")
        listing.check()
        most_bytes = cache_size(os.environ.get(SIZE_VARIABLE, "") or str(USUAL_SIZE))
        cache = _cache()
        store = Store(reference)
        try:
            hold, came = _bring(store, listing, cache, settings)
        except OSError as error:
            raise DownloadFailed(f"{reference}: {error}", source=str(reference)) from error
        try:
            cache.trim(most_bytes)
            recognise(hold.folder, onnx=entry.onnx_file)
        except BaseException:
            hold.release()
            raise
        how = f"downloaded {size_text(came)}" if came else "all of it was in the cache"
        return Fetched(hold.folder, reference, None, (), f"{reference}, {how}", release=hold.release)


def list_store(reference: StoreReference, *, is_offline: bool = False) -> Listing:
    """Say what a folder holds; when its store cannot be had, what it held last, with a warning.

    Raises NaiadError; OSError when the store cannot be had and nothing is known of it.
    """
    cache = _cache()
    known = cache.recall(reference)
    if is_offline and known is not None:
        return known
    try:
        listing = Store(reference).list()
    except OSError as error:
        if known is None:
            raise
        if str(reference) not in _away:
            _away.add(str(reference))
            _log.warning("%s cannot be had: %s; serving what it held last, from the cache", reference, error)
        return known
    _away.discard(str(reference))
    if listing != known:
        cache.remember(reference, listing)
    return listing


def _cache() -> StoreCache:
    try:
        return StoreCache()
    except OSError as error:
        raise DownloadFailed(
            f"there is no folder for what object stores hold: {error}; set NAIAD_CACHE to one that can be written"
        ) from error


def _bring(store: Store, listing: Listing, cache: StoreCache, settings: FetchSettings) -> tuple[Hold, int]:
    """Download what is missing and hold the folder that it makes; gives the bytes that came."""
    came = 0
    for _ in range(AGAIN):
        try:
            came += download(store, listing, cache, settings.progress)
        except Changed:
            listing = store.list()
            listing.check()
            continue
        hold = cache.hold(store.reference, listing)
        if hold is not None:
            return hold, came
    raise OSError("it changes all the time, so its files are not those of one moment; load it again")
