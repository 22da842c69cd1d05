"""Floor 1: where models come from."""

from naiad.repository.card import model_name, read_card
from naiad.repository.contract import Fetched, FetchedFile, FetchSettings, Source
from naiad.repository.fetch import fetch
from naiad.repository.hub.lock import DEFAULT_LOCK, LockedSource, read_lock
from naiad.repository.hub.push import Pushed, PushSettings, push
from naiad.repository.layout import Layout, LayoutKind, ModelFolder, recognise, versions_of
from naiad.repository.manifest.entry import Batching, Manifest, ModelEntry
from naiad.repository.manifest.read import DEFAULT_MANIFEST, read_manifest
from naiad.repository.manifest.secret import Secret, secret_from_environment
from naiad.repository.names import check_model_name, check_relative_path, resolve_inside
from naiad.repository.progress import BarProgress, LineProgress, Progress, SilentProgress, progress_for
from naiad.repository.reference import (
    FolderReference,
    HubReference,
    PackageReference,
    Reference,
    parse_reference,
    split_name,
)

__all__ = [
    "DEFAULT_LOCK",
    "DEFAULT_MANIFEST",
    "BarProgress",
    "Batching",
    "FetchSettings",
    "Fetched",
    "FetchedFile",
    "FolderReference",
    "HubReference",
    "Layout",
    "LayoutKind",
    "LineProgress",
    "LockedSource",
    "Manifest",
    "ModelEntry",
    "ModelFolder",
    "PackageReference",
    "Progress",
    "PushSettings",
    "Pushed",
    "Reference",
    "Secret",
    "SilentProgress",
    "Source",
    "check_model_name",
    "check_relative_path",
    "fetch",
    "model_name",
    "parse_reference",
    "progress_for",
    "push",
    "read_card",
    "read_lock",
    "read_manifest",
    "recognise",
    "resolve_inside",
    "secret_from_environment",
    "split_name",
    "versions_of",
]
