"""Loaded instances → runners, each of the kind that its instance asks for."""

from __future__ import annotations

from typing import Any, cast

from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Instance, Instances, MayBeAway, Posts, StreamingInstance
from naiad.scheduling.contract import Runner
from naiad.scheduling.runners.post import PostRunner
from naiad.scheduling.runners.stream import StreamRunner
from naiad.scheduling.runners.thread import ThreadRunner


def open_runners(
    instances: Instances[Any], name: str, clock: Clock = monotonic, *, tries_apart: bool = True
) -> tuple[list[Runner], Runner | None]:
    """Give the runners of the narrow instances and that of the wide one, if there is one.

    name: the model's. tries_apart: see `ThreadRunner`.
    """
    names = instances.names or [f"{name}_{index}" for index in range(len(instances.narrow))]

    def open_runner(instance: Instance[Any, Any] | StreamingInstance[Any], thread: str) -> Runner:
        if hasattr(instance, "capacity"):
            return StreamRunner(cast("StreamingInstance[Any]", instance), thread, clock=clock)
        if isinstance(instance, Posts):
            return PostRunner(instance, thread, tries_apart=tries_apart, clock=clock)
        return ThreadRunner(instance, thread, may_inline=instances.may_inline, tries_apart=tries_apart, clock=clock)

    narrow = [open_runner(*one) for one in zip(instances.narrow, names, strict=True)]
    if len(narrow) > 1:
        for runner, instance in zip(narrow, instances.narrow, strict=True):
            if isinstance(instance, MayBeAway) and isinstance(runner, StreamRunner | PostRunner):
                runner.is_up = instance.is_up
    return narrow, None if instances.wide is None else open_runner(instances.wide, f"{name}_wide")
