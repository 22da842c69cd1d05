"""What every task is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.errors import LoadFailed
from naiad.repository.checkpoint import Checkpoint
from naiad.tasks.tokenizing.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Parts:
    """A task's name and what it stands on, whatever goes into its encoder."""

    name: str
    """The Hub's pipeline tag."""
    checkpoint: Checkpoint
    spec: EncoderSpec
    options: Mapping[str, Any]
    """Defaults for the parameters, from the manifest or the command line."""

    def width(self, output: str) -> int:
        """Size of the last axis of an encoder's output. Raises LoadFailed where the encoder has no such output."""
        for known in self.spec.outputs:
            if known.name == output:
                return known.width
        names = ", ".join(known.name for known in self.spec.outputs)
        raise LoadFailed(f"task '{self.name}' needs the encoder output '{output}'; this encoder has: {names}")


@dataclass(frozen=True, slots=True)
class TaskParts(Parts):
    """The same for texts."""

    tokenizer: Tokenizer
