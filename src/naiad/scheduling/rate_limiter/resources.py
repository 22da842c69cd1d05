"""Resources that instances need for an execution: how many there are, and whether some are free. Pure.

Source of the rules and of the words: Triton, `--rate-limit-resource` and `rate_limiter` of an instance group. A
resource is global, or there is one of its name for each device; instances on the CPU are on device 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from naiad.core.errors import InvalidConfiguration, LoadFailed
from naiad.core.model.config import RateLimit

GLOBAL = "global"
EVERY = "every"
"""In what the operator gives: so many on every device."""
CPU = "0"
"""The device of all instances here."""

Resources = Mapping[tuple[str, str], int]
"""(Device or GLOBAL, name) → count."""

_MOST = 2**32 - 1
"""As in the configuration of a model."""


def read_resources(options: Iterable[str]) -> dict[tuple[str, str], int]:
    """Read the values of `--rate-limit-resource`, NAME:COUNT or NAME:COUNT:DEVICE. Raises InvalidConfiguration."""
    found: dict[tuple[str, str], int] = {}
    for option in options:
        name, *numbers = option.split(":")
        if not name or len(numbers) not in (1, 2) or not all(map(_is_number, numbers)):
            raise InvalidConfiguration(
                "--rate-limit-resource option format is '<resource_name>:<count>:<device>' or "
                f"'<resource_name>:<count>'. Got {option}"
            )
        place = (str(int(numbers[1])) if len(numbers) == 2 else EVERY, name)
        if place in found:
            raise InvalidConfiguration(f"--rate-limit-resource {option}: the count of '{name}' is given twice")
        found[place] = int(numbers[0])
    return found


def needed(rate_limit: RateLimit) -> dict[tuple[str, str], int]:
    """What one execution of an instance takes; of a resource that is listed twice, the last count."""
    return {(GLOBAL if one.is_global else CPU, one.name): one.count for one in rate_limit.resources}


def limits_of(needs: Iterable[Resources], given: Resources) -> dict[tuple[str, str], int]:
    """Say how many of each resource there are: what the operator gives, else the most that one instance needs.

    Raises LoadFailed if an instance could never run, or a name is of both kinds.
    """
    most: dict[tuple[str, str], int] = {}
    for need in needs:
        for place, count in need.items():
            most[place] = max(count, most.get(place, 0))
    limits = {place: _given(place, given) if given else count for place, count in most.items()}
    for place in sorted(most, key=_order):
        if limits[place] < most[place]:
            raise LoadFailed(
                f'Resource count for "{place[1]}" is limited to {limits[place]} which will prevent scheduling of one '
                f"or more model instances, the minimum required count is {most[place]}"
            )
    for device, name in sorted(most):
        if device != GLOBAL and (GLOBAL, name) in most:
            raise LoadFailed(
                f'Resource "{name}" is present as both global and device-specific resource in the model configuration.'
            )
    return limits


def are_free(need: Resources, taken: Resources, limits: Resources) -> bool:
    """Whether an execution may take what it needs."""
    return all(taken.get(place, 0) + count <= limits.get(place, 0) for place, count in need.items())


def _given(place: tuple[str, str], given: Resources) -> int:
    """How many the operator gives; of a global resource the largest of its counts, whatever their devices."""
    device, name = place
    if device == GLOBAL:
        return max((count for (_, known), count in given.items() if known == name), default=0)
    return max(given.get((device, name), 0), given.get((EVERY, name), 0))


def _order(place: tuple[str, str]) -> tuple[bool, str, str]:
    return place[0] != GLOBAL, *place


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _MOST
