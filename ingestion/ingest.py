"""Fetch, land and load one packet."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from anyio.from_thread import BlockingPortal, start_blocking_portal

from ingestion.landing import describe_payload, land_payload
from ingestion.load import load_payload, record_unchanged
from ingestion.load_log import LoadResult, last_load, refuse_total_loss
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from ingestion.settings import IngestionSettings
from ingestion.source import Client, PacketRequest, Payload
from ingestion.sources import SOURCES

# The writer's lock keeps other processes out. This one serializes the threads of this process.
_loading = threading.Lock()


class Session:
    """One client on one event loop for all packets of a run: reading the machine's certificates takes 20 ms.

    Safe to use from several threads, whose fetches then run at once.
    """

    def __init__(self, settings: IngestionSettings, portal: BlockingPortal, held: ExitStack) -> None:
        self._settings, self._portal, self._held = settings, portal, held
        self._client: Client | None = None
        self._opening = threading.Lock()

    def fetch(self, request: PacketRequest) -> Payload:
        """Fetch one packet; raises IngestionError."""
        return self._portal.call(self._open().fetch, request)

    def _open(self) -> Client:
        # Opened by the first fetch, so that a missing token is reported with a packet like any refusal.
        with self._opening:
            if self._client is None:
                client = SOURCES[self._settings.source].open_client(self._settings)
                self._client = self._held.enter_context(self._portal.wrap_async_context_manager(client))
            return self._client


@contextmanager
def open_session(settings: IngestionSettings) -> Iterator[Session]:
    """Open the session in which a run fetches its packets."""
    with start_blocking_portal() as portal, ExitStack() as held:
        yield Session(settings, portal, held)


def ingest_packet(
    settings: IngestionSettings, request: PacketRequest, run_id: str | None = None, session: Session | None = None
) -> LoadResult:
    """Fetch one packet, land it, load it; without a `session`, in one of its own. The caller holds the writer's lock.

    Raises IngestionError. The payload is then landed if it was fetched, and raw is unchanged.
    """
    if session is None:
        with open_session(settings) as own:
            return ingest_packet(settings, request, run_id, own)
    payload = session.fetch(request)
    paths = DataPaths(settings.data_dir)
    folder = paths.landing / settings.source
    with _loading, open_build_file(paths, settings.source) as connection:
        # Named under the lock: payloads are loaded in the order of their names, as a rebuild loads them.
        landed = describe_payload(
            folder, payload.body, request.dataset, request.scope, payload.fetched_at, payload.format
        )
        last = last_load(connection, request.dataset, request.scope)
        # A payload that kept no row is loaded again, so that its loss is reported again.
        if last is not None and last.rows_kept and last.digest == landed.digest and (folder / last.payload).exists():
            same = replace(landed, path=folder / last.payload)
            return record_unchanged(connection, same, last, source=settings.source, run_id=run_id)
        land_payload(landed, payload.body)
        result = load_payload(connection, landed, source=settings.source, run_id=run_id)
        return refuse_total_loss(connection, result)
