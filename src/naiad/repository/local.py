"""Source: a folder on this machine. The smallest of the sources."""

from __future__ import annotations

from naiad.core.errors import InvalidConfiguration
from naiad.repository.contract import Fetched, FetchSettings
from naiad.repository.layout import recognise
from naiad.repository.manifest.entry import ModelEntry
from naiad.repository.reference import FolderReference


class LocalSource:
    """Takes the folder as it is; allow and ignore have nothing to say here."""

    def fetch(self, entry: ModelEntry, settings: FetchSettings) -> Fetched:  # noqa: ARG002 (the contract's shape)
        """See Source."""
        reference = entry.source
        if not isinstance(reference, FolderReference):
            raise InvalidConfiguration(f"{reference} is not a folder", reference=str(reference))
        recognise(reference.path, onnx=entry.onnx_file)
        notices = (reference.note,) if reference.note else ()
        return Fetched(reference.path, reference, None, (), f"folder {reference.path}", notices)
