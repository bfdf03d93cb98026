"""The automations of lost hosts on a real Prefect server, under a deployment of its own."""

import asyncio
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient

from orchestration.runs import takeover
from orchestration.runs.takeover import register_takeover

pytestmark = pytest.mark.xdist_group("prefect")


def test_the_automations_are_made_once_left_alone_and_deleted(prefect_server: str, monkeypatch: pytest.MonkeyPatch):
    names = [f"{name} in a test" for name in ("end", "again", "go on", "refresh")]
    monkeypatch.setattr(takeover, "_END_NAME", names[0])
    monkeypatch.setattr(takeover, "_AGAIN", dict.fromkeys(names[1:], ()))

    async def work() -> None:
        async with PrefectClient(prefect_server) as client:

            async def ids() -> list[list[str]]:
                found = [await client.read_automations_by_name(name) for name in names]
                return [[str(automation.id) for automation in each] for each in found]

            deployments = [uuid4() for _ in range(3)]
            await register_takeover(client, deployments, wanted=True)
            made = await ids()
            assert [len(each) for each in made] == [1, 1, 1, 1]
            await register_takeover(client, deployments, wanted=True)  # as the second worker does
            assert await ids() == made
            await register_takeover(client, [*deployments[:2], uuid4()], wanted=True)  # the deployment was made again
            again = await ids()
            assert [len(each) for each in again] == [1, 1, 1, 1]
            assert again != made
            await register_takeover(client, deployments, wanted=False)
            assert await ids() == [[], [], [], []]
            await takeover._delete(client, UUID(again[0][0]))  # another worker was quicker

    asyncio.run(work())
