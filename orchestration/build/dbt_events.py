"""Drops dbt's unused debug events: composing them takes a tenth of an hourly build's time."""

from typing import Any

from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager import EventManager
from dbt_common.events.event_manager_client import ctx_set_event_manager


class HeardEvents(EventManager):
    """Drops debug events before their message is composed."""

    def fire_event(
        self,
        e: BaseEvent,
        level: EventLevel | None = None,
        node: Any = None,
        force_warn_or_error_handling: bool = False,
    ) -> None:
        """Log the event and hand it to the callbacks, unless it is for debugging dbt."""
        if (level or e.level_tag()) != EventLevel.DEBUG or type(e).__name__ == "NodeFinished":
            super().fire_event(e, level, node, force_warn_or_error_handling)


def hear_only_what_is_logged(level: str) -> None:
    """From now on in this process, compose only the events that a log file of this level needs."""
    ctx_set_event_manager(EventManager() if level == EventLevel.DEBUG.value else HeardEvents())
