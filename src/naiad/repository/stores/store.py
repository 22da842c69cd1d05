"""One folder of an object store: list it, read from it, write to it. The one file that knows obstore.

What the network does raises OSError, so that a store that is away for a moment is taken for what it is; what is asked
wrongly raises NaiadError.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from naiad.core.errors import InvalidConfiguration, NotFound
from naiad.repository.stores.access.access import access_to
from naiad.repository.stores.address import StoreReference
from naiad.repository.stores.emulator import upload
from naiad.repository.stores.listing import Listing, StoredFile

RETRY_S = 10.0
"""How long the library tries again by itself."""

_NO_BUCKET = ("<Code>NoSuchBucket</Code>", "<Code>ContainerNotFound</Code>")

_FIX = "install the extra that knows object stores: pip install 'naiad[cloud]'"


class Changed(OSError):
    """An object is not the one that was listed any more."""


class Store:
    """The client of one reference. Its methods block, and may be called from several threads."""

    def __init__(self, reference: StoreReference, environ: Mapping[str, str] = os.environ) -> None:
        """Connect to nobody yet. Raises InvalidConfiguration where the address or the environment cannot be meant."""
        self.reference = reference
        self._access = access_to(reference, environ)
        self._store = _open(reference, self._access.options, is_plain=self._access.is_plain)

    def list(self) -> Listing:
        """Ask for every object below the path. Raises OSError, NotFound for a bucket that is none."""
        import obstore

        prefix = f"{self.reference.path}/" if self.reference.path else None
        with self._explained():
            try:
                chunks = obstore.list(self._store, prefix, chunk_size=1000)
                found = [row for chunk in chunks for row in chunk]
            except FileNotFoundError:  # a store that has real folders, and not this one
                found = []
        skip = len(prefix or "")
        return Listing.of(StoredFile(row["path"][skip:], row["size"], _tag(row)) for row in found)

    def read(self, file: StoredFile, start: int, end: int) -> memoryview:
        """Read bytes `start` to `end` of an object that was listed. Raises Changed, OSError."""
        import obstore

        options: Any = {"range": (start, end)}
        etag = file.tag.partition(" ")[0]
        if etag:
            options["if_match"] = etag
        with self._explained():
            try:
                result = obstore.get(self._store, self._full(file.path), options=options)
                if etag and (result.meta["e_tag"] or "").strip('"') != etag.strip(
                    '"'
                ):  # not every store heeds if_match
                    raise Changed(f"{self.reference}/{file.path} has changed since it was listed")
                return memoryview(result.bytes())
            except FileNotFoundError as error:
                raise Changed(f"{self.reference}/{file.path} has gone since it was listed") from error
            except obstore.exceptions.PreconditionError as error:
                raise Changed(f"{self.reference}/{file.path} has changed since it was listed") from error

    def write(self, path: str, file: Path) -> None:
        """Upload a file. Raises OSError."""
        import obstore

        if self._access.emulator:
            upload(self._access.emulator, self.reference.bucket, self._full(path), file)
            return
        with self._explained():
            obstore.put(self._store, self._full(path), file)

    def _full(self, path: str) -> str:
        return f"{self.reference.path}/{path}" if self.reference.path else path

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what went wrong in words that name the store, and no secret."""
        from obstore import exceptions

        reference, how = self.reference, self._access.how
        try:
            yield
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise InvalidConfiguration(f"{reference}: the store refuses {how}", source=str(reference)) from error
        except (FileNotFoundError, exceptions.PreconditionError):
            raise
        except (exceptions.BaseError, ValueError) as error:
            if any(code in str(error) for code in _NO_BUCKET):
                raise NotFound(
                    f"{reference}: there is no bucket '{reference.bucket}'", source=str(reference)
                ) from error
            raise OSError(f"{_words(error)} (asked with {how})") from error


def _open(reference: StoreReference, options: Mapping[str, Any], *, is_plain: bool) -> Any:
    try:
        from obstore import exceptions
        from obstore.store import AzureStore, GCSStore, S3Store
    except ImportError as error:
        raise InvalidConfiguration(f"{reference}: {_FIX}", source=str(reference)) from error
    kind: Any = {"s3": S3Store, "gs": GCSStore, "as": AzureStore}[reference.scheme]
    client = {"allow_http": is_plain, "connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=60)}
    retries = {"max_retries": 5, "retry_timeout": timedelta(seconds=RETRY_S)}
    try:
        return kind(reference.bucket, config=dict(options), client_options=client, retry_config=retries)
    except (exceptions.BaseError, ValueError) as error:
        raise InvalidConfiguration(f"{reference}: {_words(error)}", source=str(reference)) from error


def _tag(row: Mapping[str, Any]) -> str:
    """ETag first, because it can be asked for again; versions and times where there is none."""
    etag, version = row.get("e_tag") or "", row.get("version") or ""
    return f"{etag} {version}".rstrip() if etag else f" {version or row['last_modified'].isoformat()}"


def _words(error: Exception) -> str:
    """The library's own words, without the layers they came through and the store's document."""
    line = re.sub(
        r"^Generic \w+ error: (Error performing [\w ]+request: )?|: <\?xml.*$", "", str(error).split("\n", 1)[0]
    )
    return re.sub(r"^Error performing [A-Z]+ (\S+?)(\?\S*)? in .*?- (HTTP error: )?", r"\1: ", line)
