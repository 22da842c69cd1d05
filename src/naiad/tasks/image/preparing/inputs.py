"""The images of a request, prepared; what is wrong with one of them names its number."""

from __future__ import annotations

from naiad.core.encoding.encoder import ImagePixels
from naiad.core.errors import InvalidRequest
from naiad.core.machine.turnstile import pause
from naiad.core.message import InferRequest
from naiad.tasks.image.preparing.processor import ImageProcessor

IMAGE = "image"
"""Name of the input in all tasks."""

MAX_IMAGES = 256
"""The most images in one request: prepared, 256 images of 224 x 224 are 38 MB, of 518 x 518 206 MB."""


def prepare_images(request: InferRequest, processor: ImageProcessor, outputs: tuple[str, ...]) -> list[ImagePixels]:
    """One item for each element of the input `image`.

    Raises InvalidRequest for an input that is missing, empty or of another shape, and for images that cannot be read.
    """
    tensor = request.inputs.get(IMAGE)
    if tensor is None:
        raise InvalidRequest(f"input '{IMAGE}' is missing: send image files as BYTES with shape [n]", input=IMAGE)
    if tensor.datatype != "BYTES":
        raise InvalidRequest(
            f"input '{IMAGE}' is {tensor.datatype}, BYTES is expected: the bytes of image files", input=IMAGE
        )
    data = tensor.data
    if data.ndim > 2 or (data.ndim == 2 and data.shape[1] != 1):
        raise InvalidRequest(f"input '{IMAGE}' has shape {list(data.shape)}, [n] or [n, 1] is expected", input=IMAGE)
    if not 0 < data.size <= MAX_IMAGES:
        raise InvalidRequest(f"input '{IMAGE}' has {data.size} images; send 1 to {MAX_IMAGES}", input=IMAGE)
    items: list[ImagePixels] = []
    for number, element in enumerate(data.reshape(-1).tolist()):
        pause()
        try:
            items.append(processor(element, outputs))
        except InvalidRequest as error:
            raise InvalidRequest(
                f"input '{IMAGE}': element {number}: {error.message}", input=IMAGE, element=number
            ) from error
    return items
