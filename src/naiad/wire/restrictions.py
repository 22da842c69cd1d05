"""The one gate in front of every door: some features answer only those who send an agreed header.

`--http-restricted-api` and `--grpc-restricted-protocol` say which, in Triton's words. What a request belongs to is its
`Feature`, carried by the route or the RPC, so nothing reaches a feature by another path. The agreed values are compared
in constant time and appear in no message, log line or page.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.features import Feature


@dataclass(frozen=True, slots=True)
class Password:
    """A header and the value it must have."""

    header: str
    """In lower case, as doors hand headers over."""
    shown: str
    """The header as it was written, for messages."""
    value: bytes = field(repr=False)

    def is_in(self, given: bytes | None) -> bool:
        """Whether a request has it; given: the header's value, None if it has none."""
        return given is not None and hmac.compare_digest(given, self.value)


class Gate:
    """Which features of one door are restricted, and by what."""

    def __init__(self, passwords: Mapping[Feature, Password] | None = None) -> None:
        self._passwords = dict(passwords or {})

    @property
    def is_open(self) -> bool:
        """Nothing is restricted."""
        return not self._passwords

    @property
    def headers(self) -> set[str]:
        """The headers that open something, in lower case."""
        return {password.header for password in self._passwords.values()}

    def password_of(self, feature: Feature) -> Password | None:
        """Return what a request for the feature must carry; None: nothing."""
        return self._passwords.get(feature)

    @classmethod
    def of(cls, values: Sequence[str], option: str, prefix: str = "") -> Gate:
        """Read the values of an option, each CATEGORY[,CATEGORY...]:HEADER=VALUE.

        prefix: what the header's name begins with. Raises InvalidConfiguration for anything else; the messages hold
        no value, since what is wrongly written may be one.
        """
        kind = "protocol" if prefix else "api"
        passwords: dict[Feature, Password] = {}
        for text in values:
            names, header, value = _split(text, option)
            for name in names.split(","):
                feature = _feature(name.strip(), kind, option)
                if feature in passwords:
                    raise InvalidConfiguration(
                        f"{option}: restricted {kind} '{feature}' can not be specified in multiple config groups"
                    )
                shown = prefix + header
                if prefix and not value.isascii():  # gRPC, "ASCII-Value"
                    raise InvalidConfiguration(f"{option}: the value of '{header}' cannot be sent as metadata")
                passwords[feature] = Password(shown.lower(), shown, value.encode())
        return cls(passwords)


def _split(text: str, option: str) -> tuple[str, str, str]:
    names, colon, rest = text.partition(":")
    header, equals, value = rest.partition("=")
    if not (names and colon and header and equals and value):
        raise InvalidConfiguration(
            f"{option} option format is '<category>[,<category>...]:<header>=<value>'; it is not shown "
            "here, because it may hold a secret"
        )
    if not header.isascii() or not header.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise InvalidConfiguration(f"{option}: the header's name may have letters, digits, '-', '_' and '.' only")
    if not value.isprintable() or value != value.strip():
        raise InvalidConfiguration(f"{option}: the value of '{header}' cannot be sent in a header")
    return names, header, value


def _feature(name: str, kind: str, option: str) -> Feature:
    there_are = [feature for feature in Feature if kind == "api" or feature is not Feature.METRICS]
    if name not in there_are:
        known = ", ".join(there_are)
        # Who mixes up the order writes the secret here: only what looks like a category is repeated.
        shown = f" '{name}'" if name.replace("-", "").isalpha() and len(name) <= len(Feature.MODEL_REPOSITORY) else ""
        raise InvalidConfiguration(f"{option}: unknown restricted {kind}{shown}; known: {known}")
    return Feature(name)
