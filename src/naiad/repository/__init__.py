"""Floor 1: where models come from."""

from naiad.repository.carrying import carry, check_target
from naiad.repository.checkpoint.card import model_name
from naiad.repository.contract import Fetched, FetchedFile, FetchSettings, Source
from naiad.repository.fetch import fetch
from naiad.repository.hub.lock import LockedSource, read_lock
from naiad.repository.hub.push import Pushed, PushSettings, push
from naiad.repository.layout import (
    CONFIG_FILE,
    Layout,
    LayoutKind,
    ModelFolder,
    holds_checkpoint,
    recognise,
    versions_of,
)
from naiad.repository.links import check_inside
from naiad.repository.listing import CONFIGS_FOLDER, Signature, holds_model, list_models, signature, signature_of
from naiad.repository.manifest.endpoint import EndpointEntry
from naiad.repository.manifest.ensemble import EnsembleEntry
from naiad.repository.manifest.entry import Batching, Entry, Manifest, ModelEntry
from naiad.repository.manifest.naiad_yaml import entry_from_mapping
from naiad.repository.manifest.read import read_manifest
from naiad.repository.manifest.secret import Secret, secret_from_environment
from naiad.repository.names import check_model_name, check_relative_path, resolve_inside
from naiad.repository.package import find_folder
from naiad.repository.progress import BarProgress, LineProgress, Progress, SilentProgress, progress_for
from naiad.repository.reference import (
    FolderReference,
    HubReference,
    PackageReference,
    Reference,
    parse_reference,
    split_name,
)
from naiad.repository.stores.address import StoreReference
from naiad.repository.stores.push import push_to_store
from naiad.repository.stores.source import list_store

__all__ = [
    "CONFIGS_FOLDER",
    "CONFIG_FILE",
    "BarProgress",
    "Batching",
    "EndpointEntry",
    "EnsembleEntry",
    "Entry",
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
    "Signature",
    "SilentProgress",
    "Source",
    "StoreReference",
    "carry",
    "check_inside",
    "check_model_name",
    "check_relative_path",
    "check_target",
    "entry_from_mapping",
    "fetch",
    "find_folder",
    "holds_checkpoint",
    "holds_model",
    "list_models",
    "list_store",
    "model_name",
    "parse_reference",
    "progress_for",
    "push",
    "push_to_store",
    "read_lock",
    "read_manifest",
    "recognise",
    "resolve_inside",
    "secret_from_environment",
    "signature",
    "signature_of",
    "split_name",
    "versions_of",
]
