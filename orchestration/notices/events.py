"""The same news as Prefect events, so that people can hang Prefect's automations on them."""

import logging

log = logging.getLogger("girouette.notices")


def announce(event: str, resource: str, name: str, facts: dict[str, str]) -> None:
    """Send one event `girouette.…`. Prefect keeps it if it can: an event is no promise, a message is."""
    from prefect.events import emit_event

    try:
        emit_event(
            f"girouette.{event}",
            resource={"prefect.resource.id": f"girouette.{resource}", "prefect.resource.name": name},
            payload=facts,
        )
    except Exception as error:
        log.debug("no event in Prefect: %r", error)
