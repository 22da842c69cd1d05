"""The one table from `Architecture.body` to the class that builds it."""

from __future__ import annotations

from naiad.convert.encoder.bodies.alibi import AlibiBody
from naiad.convert.encoder.bodies.bart import BartBody, MBartBody
from naiad.convert.encoder.bodies.body import Body
from naiad.convert.encoder.bodies.deberta import DebertaBody, DebertaV2Body
from naiad.convert.encoder.bodies.euro import EuroBody
from naiad.convert.encoder.bodies.mobile import MobileBody
from naiad.convert.encoder.bodies.modern import ModernBody
from naiad.convert.encoder.bodies.post_norm import PostNormBody
from naiad.convert.encoder.bodies.pre_norm import PreNormBody
from naiad.convert.encoder.bodies.rotary_post_norm import NomicBody, RoFormerBody, RotaryPostNormBody
from naiad.convert.encoder.bodies.squeeze import SqueezeBody
from naiad.convert.encoder.bodies.t5 import T5Body

BODIES: dict[str, type[Body]] = {
    "post-norm": PostNormBody,
    "bart": BartBody,
    "mbart": MBartBody,
    "deberta": DebertaBody,
    "deberta-v2": DebertaV2Body,
    "pre-norm": PreNormBody,
    "t5": T5Body,
    "mobile": MobileBody,
    "squeeze": SqueezeBody,
    "modern": ModernBody,
    "euro": EuroBody,
    "rotary-post-norm": RotaryPostNormBody,
    "roformer": RoFormerBody,
    "nomic": NomicBody,
    "alibi": AlibiBody,
}
