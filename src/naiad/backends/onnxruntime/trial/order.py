"""What the server asks of a trial, and what the trial reports: both cross as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from naiad.core.encoder import EncoderOutput, EncoderSpec


@dataclass(frozen=True, slots=True)
class Order:
    """One model to copy and run."""

    graph: Path
    made: Path | None
    """Empty folder for the copy; None: run the graph itself."""
    threads: tuple[int, ...]
    """Sessions to try, by their number of threads; the server opens the same."""
    spec: EncoderSpec | None
    """What the encoder says of itself; None: inputs are made up from their declared shapes alone."""
    constants: Mapping[str, float]
    """Inputs that are the same for every text."""
    parent: int
    """Process that waits; without it the trial is of no use to anybody."""

    def to_json(self) -> str:
        """The other way: `from_json`."""
        spec = None if self.spec is None else asdict(self.spec)
        paths = {"graph": str(self.graph), "made": None if self.made is None else str(self.made)}
        rest = {"threads": self.threads, "spec": spec, "constants": dict(self.constants), "parent": self.parent}
        return json.dumps(paths | rest)

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Read what `to_json` wrote."""
        order = json.loads(text)
        spec = order["spec"]
        if spec is not None:
            outputs = tuple(EncoderOutput(**output) for output in spec.pop("outputs"))
            spec = EncoderSpec(outputs=outputs, **spec)
        made = None if order["made"] is None else Path(order["made"])
        return cls(Path(order["graph"]), made, tuple(order["threads"]), spec, order["constants"], order["parent"])


@dataclass(frozen=True, slots=True)
class Findings:
    """What a trial tells of a model that lived through it."""

    dependence: str = ""
    """How a row depends on what shares its run; empty where it does not."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the child says in the end."""

    error: str = ""
    """A sentence, where the model cannot be loaded or run; then there are no findings."""
    findings: Findings = Findings()
    is_copied: bool = False
    """The copy that was ordered is made, and was run; otherwise the graph itself was."""

    def to_json(self) -> str:
        """The other way: `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read what `to_json` wrote. Raises ValueError for anything else."""
        try:
            report = json.loads(text)
            return cls(report["error"], Findings(**report["findings"]), report["is_copied"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"no report: {text[:200]!r}") from error
