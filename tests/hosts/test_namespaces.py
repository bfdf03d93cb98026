"""Eight hosts in networks of their own: cables are cut, hosts are killed, and a day of hours is published."""

import sys
import time
from collections.abc import Iterator

import pytest
from namespaces import network
from running_hosts import Hosts, Places, running_hosts
from upstream import Upstream, running_upstream

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("namespaces")]


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[Upstream, Places]]:
    """The network and, outside it, Météo-France."""
    with network() as made, running_upstream(made.gateway) as upstream:
        yield upstream, Places(made, "reader-a", "reader-b", "reader-c")


@pytest.fixture(scope="module")
def hosts(world: tuple[Upstream, Places], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    upstream, places = world
    with running_hosts(tmp_path_factory.mktemp("hosts"), places, **upstream.environment) as hosts:
        yield hosts


def say(line: str) -> None:
    """Shown with `-s`: how long things took is shown, not asserted."""
    sys.stdout.write(f"{line}\n")


def test_1_a_run_on_hosts_of_their_own_is_served_by_three_readers(hosts: Hosts):
    start = time.monotonic()
    served = hosts.until_all_serve(None)
    say(f"all serve {served} after {time.monotonic() - start:.1f} s")
