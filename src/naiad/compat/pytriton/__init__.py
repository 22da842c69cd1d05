"""PyTriton's modules under their names: `triton`, `decorators`, `model_config`, `client`, `exceptions`, `proxy.types`.

from pytriton.triton import Triton      →  from naiad.compat.pytriton.triton import Triton
"""
