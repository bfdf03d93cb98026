"""What dbt does at each invocation that no build here has a use for, left out: a fifth of an hourly build's time."""

import multiprocessing
from functools import cache
from typing import Any

from dbt.mp_context import get_mp_context
from dbt.plugins.manager import PluginManager
from dbt_common.behavior_flags import BehaviorFlagRendered
from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager import EventManager
from dbt_common.events.event_manager_client import ctx_set_event_manager

# dbt looks for plugins among all installed packages at each invocation ...
PluginManager.get_prefixed_modules = cache(PluginManager.get_prefixed_modules)  # type: ignore[method-assign]
# ... and through its call stack, within Prefect's, to name in a warning who made a flag.
BehaviorFlagRendered._default_source = staticmethod(lambda: "dbt")  # type: ignore[method-assign]
# Its locks are for processes that it might start anew, and does not; for them, each process would have a second
# one that cleans up after it.
get_mp_context().get_context = lambda *_: multiprocessing.get_context("fork")  # type: ignore[method-assign, assignment]


class HeardEvents(EventManager):
    """dbt's event manager without the events that neither the log file nor `run_command` has a use for."""

    def fire_event(
        self,
        e: BaseEvent,
        level: EventLevel | None = None,
        node: Any = None,
        force_warn_or_error_handling: bool = False,
    ) -> None:
        """Log the event and hand it to the callbacks, unless it is of dbt's inner life."""
        if (level or e.level_tag()) != EventLevel.DEBUG or type(e).__name__ == "NodeFinished":
            super().fire_event(e, level, node, force_warn_or_error_handling)


def hear_only_what_is_logged(level: str) -> None:
    """Put together, from now on in this process, the events that a log file of this level holds."""
    ctx_set_event_manager(EventManager() if level == EventLevel.DEBUG.value else HeardEvents())
