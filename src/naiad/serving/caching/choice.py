"""From what `--cache-config` says to a cache."""

from __future__ import annotations

from collections.abc import Iterable

from naiad.serving.caching.options import LocalOptions, read_cache_config
from naiad.serving.caching.shared.cache import SharedCache
from naiad.serving.caching.shared.redis_server import RedisServer
from naiad.serving.caching.store import ResponseCache


def make_cache(lines: Iterable[str]) -> ResponseCache | SharedCache | None:
    """Make the cache; None: there is none. One that is shared must be opened. Raises InvalidConfiguration."""
    options = read_cache_config(lines)
    if options is None:
        return None
    if isinstance(options, LocalOptions):
        return ResponseCache(options.size_bytes, options.ttl_s)
    return SharedCache(
        RedisServer(options),
        ttl_s=options.ttl_s,
        entry_bytes=options.entry_bytes,
        connections=options.pool_size,
        wait_s=options.wait_timeout_s,
    )
