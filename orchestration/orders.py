"""Order hours of single stations that nothing else gave, and load what was ordered before. After the publication."""

from collections.abc import Callable, Sequence
from datetime import datetime

from anyio.from_thread import BlockingPortal, start_blocking_portal

from ingestion.departments import Department
from ingestion.errors import IngestionError, NotSubscribed, OrderLost, QuotaExceeded, UpstreamDown
from ingestion.gaps import AskedHour, note_answers
from ingestion.landing import describe_payload, land_payload
from ingestion.load import load_payload
from ingestion.load_log import refuse_total_loss
from ingestion.order_gaps import find_order_gaps
from ingestion.orders import Order, OrderLedger
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from ingestion.settings import IngestionSettings
from ingestion.source import OrderClient, Orders
from ingestion.sources import SOURCES

Say = Callable[[str], object]


def carry_out_orders(
    ingestion: IngestionSettings, departments: Sequence[Department], now: datetime, say: Say
) -> list[AskedHour]:
    """Fetch what was ordered, then order a little more; return the hours that came, which the next run builds.

    The caller holds the writer's lock. What upstream refuses ends the orders of this run, and never the run.
    """
    source = SOURCES[ingestion.source]
    orders, repair = source.orders, source.repair
    if orders is None or repair is None or repair.finer is None:
        return []
    paths = DataPaths(ingestion.data_dir)
    ledger = OrderLedger(paths, source.name)
    with open_build_file(paths, source.name) as connection:
        missing = find_order_gaps(connection, paths, repair, repair.finer, orders, departments, now)
    planned = ledger.plan(missing, now)
    if not (planned or ledger.waiting()):
        return []
    asked: list[AskedHour] = []
    try:
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(orders.open_client(ingestion)) as client,
        ):
            for order in ledger.waiting():
                asked += _fetch(ingestion, orders, ledger, order, portal, client, now, say)
            for order in planned:
                _ask(ledger, order, portal, client)
            if planned:
                say(f"ordered the missing hours of {len(planned)} stations: a later run loads them")
    except IngestionError as error:
        say(f"orders of single stations: {error}")
    with open_build_file(paths, source.name) as connection:
        note_answers(connection, departments, asked)
    return asked


def _ask(ledger: OrderLedger, order: Order, portal: BlockingPortal, client: OrderClient) -> None:
    """Write the order down, ask for it, write its number down. Raises IngestionError."""
    hours = [hour for _, hour in order.wanted]
    order = ledger.put(order)
    try:
        number = portal.call(client.order, order.station_id, min(hours), max(hours))
    except UpstreamDown as error:  # it may have been taken: it counts as asked for a day
        ledger.put(order, error=str(error))
        raise
    except IngestionError as error:
        # Over the quota, or without a subscription, nothing was ordered: it is no try.
        is_try = not isinstance(error, QuotaExceeded | NotSubscribed)
        status = "refused" if isinstance(error, NotSubscribed) else "failed"
        ledger.put(order, status=status, error=str(error), tries=order.tries if is_try else order.tries - 1)
        raise
    ledger.put(order, status="ordered", number=number)


def _fetch(
    ingestion: IngestionSettings,
    orders: Orders,
    ledger: OrderLedger,
    order: Order,
    portal: BlockingPortal,
    client: OrderClient,
    now: datetime,
    say: Say,
) -> list[AskedHour]:
    """Fetch one file, land it, load it, and say what it had of the hours wanted."""
    assert order.number is not None  # noqa: S101 - an order that waits has one
    if (load_id := _loaded_before(ingestion, orders, order)) is None:
        try:
            payload = portal.call(client.fetch, order.number)
        except OrderLost as error:
            ledger.put(order, status="failed", error=str(error))
            say(f"order {order.number} of {order.station_id}: {error}")
            return []
        if payload is None:
            if order.is_overdue(now):
                ledger.put(order, status="failed", error="upstream did not make its file in three days")
            return []
        paths = DataPaths(ingestion.data_dir)
        with open_build_file(paths, ingestion.source) as connection:
            folder = paths.landing / ingestion.source
            landed = describe_payload(
                folder, payload.body, orders.dataset, order.number, payload.fetched_at, payload.format
            )
            land_payload(landed, payload.body)  # synced: it is given out once
            order = ledger.put(order, status="fetched")
            try:
                result = refuse_total_loss(connection, load_payload(connection, landed, source=ingestion.source))
            except IngestionError as error:
                ledger.put(order, status="failed", error=str(error))
                say(f"order {order.number} of {order.station_id}: {error}")
                return []
            say(f"order {order.number} of {order.station_id}: {result}")
            load_id = result.load_id
    ledger.put(order, status="loaded")
    return _answers(ingestion, orders, order, load_id)


def _loaded_before(ingestion: IngestionSettings, orders: Orders, order: Order) -> int | None:
    """Find the load of a file that a killed run had landed: the run began with it."""
    with open_build_file(DataPaths(ingestion.data_dir), ingestion.source) as connection:
        row = connection.execute(
            "select load_id from meta.loads where dataset = ? and scope = ?", [orders.dataset, order.number]
        ).fetchone()
    return int(row[0]) if row else None


def _answers(ingestion: IngestionSettings, orders: Orders, order: Order, load_id: int) -> list[AskedHour]:
    source = SOURCES[ingestion.source]
    assert source.repair is not None  # noqa: S101 - orders are made beside it
    assert source.repair.finer is not None  # noqa: S101
    with open_build_file(DataPaths(ingestion.data_dir), ingestion.source) as connection:
        rows = connection.execute(
            f"select observed_at from {source.repair.finer.table} where load_id = ?", [load_id]
        ).fetchall()
    came = {hour for (hour,) in rows}
    return [
        AskedHour(hour, "repaired", load_id, 1, source=orders.origin, station_id=station)
        if hour in came
        else AskedHour(hour, "gone", load_id, station_id=station)
        for station, hour in order.wanted
    ]
