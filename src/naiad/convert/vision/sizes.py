"""The sizes and options of one image encoder, read from its config.json and checked.

Not here: weight names (`families.py`) and the number of labels, which the weights themselves tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from naiad.convert.encoder.dimensions import MOST_LAYERS
from naiad.convert.encoder.families.architecture import ACTIVATIONS
from naiad.convert.vision.families import ImageFamily, section_of
from naiad.core.encoding.encoder import LARGEST_IMAGE
from naiad.core.errors import InvalidConfiguration, Unsupported
from naiad.core.json_values import LARGEST, is_number, is_whole, shown


@dataclass(frozen=True, slots=True)
class LayerSizes:
    """Sizes of one stack of layers, of images or of texts."""

    hidden: int
    heads: int
    layers: int
    intermediate: int
    activation: str
    norm_epsilon: float

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads


@dataclass(frozen=True, slots=True)
class ImageSizes:
    """Sizes of one image encoder, for one size of image."""

    layer: LayerSizes
    channels: int
    patch: tuple[int, int]
    """Height and width of a patch."""
    trained: tuple[int, int]
    """Height and width of the images that the weights know."""
    image: tuple[int, int]
    """Height and width of the images that it will get."""
    tokens: int
    """Tokens before the patches that have a position."""
    registers: int
    """Further tokens before the patches, without positions."""

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.image[0] // self.patch[0], self.image[1] // self.patch[1]

    @property
    def trained_grid(self) -> tuple[int, int]:
        """The same for the images that the weights know."""
        return self.trained[0] // self.patch[0], self.trained[1] // self.patch[1]

    @property
    def before_patches(self) -> int:
        """How many tokens stand before the patches."""
        return self.tokens + self.registers

    @property
    def length(self) -> int:
        """Tokens of one image."""
        return self.before_patches + self.grid[0] * self.grid[1]


class Options:
    """config.json, or the part of it that describes one encoder, with defaults."""

    def __init__(self, content: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self._content = content
        self._defaults = defaults

    def value(self, name: str) -> Any:
        """What the file says, the default where it is silent."""
        found = self._content.get(name)
        return self._defaults.get(name) if found is None else found

    def integer(self, name: str, least: int = 1, most: int = LARGEST) -> int:
        """A whole number. Raises InvalidConfiguration."""
        value = self.value(name)
        if not is_whole(value) or not least <= value <= most:
            raise InvalidConfiguration(
                f"config.json: {name} is {shown(value)}, not a whole number from {least} to {most}"
            )
        return value

    def number(self, name: str) -> float:
        """A number of at least zero. Raises InvalidConfiguration."""
        value = self.value(name)
        if not is_number(value) or value < 0:
            raise InvalidConfiguration(f"config.json: {name} is {shown(value)}, not a number of at least 0")
        return float(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false. Raises InvalidConfiguration."""
        value = self.value(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InvalidConfiguration(f"config.json: {name} is {value!r}, not true or false")
        return value

    def pair(self, name: str) -> tuple[int, int]:
        """Height and width, from one number for both or a list. Raises InvalidConfiguration."""
        value = self.value(name)
        both = value if isinstance(value, list | tuple) else (value, value)
        if len(both) != 2 or not all(is_whole(one) and 1 <= one <= LARGEST_IMAGE for one in both):
            raise InvalidConfiguration(
                f"config.json: {name} is {shown(value)}, not a size or a height and a width, up to {LARGEST_IMAGE}"
            )
        return int(both[0]), int(both[1])

    def activation(self, name: str) -> str:
        """What an activation's name computes. Raises Unsupported."""
        value = self.value(name)
        if not isinstance(value, str) or value not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise Unsupported(f"config.json: {name}={value!r} is not converted by Naiad itself; known: {known}")
        return ACTIVATIONS[value]


def image_options(config: Mapping[str, Any], family: ImageFamily) -> Options:
    """What a config.json says of its image encoder."""
    return Options(section_of(config, family.section), family.defaults)


def read_image_sizes(config: Mapping[str, Any], family: ImageFamily, image: tuple[int, int] | None) -> ImageSizes:
    """Sizes from a config.json's content. image: what the preprocessing makes; None: as config.json says.

    Raises Unsupported for options that the graph does not compute, InvalidConfiguration for impossible sizes.
    """
    options = image_options(config, family)
    trained, patch = options.pair("image_size"), options.pair("patch_size")
    sizes = ImageSizes(
        layer=read_layer_sizes(options),
        channels=options.integer("num_channels"),
        patch=patch,
        trained=trained,
        image=image or trained,
        tokens=len(family.tokens),
        registers=options.integer("num_register_tokens", least=0) if family.registers else 0,
    )
    for height, width in (sizes.image, sizes.trained):
        if height < patch[0] or width < patch[1]:
            raise InvalidConfiguration(
                f"an image of {height} x {width} has no room for a patch of {patch[0]} x {patch[1]}"
            )
    if sizes.image != trained and not family.resampling:
        raise Unsupported(
            f"preprocessor_config.json makes images of {sizes.image[0]} x {sizes.image[1]}, but the positions of this "
            f"model are for {trained[0]} x {trained[1]} (image_size of config.json); let both say the same"
        )
    return sizes


def read_layer_sizes(options: Options) -> LayerSizes:
    """The sizes of a stack of layers. Raises Unsupported, InvalidConfiguration."""
    hidden, heads = options.integer("hidden_size"), options.integer("num_attention_heads")
    if hidden % heads:
        raise InvalidConfiguration(
            f"config.json: hidden_size {hidden} is not a multiple of num_attention_heads {heads}"
        )
    if options.value("head_dim") not in (None, hidden // heads):
        raise Unsupported("config.json: a head_dim that is not hidden_size / num_attention_heads is not converted")
    return LayerSizes(
        hidden=hidden,
        heads=heads,
        layers=options.integer("num_hidden_layers", most=MOST_LAYERS),
        intermediate=_intermediate(options, hidden),
        activation=options.activation("hidden_act"),
        norm_epsilon=options.number("layer_norm_eps"),
    )


def _intermediate(options: Options, hidden: int) -> int:
    """DINOv2 gives a ratio; with a gated layer, two thirds of it, up to the next multiple of 8."""
    if options.value("mlp_ratio") is None:
        return options.integer("intermediate_size")
    inner = int(hidden * options.number("mlp_ratio"))
    return (int(inner * 2 / 3) + 7) // 8 * 8 if options.flag("use_swiglu_ffn") else inner
