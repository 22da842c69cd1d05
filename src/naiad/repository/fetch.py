"""From a manifest entry to files on this machine, whichever source they come from."""

from __future__ import annotations

from naiad.repository.contract import Fetched, FetchSettings, Source
from naiad.repository.hub.source import HubSource
from naiad.repository.local import LocalSource
from naiad.repository.manifest.entry import ModelEntry
from naiad.repository.package import PackageSource
from naiad.repository.reference import FolderReference, HubReference, PackageReference
from naiad.repository.stores.address import StoreReference
from naiad.repository.stores.source import StoreSource

_SOURCES: dict[type[object], type[Source]] = {
    FolderReference: LocalSource,
    PackageReference: PackageSource,
    HubReference: HubSource,
    StoreReference: StoreSource,
}


def fetch(entry: ModelEntry, settings: FetchSettings) -> Fetched:
    """Bring the entry's model onto this machine, or find it there; see `contract.Source`."""
    return _SOURCES[type(entry.source)]().fetch(entry, settings)
