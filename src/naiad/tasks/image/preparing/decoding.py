"""Bytes of an image file to an upright RGB image, whoever made them: the one file that lets Pillow open anything.

JSON carries text, so an image may also come as base64 or as a data URL. Nothing is ever fetched: a URL of the web is
refused.
"""

from __future__ import annotations

import base64
import binascii
import warnings
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from naiad.core.errors import InvalidRequest

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

MAX_PIXELS = 64_000_000
"""The most pixels of an image before and while it is resized: 8000 x 8000, which take 192 MB when it is decoded."""

_TOO_LARGE = f"it has more than {MAX_PIXELS:,} pixels; send a smaller one"

_TEXT_START = 64
"""Bytes that tell whether an element is text."""


def open_image(data: bytes) -> Image:
    """The first frame as an upright RGB image, as `load_image` of transformers makes it.

    Raises InvalidRequest saying what is wrong; the caller says with which element.
    """
    pillow, image_ops = _pillow()
    content = _file_of(data)
    unidentified = pillow.UnidentifiedImageError
    try:
        with pillow.open(BytesIO(content), formats=FORMATS) as image:
            _check_size(image.width, image.height)
            image.load()
            upright = image_ops.exif_transpose(image)
            if upright.mode == "P" and "transparency" in upright.info:
                upright = upright.convert("RGBA")  # the same colours; straight to RGB, Pillow warns about the rest
            made: Image = upright.convert("RGB")
            return made
    except InvalidRequest:
        raise
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise InvalidRequest(_TOO_LARGE) from error
    except unidentified as error:
        raise InvalidRequest(f"it is not an image: send {', '.join(FORMATS)}, or one of these in base64") from error
    except Exception as error:  # Pillow raises whatever its decoders meet in bytes that are damaged or hostile
        raise InvalidRequest(f"the image cannot be read: {str(error) or type(error).__name__}") from error


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise InvalidRequest(_TOO_LARGE)


def _file_of(data: bytes) -> bytes:
    """The file itself, where it came as text. Raises InvalidRequest."""
    start = data[:_TEXT_START].lstrip()
    if start.startswith((b"http://", b"https://")):
        raise InvalidRequest("it is a URL: the server fetches nothing; send the file's bytes")
    if start.startswith(b"data:"):
        head, comma, text = data.lstrip().partition(b",")
        if not comma or not head.endswith(b";base64"):
            raise InvalidRequest("it is a data URL without base64")
        return _from_base64(text)
    if start and not start.strip(_BASE64):
        return _from_base64(data)
    return data


_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n"


def _from_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text.translate(None, b"\r\n\t "), validate=True)
    except binascii.Error as error:
        raise InvalidRequest(f"it is not valid base64: {error}") from error


@cache
def _pillow() -> tuple[Any, Any]:
    """Pillow's Image and ImageOps, told to refuse huge images instead of warning about them."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
    return Image, ImageOps
