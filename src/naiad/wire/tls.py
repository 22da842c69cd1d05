"""TLS for the doors: from files to contexts, with errors that name the option and the file.

TLS 1.2 is the least; ciphers are OpenSSL's defaults, as Python sets them up for servers. A client certificate is
demanded when an authority for clients is given, never merely wished for.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.doors import GrpcSettings, HttpSettings


class _KeyIsEncryptedError(Exception):
    """Raised when OpenSSL asks for a passphrase: there is nobody to ask."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of one door, checked when they are read."""

    cert: str
    key: str
    client_ca: str = ""
    """Empty: clients need no certificate."""
    option: str = "--http-tls"
    """What the options begin with, for messages."""

    @classmethod
    def of(cls, door: HttpSettings | GrpcSettings, option: str) -> TlsFiles | None:
        """Return the files of a door, None without TLS. Raises InvalidConfiguration if one is missing."""
        if not (door.tls_cert or door.tls_key or door.tls_client_ca):
            return None
        if not door.tls_cert or not door.tls_key:
            raise InvalidConfiguration(f"TLS needs both {option}-cert and {option}-key")
        return cls(door.tls_cert, door.tls_key, door.tls_client_ca, option)

    @staticmethod
    def needed(files: TlsFiles | None, option: str) -> TlsFiles:
        """Return the files of the HTTP door for an option that uses them, too."""
        if files is None:
            raise InvalidConfiguration(f"{option} needs --http-tls-cert and --http-tls-key, whose files it uses")
        return files

    def checked(self) -> TlsFiles:
        """Return itself, once it is known that the files can be used. Raises what `context` raises."""
        self.context()
        return self

    def context(self) -> ssl.SSLContext:
        """Return a server's context. Raises InvalidConfiguration when a file is missing or not what it should be."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        for part, path in (("cert", self.cert), ("key", self.key)):
            _readable(path, f"{self.option}-{part}")
        try:
            context.load_cert_chain(self.cert, self.key, password=_no_passphrase)
        except _KeyIsEncryptedError as error:
            raise InvalidConfiguration(
                f"{self.option}-key: '{self.key}' is encrypted. Give a key without a passphrase: "
                "openssl pkey -in KEY -out PLAIN_KEY"
            ) from error
        except ssl.SSLError as error:
            raise InvalidConfiguration(self._bad_pair(error)) from error
        if self.client_ca:
            _readable(self.client_ca, f"{self.option}-client-ca")
            try:
                context.load_verify_locations(self.client_ca)
            except ssl.SSLError as error:
                raise InvalidConfiguration(
                    f"{self.option}-client-ca: '{self.client_ca}' holds no certificate in PEM form"
                ) from error
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _bad_pair(self, error: ssl.SSLError) -> str:
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"{self.option}-key: '{self.key}' is not the key of the certificate '{self.cert}'"
        if not _holds(self.cert, b"CERTIFICATE"):
            return f"{self.option}-cert: '{self.cert}' holds no certificate in PEM form"
        if not _holds(self.key, b"PRIVATE KEY"):
            return f"{self.option}-key: '{self.key}' holds no private key in PEM form"
        return f"{self.option}-cert '{self.cert}' and {self.option}-key '{self.key}' cannot be used: {error.reason}"


def _readable(path: str, option: str) -> None:
    try:
        Path(path).open("rb").close()
    except OSError as error:
        raise InvalidConfiguration(f"{option}: cannot read '{path}': {error.strerror or error}") from error


def _holds(path: str, kind: bytes) -> bool:
    content = Path(path).read_bytes()
    return b"-----BEGIN " in content and kind in content


def _no_passphrase() -> str:
    raise _KeyIsEncryptedError
