"""What stands in front of a model that was loaded, or is told of it: the response cache, and the limiter of rates."""

from __future__ import annotations

from naiad.scheduling.rate_limiter.limiter import RateLimiter
from naiad.serving.caching.model import Caching
from naiad.serving.model import ServedModel
from naiad.serving.tensor_model import TensorModel


class Wrapping:
    """See `naiad.loading.models.Wrap`."""

    def __init__(self, caching: Caching, limiter: RateLimiter | None) -> None:
        self.reads_contents = caching.reads_contents
        self._caching = caching
        self._limiter = limiter

    def __call__(self, model: ServedModel, contents: bytes | None) -> ServedModel:
        """Return what is to serve in the place of a model. Raises LoadFailed where the limiter cannot run it."""
        if self._limiter is not None and isinstance(model, TensorModel):
            model.limit_rates(self._limiter)
        return self._caching(model, contents)
