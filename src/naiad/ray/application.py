"""The application: a deployment of replicas with what suits its models, from the arguments of a configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.config import ServerSettings
from naiad.ray.capacity import Capacity, capacity_of
from naiad.ray.deployment import Naiad
from naiad.ray.replica import check_options, read_user_config
from naiad.server.aio import AsyncServer

NAME = "naiad"
"""Of the deployment, by which a configuration file sets its options."""

ARGUMENTS = ("models", "manifest", "lock", "offline", "options", "deployment")

STOP_S = 60.0
"""What a replica gets to answer what it has taken before it is ended: `drain_timeout_s` twice, and a little."""


def app(args: Mapping[str, Any]) -> Any:
    """Build the application: Ray's application builder.

    args: `models` (as `naiad serve` takes them, or entries of naiad.yaml), `manifest`, `lock`, `offline`, `options` (of
    `naiad serve`, by the names of their flags), and `deployment`: options of Ray's deployment, such as num_replicas,
    autoscaling_config, ray_actor_options and user_config. Raises InvalidConfiguration.
    """
    unknown = sorted(set(args) - set(ARGUMENTS))
    if unknown:
        raise InvalidConfiguration(f"args: '{unknown[0]}' is not known; use one of: {', '.join(ARGUMENTS)}")
    options = dict(args.get("options") or {})
    check_options(options)
    wanted = dict(args.get("deployment") or {})
    replica = {key: args[key] for key in ARGUMENTS[:-1] if key in args}
    given = deployment_options(_capacity(args, options, wanted.get("user_config")), wanted)
    from ray import serve

    return serve.deployment(**given)(Naiad).bind(**replica)


def deployment_options(capacity: Capacity, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of Ray's deployment: those that are wanted, and what follows from the models.

    Another replica is started when requests wait in those there are: more than run at once.
    """
    scaling = wanted.get("autoscaling_config")
    given = dict(wanted)
    if isinstance(scaling, Mapping):
        given["autoscaling_config"] = {"target_ongoing_requests": float(capacity.at_once), **scaling}
    return {
        "name": NAME,
        "max_ongoing_requests": capacity.most,
        "graceful_shutdown_timeout_s": STOP_S,
        **given,
    }


def _capacity(args: Mapping[str, Any], options: Mapping[str, Any], user_config: Any) -> Capacity:
    """Raise InvalidConfiguration for models, a manifest or options that cannot be read."""
    models, manifest = args.get("models", ()), args.get("manifest")
    if user_config is not None:
        models, manifest = read_user_config(user_config)
    server = AsyncServer(models, manifest=manifest, lock=args.get("lock"), **options)
    return capacity_of(server.entries, ServerSettings.of(**options).models)
