"""The replica as Ray starts and ends it. Importable by name, so that Ray hands it to other machines by its name."""

from __future__ import annotations

from typing import Any

from naiad.ray.replica import Replica


class Naiad(Replica):
    """A replica that begins with its construction."""

    async def __init__(self, **arguments: Any) -> None:  # type: ignore[misc]  # Ray awaits it
        """Load the models. arguments: see `Replica`. Raises what it raises, and LoadFailed."""
        options = dict(arguments.pop("options", None) or {})
        if cores := _cores():
            options.setdefault("instances", cores)
        super().__init__(**arguments, options=options)
        await self.start()

    async def __del__(self) -> None:
        """Answer what has been asked; Ray awaits it when it takes the replica out of service."""
        if hasattr(self, "_server"):
            await self.close()


def _cores() -> int:
    """Return how many cores Ray has set aside for this replica; 0: it does not say."""
    import ray

    return int(ray.get_runtime_context().get_assigned_resources().get("CPU", 0))
