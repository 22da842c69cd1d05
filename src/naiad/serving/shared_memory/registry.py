"""Which regions there are, and the calls of the shared memory extensions; the words are Triton's.

Owned by the event loop's thread. System and CUDA regions share one space of names; there are never any of CUDA, since
this server has no GPU. A region that is unregistered is forgotten at once; who uses it keeps it (`region.py`).
"""

from __future__ import annotations

import sys
from typing import Any

from naiad.core.client_memory import memory_is_off
from naiad.core.errors import AlreadyExists, InvalidRequest, NotFound, Overloaded
from naiad.serving.shared_memory.region import Region, ReservedMemory

_RESERVED = "triton_python_backend_shm_region_"
"""What Triton's own regions begin with; whoever could register one would read other clients' tensors."""


class SharedMemory:
    """The regions of one server; a ClientMemory."""

    def __init__(self, *, is_allowed: bool = False, most_regions: int | None = None) -> None:
        """is_allowed: whether clients may register regions. most_regions: default: a quarter of the open files allowed.

        A region takes two descriptors, so at most half of them can be spent here and connections find others.
        """
        self._is_allowed = is_allowed
        self._most_regions = _quarter_of_open_files() if most_regions is None else most_regions
        self.regions: dict[str, Region] = {}
        """By name; while there are none, no request can point into memory."""

    def check_register(self, name: str) -> None:
        """Raise Unsupported while regions are not allowed, InvalidRequest for a region without a name."""
        self.check_allowed()
        if not name:
            raise InvalidRequest("'region name' is necessary to register system shared memory region")

    def register(self, name: str, key: str, offset: int, byte_size: int) -> None:
        """Open a part of a shared memory object under a name.

        Raises what `check_register` does, AlreadyExists, Failed for an object that cannot be opened, InvalidRequest for
        one that is too small, Overloaded for too many regions.
        """
        self.check_allowed()
        if key.lstrip("/").startswith(_RESERVED):
            raise InvalidRequest(
                f"cannot register shared memory region '{name}' with key '{key}' as the key contains the reserved "
                f"prefix '{_RESERVED}'"
            )
        if name in self.regions:
            raise AlreadyExists(f"shared memory region '{name}' already in manager", region=name)
        if len(self.regions) >= self._most_regions:
            raise Overloaded(
                f"{len(self.regions)} shared memory regions are registered; unregister some, or raise the limit on "
                "open files (ulimit -n)"
            )
        region = Region(name, key, offset, byte_size)
        self.check_register(name)  # after opening: over gRPC, Triton says first that there is no such object
        self.regions[name] = region

    def check_register_cuda(self, name: str) -> None:
        """Raise what `check_register` does, for a CUDA region."""
        self.check_allowed()
        if not name:
            raise InvalidRequest("'region name' is necessary to register cuda shared memory region")

    def register_cuda(self, name: str) -> None:
        """Raise what a Triton with CUDA does where there is no GPU, which opens no handle; the name has been checked.

        InvalidRequest, AlreadyExists, or Unsupported while client memory is not allowed.
        """
        self.check_allowed()
        if name in self.regions:
            raise AlreadyExists(f"shared memory region '{name}' already in manager", region=name)
        raise InvalidRequest("failed to register shared memory region: invalid args", region=name)

    def unregister(self, name: str = "") -> None:
        """Forget a region, or all; one that there is not is no error. Raises Unsupported while it is not allowed."""
        self.check_allowed()
        if name:
            self.regions.pop(name, None)
        else:
            self.regions.clear()

    def unregister_cuda(self, name: str = "") -> None:
        """Do nothing, or raise Unsupported while client memory is not allowed."""
        del name
        self.check_allowed()

    def status(self, name: str = "") -> list[dict[str, Any]]:
        """Describe one region, or all in the order of their names. Raises NotFound."""
        if name and name not in self.regions:
            raise NotFound(f"Unable to find system shared memory region: '{name}'", region=name)
        return [
            {"name": region.name, "key": region.key, "offset": region.offset, "byte_size": region.byte_size}
            for region in ([self.regions[name]] if name else sorted(self.regions.values(), key=lambda one: one.name))
        ]

    def status_cuda(self, name: str = "") -> list[dict[str, Any]]:
        """Describe nothing. Raises NotFound for any name."""
        if name in self.regions:
            raise NotFound(
                f"The region named '{name}' is registered as system shared memory, not CUDA shared memory", region=name
            )
        if name:
            raise NotFound(f"Unable to find cuda shared memory region: '{name}'", region=name)
        return []

    def check_allowed(self) -> None:
        """See `ClientMemory.check_allowed`."""
        if not self._is_allowed:
            raise memory_is_off()

    def read(self, region: str, offset: int, byte_size: int) -> memoryview:
        """See `ClientMemory.read`."""
        return self._find(region).read(offset, byte_size)

    def reserve(self, region: str, offset: int, byte_size: int) -> ReservedMemory:
        """See `ClientMemory.reserve`."""
        return self._find(region).reserve(offset, byte_size)

    def close(self) -> None:
        """Forget everything; for a server that stops."""
        self.regions.clear()

    def _find(self, name: str) -> Region:
        found = self.regions.get(name)
        if found is None:
            self.check_allowed()
            raise NotFound(f"Unable to find shared memory region: '{name}'", region=name)
        return found


def _quarter_of_open_files() -> int:
    if sys.platform == "win32":
        return 0
    import resource  # not on every system

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit // 4
