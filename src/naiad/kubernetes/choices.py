"""What can be chosen about a server in a cluster, checked: the same names and defaults as the Helm chart's values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from naiad.core.errors import InvalidConfiguration

CACHES = ("emptyDir", "claim", "perPod")
SERVICES = ("ClusterIP", "NodePort", "LoadBalancer")

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = re.compile(_LABEL)
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
LONGEST_NAME = 50
"""Characters of a name: 63 are allowed, and `-headless` follows (RFC 1123)."""
_QUANTITY = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(m|k|Ki|[MGTPE]i?)?")
_IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9._:/@-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_URL = re.compile(r"https?://[^\s]+")
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Choices:
    """One server's. The constructor raises InvalidConfiguration naming the option that is wrong."""

    name: str = "naiad"
    """Of all objects."""
    namespace: str = ""
    """Empty: that of whoever applies them."""
    image: str = ""
    args: tuple[str, ...] = ()
    """Further arguments of `naiad serve`."""
    replicas: int = 2
    cpu: str = "2"
    memory: str = "2Gi"
    memory_limit: str = "4Gi"
    cache: str = "emptyDir"
    cache_size: str = "20Gi"
    cache_claim: str = ""
    """A claim that exists, for the cache `claim`; empty: one is made."""
    storage_class: str = ""
    secret: str = ""
    """Its keys become environment variables."""
    env: Mapping[str, str] = field(default_factory=dict)
    service_type: str = "ClusterIP"
    lame_duck_s: int = 10
    drain_timeout_s: int = 60
    grace_s: int = 90
    startup_s: int = 1800
    min_replicas: int = 2
    max_replicas: int = 0
    """0: no autoscaling."""
    target_cpu: int = 70
    """Per cent; 0: the CPU is not looked at."""
    target_pending: int = 0
    """Waiting requests of each pod; 0: they are not looked at."""
    keda: str = ""
    """Prometheus' address; empty: Kubernetes' own autoscaler."""
    network_policy: bool = False
    pod_monitor: bool = False
    prometheus_rule: bool = False
    gpus: int = 0
    node_selector: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_names(self)
        _check_amounts(self)
        _check_cache(self)
        _check_times(self)
        _check_scaling(self)

    @property
    def is_scaled(self) -> bool:
        """Whether something else decides how many pods there are."""
        return self.max_replicas > 0


_FACTORS = {"": 1.0, "m": 1e-3, "k": 1e3, "Ki": 2.0**10} | {
    prefix + end: base ** (power + 2)
    for power, prefix in enumerate("MGTPE")
    for end, base in (("", 1000.0), ("i", 1024.0))
}


def amount(quantity: str) -> float:
    """Return what a quantity of Kubernetes means; it must be one."""
    number = quantity.rstrip("mkKMGTPEi")
    return float(number) * _FACTORS[quantity[len(number) :]]


def _check_names(choices: Choices) -> None:
    if not _NAME.fullmatch(choices.name) or len(choices.name) > LONGEST_NAME:
        form = f"lower-case letters, digits and dashes, {LONGEST_NAME} at most, such as my-models"
        raise _wrong("name", choices.name, form)
    for key in ("namespace", "secret", "cache_claim", "storage_class"):
        value = getattr(choices, key)
        if value and not _SUBDOMAIN.fullmatch(value):
            raise _wrong(key, value, "a name of Kubernetes: lower-case letters, digits, dashes and dots")
    if not _IMAGE.fullmatch(choices.image):
        raise _wrong("image", choices.image, "an image's name, such as registry.example.com/naiad:0.1.0")
    if choices.service_type not in SERVICES:
        raise _wrong("service_type", choices.service_type, f"one of {', '.join(SERVICES)}")
    for variable in choices.env:
        if not _VARIABLE.fullmatch(variable):
            raise _wrong("env", variable, "the name of an environment variable")


def _check_amounts(choices: Choices) -> None:
    for key in ("cpu", "memory", "memory_limit", "cache_size"):
        value = getattr(choices, key)
        if not _QUANTITY.fullmatch(value) or amount(value) <= 0:
            raise _wrong(key, value, "a quantity, such as 500m or 4 for processors, 2Gi for memory")
    if amount(choices.memory) > amount(choices.memory_limit):
        raise InvalidConfiguration(f"--memory {choices.memory} is more than --memory-limit {choices.memory_limit}")
    for each in fields(choices):
        value = getattr(choices, each.name)
        if isinstance(value, int) and value < 0:
            raise _wrong(each.name, str(value), "0 or more")


def _check_cache(choices: Choices) -> None:
    if choices.cache not in CACHES:
        raise _wrong("cache", choices.cache, f"one of {', '.join(CACHES)}")
    if choices.cache_claim and choices.cache != "claim":
        raise InvalidConfiguration("--cache-claim names a claim, which is used only with --cache claim")
    if choices.storage_class and (choices.cache == "emptyDir" or choices.cache_claim):
        raise InvalidConfiguration("--storage-class is for a claim that is made; use --cache claim or perPod")


def _check_times(choices: Choices) -> None:
    if choices.grace_s <= choices.lame_duck_s + choices.drain_timeout_s:
        raise InvalidConfiguration(
            f"--grace-s {choices.grace_s} must be longer than --lame-duck-s {choices.lame_duck_s} and "
            f"--drain-timeout-s {choices.drain_timeout_s} together, or pods are killed before they have answered"
        )
    if not choices.startup_s:
        raise _wrong("startup_s", "0", "1 or more")


def _check_scaling(choices: Choices) -> None:
    if not choices.is_scaled:
        if choices.keda:
            raise InvalidConfiguration("--keda scales pods: say up to how many with --max-replicas")
        if not choices.replicas:
            raise _wrong("replicas", "0", "1 or more")
        return
    if not 1 <= choices.min_replicas <= choices.max_replicas:
        raise InvalidConfiguration(
            f"--min-replicas {choices.min_replicas} must be 1 or more, and not above --max-replicas "
            f"{choices.max_replicas}"
        )
    if choices.keda and not _URL.fullmatch(choices.keda):
        raise _wrong("keda", choices.keda, "Prometheus' address, such as http://prometheus.monitoring.svc:9090")
    if choices.keda and not choices.target_pending:
        raise InvalidConfiguration("--keda looks at waiting requests: say how many with --target-pending")
    if not choices.target_cpu and not choices.target_pending:
        raise InvalidConfiguration("nothing to scale by: set --target-cpu or --target-pending")


def _wrong(key: str, value: str, form: str) -> InvalidConfiguration:
    return InvalidConfiguration(f"--{key.replace('_', '-')}: '{value[:_SHOWN]}' is not {form}")
