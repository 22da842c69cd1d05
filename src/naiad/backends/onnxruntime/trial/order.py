"""What the server asks of a trial, and what the trial reports: both cross as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec
from naiad.core.encoding.ports import Ports


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
class Report:
    """What the child says in the end."""

    error: str = ""
    """A sentence, where the model cannot be loaded or run; then there are no ports."""
    ports: Ports = field(default_factory=lambda: Ports({}, {}))
    """What the graph takes and gives, and what was found out about it."""
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
            ports = Ports(**report["ports"])
            sides = (ports.inputs, ports.outputs)
            inputs, outputs = ({name: tuple(dims) for name, dims in side.items()} for side in sides)
            return cls(report["error"], replace(ports, inputs=inputs, outputs=outputs), report["is_copied"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no report: {text[:200]!r}") from error
