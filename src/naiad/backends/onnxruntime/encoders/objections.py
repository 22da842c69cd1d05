"""What is wrong with a tokenized text, before it shares a run with others.

The runtime would fail the whole run, and with it the answers of everybody else in it. Packed and padded encoders ask
here for every text.
"""

from __future__ import annotations

from naiad.core.encoding.encoder import EncoderSpec, TextTokens
from naiad.core.errors import InvalidRequest
from naiad.core.tensor import Array


def objection(item: TextTokens, spec: EncoderSpec) -> InvalidRequest | None:
    """Why this text cannot run on an encoder of this kind, or None; takes a few microseconds."""
    if not 1 <= item.tokens <= spec.max_tokens:
        return InvalidRequest(
            f"the text has {item.tokens} tokens; this model takes 1 to {spec.max_tokens}", tokens=item.tokens
        )
    names = [output.name for output in spec.outputs]
    unknown = [name for name in item.outputs if name not in names]
    if unknown or not item.outputs:
        asked = f"has no output {', '.join(unknown)}" if unknown else "was asked for no output"
        return InvalidRequest(f"this model {asked}; it has {', '.join(names)}")
    if spec.vocabulary and _outside(item.input_ids, spec.vocabulary):
        return InvalidRequest(f"a token id is not between 0 and {spec.vocabulary - 1}, this model's vocabulary")
    if spec.needed_token is not None and spec.needed_token not in item.input_ids:
        return InvalidRequest(
            f"the text does not contain the token {spec.needed_token}, from which this model classifies",
            token=spec.needed_token,
        )
    if item.rows is not None and len(item.rows) and _outside(item.rows, item.tokens):
        return InvalidRequest(f"a row lies outside the text's {item.tokens} tokens")
    if item.type_ids is None or not spec.uses_type_ids:
        return None
    if len(item.type_ids) != item.tokens:
        return InvalidRequest(f"{len(item.type_ids)} type ids for {item.tokens} tokens")
    if spec.type_vocabulary and _outside(item.type_ids, spec.type_vocabulary):
        return InvalidRequest(f"a type id is not between 0 and {spec.type_vocabulary - 1}")
    return None


def _outside(values: Array, limit: int) -> bool:
    return bool(values.min() < 0 or values.max() >= limit)
