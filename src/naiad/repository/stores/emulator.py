"""Uploads to an emulator of Google's store, which STORAGE_EMULATOR_HOST names.

Emulators take uploads by Google's JSON API, where obstore uses the XML API (and asks for credentials first, even where
there are none to be had). Everything else goes through obstore, as it does to the store itself.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlencode

from naiad.core.errors import NotFound

TIMEOUT_S = 60.0
"""Without a byte."""


def upload(address: str, bucket: str, name: str, file: Path) -> None:
    """Write one object: "Simple uploads" of the JSON API. Raises OSError, NotFound for a bucket that is none."""
    query = urlencode({"uploadType": "media", "name": name})
    url = f"{address}/upload/storage/v1/b/{quote(bucket, safe='')}/o?{query}"
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.stat().st_size)}
    with file.open("rb") as content:
        request = urllib.request.Request(url, content, headers, method="POST")  # noqa: S310 - google.py checks it
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the same
                answer.read()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                raise NotFound(f"gs://{bucket}: there is no bucket '{bucket}'", source=f"gs://{bucket}") from error
            raise OSError(f"{url}: the emulator answered {error.code} {error.reason}") from error
        except urllib.error.URLError as error:
            raise OSError(f"{url}: {error.reason}") from error
