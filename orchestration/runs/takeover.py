"""Automations of Prefect's server: a run whose host was lost is marked Crashed, and run again on another host.

A killed process on a host that lives is another matter: its worker reports it at once, and nothing is run again.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

HEARTBEAT_SECONDS = 30  # Prefect's shortest
_SILENT = timedelta(seconds=90)  # three heartbeats
HOST_LOST = "HostLost"
_ENDS = ("Completed", "NoNewData", "Failed", "Crashed", HOST_LOST, "Cancelled")
_RUN = "prefect.flow-run."
_END_NAME, _AGAIN_NAME = "Girouette: end a run that lost its host", "Girouette: run again what lost its host"


async def register_takeover(client: PrefectClient, deployment_id: UUID, *, wanted: bool) -> None:
    """Create the two automations, bring them up to date, or delete them."""
    automations = takeover_automations(deployment_id) if wanted else []
    for name in (_END_NAME, _AGAIN_NAME):
        automation = next((found for found in automations if found.name == name), None)
        known = await client.read_automations_by_name(name)
        # Never written again without need: with Prefect 3.9.1 an update of two workers at once left a trigger without
        # its automation ("has been garbage collected"), and no silent run was noticed any more.
        same = [found for found in known if automation is not None and _says_the_same(found, automation)]
        for found in known:
            if found not in same[:1]:
                with suppress(ObjectNotFound):
                    await client.delete_automation(found.id)
        if automation is not None and not same:
            await client.create_automation(automation)
            made = await client.read_automations_by_name(name)
            for twin in sorted(made, key=lambda found: str(found.id))[1:]:  # another worker made it meanwhile
                with suppress(ObjectNotFound):
                    await client.delete_automation(twin.id)


def _says_the_same(one: AutomationCore, other: AutomationCore) -> bool:
    """Compare what they do, without the ids that Prefect gives."""

    def told(automation: AutomationCore) -> dict[str, Any]:
        core = AutomationCore.model_validate(automation.model_dump(include=set(AutomationCore.model_fields)))
        facts = core.model_dump(exclude={"trigger": {"id"}})
        # A person may have switched it off in Prefect's UI: it stays off.
        return {name: value for name, value in facts.items() if name != "enabled"}

    return told(one) == told(other)


def takeover_automations(deployment_id: UUID) -> list[AutomationCore]:
    """Both automations, for runs of one deployment."""
    of_ours = {"prefect.resource.id": f"prefect.deployment.{deployment_id}", "prefect.resource.role": "deployment"}
    return [
        AutomationCore(
            name=_END_NAME,
            description="A run that was silent for 90 s has lost its host: it ends, and others may run.",
            trigger=EventTrigger(
                posture=Posture.Proactive,
                after={f"{_RUN}Running", f"{_RUN}heartbeat"},  # a host may be lost before the first heartbeat
                expect={f"{_RUN}heartbeat", *(f"{_RUN}{state}" for state in _ENDS)},
                match={"prefect.resource.id": [f"{_RUN}*"]},
                match_related=of_ours,
                for_each={"prefect.resource.id"},
                threshold=1,
                within=_SILENT,
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.CRASHED,
                    name=HOST_LOST,
                    message="its host was silent for 90 s; the last snapshot stays served",
                )
            ],
        ),
        AutomationCore(
            name=_AGAIN_NAME,
            description="Runs the same on another host. It fetches what the lost run had, as upstream keeps a day.",
            trigger=EventTrigger(
                posture=Posture.Reactive,
                expect={f"{_RUN}{HOST_LOST}"},
                match={"prefect.resource.id": [f"{_RUN}*"]},
                match_related=of_ours,
                for_each={"prefect.resource.id"},
                threshold=1,
                within=timedelta(0),
            ),
            actions=[
                RunDeployment(
                    source="selected",
                    deployment_id=deployment_id,
                    parameters={
                        name: {
                            "__prefect_kind": "json",
                            "value": {
                                "__prefect_kind": "jinja",
                                "template": "{{ flow_run.parameters['%s'] | tojson }}" % name,  # noqa: UP031
                            },
                        }
                        for name in ("dept", "full")
                    },
                )
            ],
        ),
    ]
