"""Two encoders as one: images and texts of a model that compares them run through the same queue and instances."""

from __future__ import annotations

from collections.abc import Sequence

from naiad.core.contracts import Batch, Instance
from naiad.core.encoding.encoder import EncoderItem, EncoderResult, TextTokens
from naiad.core.errors import NaiadError


class PairEncoder:
    """An Instance[EncoderItem, EncoderResult] that gives each item to the encoder of its kind."""

    def __init__(
        self, texts: Instance[TextTokens, EncoderResult], images: Instance[EncoderItem, EncoderResult]
    ) -> None:
        self._texts = texts
        self._images = images

    def execute(self, batch: Batch[EncoderItem]) -> Sequence[EncoderResult | NaiadError]:
        """Run the texts, then the images; see Instance."""
        text_batch = Batch([item for item in batch.items if isinstance(item, TextTokens)])
        image_batch: Batch[EncoderItem] = Batch([item for item in batch.items if not isinstance(item, TextTokens)])
        texts = iter(self._texts.execute(text_batch) if text_batch.items else ())
        images = iter(self._images.execute(image_batch) if image_batch.items else ())
        batch.input_ready_s = text_batch.input_ready_s or image_batch.input_ready_s
        batch.output_ready_s = image_batch.output_ready_s or text_batch.output_ready_s
        return [next(texts) if isinstance(item, TextTokens) else next(images) for item in batch.items]

    def close(self) -> None:
        """Close both."""
        self._texts.close()
        self._images.close()
