"""What all connections of one listener may take together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Capacity:
    """Bounds, and how much of them is used."""

    connections: int = 10_000
    """At the same time; further ones are answered 503."""
    most_receiving_bytes: int = 2**31
    """Bytes of bodies that have not arrived completely."""
    receiving_bytes: int = 0
    """Now; kept by the readers."""

    @property
    def is_overfull(self) -> bool:
        """More is being received than may be."""
        return self.receiving_bytes > self.most_receiving_bytes

    @property
    def overfull_message(self) -> str:
        """For the client that made it so."""
        return (
            f"the server is receiving more than {self.most_receiving_bytes} bytes of requests at the same time; "
            "try again later. Use --http-max-receiving-size to increase the limit."
        )

    @property
    def crowded_message(self) -> str:
        """For a client that comes when there are too many."""
        return f"the server has reached its maximum of {self.connections} connections; try again later"
