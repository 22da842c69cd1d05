"""What packed graphs take and give: texts joined without padding, and each one's part of the answers.

Not here: the row itself (`naiad.core.encoding.pack`) and graphs that want padding (`padded.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from naiad.backends.onnxruntime.encoders.objections import objection
from naiad.core.encoding.encoder import EncoderSpec, TextTokens
from naiad.core.encoding.pack import Pack
from naiad.core.errors import InvalidRequest


class PackedForm:
    """A Form of tokenized texts, in packs of up to `spec.pack_limit`."""

    def __init__(self, spec: EncoderSpec, inputs: Iterable[str]) -> None:
        """inputs: those that the graph has."""
        self._spec = spec
        self._inputs = frozenset(inputs)

    def objection(self, item: TextTokens) -> InvalidRequest | None:
        """See Form."""
        return objection(item, self._spec)

    def gather(self, items: Sequence[TextTokens]) -> list[Pack]:
        """See Form."""
        return [
            Pack(pack, self._spec, self._inputs)
            for pack in split_packs(items, self._spec.pack_limit or self._spec.pack_tokens)
        ]


def split_packs(items: Sequence[TextTokens], pack_tokens: int) -> list[Sequence[TextTokens]]:
    """Cut into packs of at most that many tokens, in order; a longer text is a pack by itself.

    Speed is one reason: attention costs the square of a pack. The other is int8: sums over more than 128 tokens are
    made in parts, whose borders would depend on what else is in the pack.
    """
    packs: list[Sequence[TextTokens]] = []
    begin = tokens = 0
    for number, item in enumerate(items):
        if number > begin and tokens + item.tokens > pack_tokens:
            packs.append(items[begin:number])
            begin, tokens = number, 0
        tokens += item.tokens
    if begin < len(items):
        packs.append(items[begin:])
    return packs
