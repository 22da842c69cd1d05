"""Every kind of file becomes the same upright RGB image that transformers makes of it; nothing else gets in."""

from __future__ import annotations

import base64
import warnings
from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from pictures import encoded, picture
from PIL import Image, ImageOps

from naiad.core.errors import InvalidRequest
from naiad.tasks.image.preparing import decoding
from naiad.tasks.image.preparing.decoding import open_image


def expected(data: bytes) -> Image.Image:
    """What `transformers.image_utils.load_image` does with a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB")


def rotated() -> bytes:
    image = picture()
    exif = image.getexif()
    exif[0x0112] = 6
    return encoded(image, "JPEG", exif=exif)


def animated(kind: str) -> bytes:
    return encoded(picture(), kind, save_all=True, append_images=[picture(seed=1), picture(seed=2)])


def transparent_palette() -> bytes:
    image = picture(mode="P")
    return encoded(image, "PNG", transparency=bytes(range(256)))


FILES = {
    "jpeg": encoded(picture(), "JPEG"),
    "progressive jpeg": encoded(picture(), "JPEG", progressive=True),
    "grey jpeg": encoded(picture(mode="L"), "JPEG"),
    "cmyk jpeg": encoded(picture(mode="CMYK"), "JPEG"),
    "rotated jpeg": rotated(),
    "png": encoded(picture()),
    "grey png": encoded(picture(mode="L")),
    "grey png with alpha": encoded(picture(mode="LA")),
    "png with alpha": encoded(picture(mode="RGBA")),
    "16 bit png": encoded(picture(mode="I;16")),
    "bilevel png": encoded(picture(mode="1")),
    "palette png": encoded(picture(mode="P")),
    "palette png with transparency": transparent_palette(),
    "webp": encoded(picture(), "WEBP"),
    "lossless webp with alpha": encoded(picture(mode="RGBA"), "WEBP", lossless=True),
    "animated webp": animated("WEBP"),
    "gif": encoded(picture(), "GIF"),
    "animated gif": animated("GIF"),
    "bmp": encoded(picture(), "BMP"),
    "tiff": encoded(picture(), "TIFF"),
    "one pixel": encoded(picture(1, 1)),
}


@pytest.mark.parametrize("name", FILES)
def test_as_transformers_loads_it(name: str) -> None:
    made = open_image(FILES[name])
    assert made.mode == "RGB"
    assert np.array_equal(np.asarray(expected(FILES[name])), np.asarray(made))


def test_exif_turns_the_image() -> None:
    assert open_image(rotated()).size == (30, 40)


@pytest.mark.parametrize(
    "wrap",
    [
        base64.b64encode,
        base64.encodebytes,
        lambda data: b"data:image/png;base64," + base64.b64encode(data),
        lambda data: b" \n" + base64.b64encode(data),
    ],
)
def test_text_that_holds_an_image(wrap: object) -> None:
    text = wrap(FILES["png"])  # type: ignore[operator]
    assert np.array_equal(np.asarray(open_image(text)), np.asarray(picture()))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is not an image"),
        (b"\x00" * 100, "it is not an image"),
        (b"hello, this is text and no image at all", "it is not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is not an image"),
        (b"https://example.com/cat.png", "the server fetches nothing"),
        (b"data:image/png,abc", "a data URL without base64"),
        (b"data:image/png;base64,?!", "not valid base64"),
        (b"abcde", "not valid base64"),
        (base64.b64encode(b"hello"), "it is not an image"),
        (FILES["png"][:-40], "cannot be read"),
        (FILES["jpeg"][:200], "cannot be read"),
        (FILES["png"][:30], "it is not an image|cannot be read"),
        (encoded(picture(), "PPM"), "it is not an image"),
    ],
)
def test_what_is_no_image(data: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        open_image(data)


@pytest.mark.parametrize("name", FILES)
def test_any_damage_is_an_answer(name: str) -> None:
    """Whatever a decoder raises on changed bytes is a refusal, or it takes them."""
    random = np.random.default_rng(7)
    original = np.frombuffer(FILES[name], np.uint8)
    for _ in range(30):
        damaged = original.copy()
        damaged[random.integers(0, len(damaged), 6)] = random.integers(0, 256, 6)
        with suppress(InvalidRequest):
            assert open_image(damaged.tobytes()).mode == "RGB"


def test_huge_images_are_refused_before_they_are_decoded() -> None:
    """A few kilobytes of WebP or PNG can hold a hundred million pixels."""
    bomb = encoded(Image.new("1", (9_000, 9_000)))
    assert len(bomb) < 100_000
    with pytest.raises(InvalidRequest, match=r"more than 64,000,000 pixels"):
        open_image(bomb)


def test_the_limit_holds_without_pillows_own(monkeypatch: pytest.MonkeyPatch) -> None:
    open_image(FILES["png"])
    monkeypatch.setattr(decoding, "MAX_PIXELS", 100)
    with pytest.raises(InvalidRequest, match="pixels"):
        open_image(FILES["png"])
