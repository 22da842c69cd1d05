"""The load reports that requests ask for, as each door adds them to its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from naiad.observe.load import LoadMeter
from naiad.protocol.load_report import in_ascii, writer_of


def lines_of(meter: LoadMeter, wanted: bytes) -> Callable[[], bytes]:
    """Return what makes the header lines of an HTTP answer. Raises InvalidRequest."""
    write = writer_of(wanted.decode("latin-1"))

    def lines() -> bytes:
        name, value = write(meter.read())
        return b"%b: %b\r\n" % (name.encode(), in_ascii(name, value))

    return lines


def metadata_of(meter: LoadMeter, wanted: str) -> Callable[[], Mapping[str, bytes]]:
    """Return what makes the trailing metadata of a gRPC answer. Raises InvalidRequest."""
    write = writer_of(wanted)
    return lambda: dict([write(meter.read())])
