"""A program for other processors: converts a checkpoint, runs it on fixed tokens and prints what comes out as JSON.

Usage: run_encoder.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from naiad.convert.checkpoint import convert_checkpoint
from naiad.convert.opening import open_encoder
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import TextTokens

LENGTHS = (7, 1, 23, 2, 60)


def main() -> None:
    """Run every length alone and all of them in one batch."""
    converted = convert_checkpoint(Path(sys.argv[1]))
    encoder = open_encoder(converted.graph, converted.spec)
    wanted = (converted.spec.outputs[0].name,)
    masked = converted.spec.head == "masked-lm"
    items = [TextTokens(np.arange(5, 5 + length), wanted, rows=np.array([0]) if masked else None) for length in LENGTHS]
    alone = [encoder.execute(Batch([item]))[0] for item in items]
    together = encoder.execute(Batch(items))
    rows = [np.asarray(result[wanted[0]]).ravel()[:400].tolist() for result in [*alone, *together]]
    sys.stdout.write(json.dumps(rows))


if __name__ == "__main__":
    main()
