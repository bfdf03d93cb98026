"""What Prefect works out anew for every run though it never changes while a process lasts."""

from functools import cache

from prefect._internal.schemas import validators
from prefect.workers.process import ProcessJobConfiguration


def remember_time_zones() -> None:
    """List the machine's time zones once: with each deployment read, client and server walk through their files."""
    validators.get_timezones = cache(validators.get_timezones)  # type: ignore[attr-defined]


class RunConfiguration(ProcessJobConfiguration):
    """The configuration of a run in this process's own environment."""

    @classmethod
    @cache
    def _base_environment(cls) -> dict[str, str]:
        """Write Prefect's settings as variables once: it takes the event loop 15 ms, and readers wait for it."""
        return super()._base_environment()
