"""Automations of Prefect's server: a run whose host was lost is marked Crashed, and run again on another host.

A killed process on a host that lives is another matter: its worker reports it at once, and nothing is run again.
"""

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

HEARTBEAT_SECONDS = 30  # Prefect's shortest
_SILENT = timedelta(seconds=90)  # three heartbeats
HOST_LOST = "HostLost"
_ENDS = ("Completed", "NoNewData", "Failed", "Crashed", HOST_LOST, "Cancelled")
_RUN = "prefect.flow-run."
_END_NAME = "Girouette: end a run that lost its host"
# By deployment: of hourly runs, of back-fills, of refreshes. The parameters are those of the lost run.
_AGAIN = {
    "Girouette: run again what lost its host": ("dept", "full"),
    "Girouette: go on with a back-fill that lost its host": ("dept", "datasets", "since", "to"),
    "Girouette: go on with a refresh that lost its host": (),
}


async def register_takeover(client: PrefectClient, deployment_ids: Sequence[UUID], *, wanted: bool) -> None:
    """Create the automations of hourly runs, back-fills and refreshes, bring them up to date, or delete them."""
    automations = takeover_automations(deployment_ids) if wanted else []
    for name in (_END_NAME, *_AGAIN):
        automation = next((found for found in automations if found.name == name), None)
        known = await client.read_automations_by_name(name)
        # Never written again without need: with Prefect 3.9.1 an update of two workers at once left a trigger without
        # its automation ("has been garbage collected"), and no silent run was noticed any more.
        same = [found for found in known if automation is not None and _says_the_same(found, automation)]
        for found in known:
            if found not in same[:1]:
                await _delete(client, found.id)
        if automation is not None and not same:
            await client.create_automation(automation)
            made = await client.read_automations_by_name(name)
            for twin in sorted(made, key=lambda found: str(found.id))[1:]:  # another worker made it meanwhile
                await _delete(client, twin.id)


async def _delete(client: PrefectClient, automation_id: UUID) -> None:
    """Delete an automation, which another worker may have done meanwhile."""
    try:
        await client.delete_automation(automation_id)
    except httpx.HTTPStatusError as error:
        if error.response.status_code != HTTPStatus.NOT_FOUND:
            raise


def _says_the_same(one: AutomationCore, other: AutomationCore) -> bool:
    """Compare what they do, without the ids that Prefect gives."""

    def told(automation: AutomationCore) -> dict[str, Any]:
        core = AutomationCore.model_validate(automation.model_dump(include=set(AutomationCore.model_fields)))
        facts = core.model_dump(exclude={"trigger": {"id"}})
        # A person may have switched it off in Prefect's UI: it stays off.
        return {name: value for name, value in facts.items() if name != "enabled"}

    return told(one) == told(other)


def takeover_automations(deployment_ids: Sequence[UUID]) -> list[AutomationCore]:
    """The automation that ends lost runs, and for each deployment the one that runs the same on another host."""
    return [
        _ending(deployment_ids),
        *(
            _running_again(name, deployment_id, parameters)
            for deployment_id, (name, parameters) in zip(deployment_ids, _AGAIN.items(), strict=True)
        ),
    ]


def _of(deployment_ids: Sequence[UUID]) -> ResourceSpecification:
    resources = [f"prefect.deployment.{deployment_id}" for deployment_id in deployment_ids]
    return ResourceSpecification({"prefect.resource.id": resources, "prefect.resource.role": "deployment"})


def _ending(deployment_ids: Sequence[UUID]) -> AutomationCore:
    return AutomationCore(
        name=_END_NAME,
        description="A run that was silent for 90 s has lost its host: it ends, and others may run.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            after={f"{_RUN}Running", f"{_RUN}heartbeat"},  # a host may be lost before the first heartbeat
            expect={f"{_RUN}heartbeat", *(f"{_RUN}{state}" for state in _ENDS)},
            match=ResourceSpecification({"prefect.resource.id": [f"{_RUN}*"]}),
            match_related=_of(deployment_ids),
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
    )


def _running_again(name: str, deployment_id: UUID, parameters: Sequence[str]) -> AutomationCore:
    return AutomationCore(
        name=name,
        description="Runs the same on another host, which fetches again what the lost one had not published.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            expect={f"{_RUN}{HOST_LOST}"},
            match=ResourceSpecification({"prefect.resource.id": [f"{_RUN}*"]}),
            match_related=_of([deployment_id]),
            for_each={"prefect.resource.id"},
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            RunDeployment(
                source="selected",
                deployment_id=deployment_id,
                parameters={
                    parameter: {
                        "__prefect_kind": "json",
                        "value": {
                            "__prefect_kind": "jinja",
                            "template": "{{ flow_run.parameters['%s'] | tojson }}" % parameter,  # noqa: UP031
                        },
                    }
                    for parameter in parameters
                },
            )
        ],
    )
