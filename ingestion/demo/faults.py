"""Faults the demo source commits on demand: which kind, on which requests, how many times."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ingestion.demo.errors import (
    ApiError,
    bad_parameters,
    bad_token,
    failed,
    no_such_resource,
    not_subscribed,
    redirected,
    throttled,
)


class FaultKind(StrEnum):
    """Everything that can go wrong. Each is in one table: here, in `corruption.py` or in `transport.py`."""

    BAD_REQUEST_XML = "bad_request_xml"
    BAD_REQUEST_JSON = "bad_request_json"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    TOO_MANY_REQUESTS = "too_many_requests"
    SERVER_ERROR = "server_error"
    BAD_GATEWAY = "bad_gateway"
    UNAVAILABLE = "unavailable"
    GATEWAY_TIMEOUT = "gateway_timeout"
    REDIRECT_LOOP = "redirect_loop"

    CONNECT_ERROR = "connect_error"
    CONNECT_TIMEOUT = "connect_timeout"
    READ_ERROR = "read_error"
    READ_TIMEOUT = "read_timeout"
    NAME_NOT_FOUND = "name_not_found"
    BAD_CERTIFICATE = "bad_certificate"
    STALLED_BODY = "stalled_body"

    TRUNCATED_BODY = "truncated_body"
    EMPTY_BODY = "empty_body"
    HTML_PAGE = "html_page"
    HEADER_ONLY = "header_only"
    WRONG_DELIMITER = "wrong_delimiter"
    CUT_GZIP = "cut_gzip"
    ENDLESS_BODY = "endless_body"

    MISSING_COLUMN = "missing_column"
    EXTRA_COLUMN = "extra_column"
    REORDERED_COLUMNS = "reordered_columns"
    V1_COLUMNS = "v1_columns"
    IDENTICAL_ROWS = "identical_rows"
    CONFLICTING_ROWS = "conflicting_rows"
    FUTURE_HOUR = "future_hour"
    NAN_VALUE = "nan_value"
    COMMA_VALUE = "comma_value"
    HUGE_VALUE = "huge_value"
    TEXT_VALUE = "text_value"
    NUL_VALUE = "nul_value"
    SHORT_ROW = "short_row"
    LONG_ROW = "long_row"
    BAD_STATION_ID = "bad_station_id"


@dataclass(frozen=True)
class Fault:
    """One kind of fault and the requests it strikes; a criterion left out matches every request.

    `path` is found anywhere in the request's path, `department` and `hour` equal what the request asks for.
    `times=None` strikes for ever. `column` is the one to spoil or drop, where the kind touches one.
    """

    kind: FaultKind
    department: str | None = None
    path: str | None = None
    hour: datetime | None = None
    times: int | None = 1
    column: str | None = None
    retry_after: int | None = None

    def strikes(self, path: str, query: Mapping[str, str]) -> bool:
        """Whether a request with this path and query is one it applies to."""
        if self.path is not None and self.path not in path:
            return False
        if self.department is not None and query.get("id-departement") != self.department:
            return False
        return self.hour is None or _is_hour(query.get("date", ""), self.hour)


class FaultPlan:
    """The faults still to come, one per request: the first that applies and is not used up."""

    def __init__(self, faults: Sequence[Fault], packet_kinds: Collection[FaultKind] = ()) -> None:
        self._faults = tuple(faults)
        self._packet_kinds = packet_kinds
        self._struck = [0] * len(self._faults)

    def take(self, path: str, query: Mapping[str, str]) -> Fault | None:
        """Return the fault that strikes this request and count it."""
        for index, fault in enumerate(self._faults):
            is_used_up = fault.times is not None and self._struck[index] >= fault.times
            if not is_used_up and fault.strikes(path, query) and not self._spares(fault, path):
                self._struck[index] += 1
                return fault
        return None

    def _spares(self, fault: Fault, path: str) -> bool:
        """A fault of a packet's rows waits for a packet, unless its path says otherwise."""
        return fault.path is None and fault.kind in self._packet_kinds and "/paquet/" not in path


def refusal(fault: Fault) -> ApiError | None:
    """The error status this fault answers with, if it is of that sort."""
    refusals = {
        FaultKind.BAD_REQUEST_XML: replace(bad_parameters("demo fault"), media="xml"),
        FaultKind.BAD_REQUEST_JSON: replace(bad_parameters("demo fault"), media="json"),
        FaultKind.UNAUTHORIZED: bad_token(),
        FaultKind.FORBIDDEN: not_subscribed(),
        FaultKind.NOT_FOUND: no_such_resource(),
        FaultKind.TOO_MANY_REQUESTS: throttled(fault.retry_after),
        FaultKind.SERVER_ERROR: failed(500, "Internal Server Error"),
        FaultKind.BAD_GATEWAY: failed(502, "Bad Gateway"),
        FaultKind.UNAVAILABLE: failed(503, "Service Unavailable", fault.retry_after),
        FaultKind.REDIRECT_LOOP: redirected(),
        FaultKind.GATEWAY_TIMEOUT: failed(504, "Gateway Timeout"),
    }
    return refusals.get(fault.kind)


def _is_hour(text: str, hour: datetime) -> bool:
    try:
        return datetime.fromisoformat(text) == hour
    except (ValueError, TypeError):
        return False
