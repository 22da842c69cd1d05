"""The process of a trial: makes a folder's tokenizer and has it read texts of many kinds, within bounds of memory.

Order in on stdin; no report. An error that it survives is met again by the server, which says it in words; what it does
not survive, the server is spared.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

from naiad.core.foreign import is_librarys
from naiad.core.machine.child import die_with, limit_memory
from naiad.tasks.tokenizing.loading import RARE_CHARACTER, declare
from naiad.tasks.tokenizing.trial.trying import OUT_OF_MEMORY

TEXTS = (
    "",
    "a",
    RARE_CHARACTER,
    "".join(map(chr, range(32, 127))),
    "Größe, 東京 と 北京, Москва, القاهرة ﷺ, हिन्दी, ไทย, 한국어, 👩‍🚀 ½ … \t\n\r\x00\u200b\ufeff",
    "word " * 4000,
    "a" * 20_000,
    " " * 20_000,
    "0123456789" * 1000,
)


def main() -> None:
    """Read the order, carry it out."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import tokenizers  # noqa: F401 — counts among what the process has before it is limited

    order = json.loads(sys.stdin.read())
    die_with(order["parent"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit_memory(order["memory_bytes"])
    try:
        rust = declare(Path(order["folder"]), has_class=order["has_class"])[0].rust
        for text in TEXTS:
            rust.encode(text)
        rust.encode_batch_fast([*TEXTS, ("a question", "an answer")])
        rust.decode_batch([[*range(min(64, rust.get_vocab_size()))]] * 2)
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
    except BaseException as error:
        if not is_librarys(error):
            raise


if __name__ == "__main__":
    main()
