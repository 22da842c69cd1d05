"""What an encoder is loaded from: its graph, what that is, and how it calls what it takes and gives.

`naiad.convert` describes graphs so, backends run them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.encoding.ports import Ports


@dataclass(frozen=True, slots=True)
class PixelPorts:
    """How the graph of an image encoder takes images, and what is peculiar about what it gives."""

    name: str = "pixel_values"
    channels_last: bool = False
    """The graph wants (images, height, width, channels)."""
    batches: bool = True
    """Images share a run; else each has its own, so that none can depend on the others."""
    first_token: bool = False
    """The embedding is the first row of what the graph gives."""


@dataclass(frozen=True, slots=True)
class EncoderFiles:
    """One encoder; `spec.layout` says of which kind."""

    graph: Path
    spec: EncoderSpec
    prepared_in: Path | None = None
    """Folder for what a backend makes of the graph for this machine, tried in a process of its own before it is run
    here. None: the graph was made just now by ourselves, or is looked at once; it is opened as it is."""
    ports: Ports | None = None
    """What `Backend.inspect` found, which has tried the graph then."""
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Our outputs → the graph's from which each is made: one, or two that are laid side by side (start and end). Those
    that are not here are called alike."""
    constants: Mapping[str, float] = field(default_factory=dict)
    """Inputs that are the same for every text, and their value."""
    pixels: PixelPorts = PixelPorts()


@dataclass(frozen=True, slots=True)
class EncoderPair:
    """Two encoders whose texts and images run through the same instances, because a model compares them."""

    texts: EncoderFiles
    images: EncoderFiles
