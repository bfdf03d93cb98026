"""What stands before every request: the token, the subscription and the quota."""

from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request

from ingestion.demo.errors import bad_token, no_such_resource, not_subscribed, throttled


@dataclass
class Gateway:
    """Checks one subscription, as the API gateway in front of the service does."""

    token: str | None
    requests_per_minute: int | None
    _minute: datetime | None = field(default=None, init=False)
    _requests_in_minute: int = field(default=0, init=False)

    def admit(self, request: Request, now: datetime, version: str = "v2") -> None:
        """Raise the refusal this request deserves, in the gateway's order."""
        self._check_token(request)
        self._count(now)
        if version == "v2" and "v1" in request.url.path.split("/"):
            raise not_subscribed()
        if version not in request.url.path.split("/"):
            raise no_such_resource()

    def _check_token(self, request: Request) -> None:
        given = (request.headers.get("apikey"), request.headers.get("authorization"))
        if self.token is not None and given[0] != self.token and given[1] != f"Bearer {self.token}":
            raise bad_token()

    def _count(self, now: datetime) -> None:
        minute = now.replace(second=0, microsecond=0)
        if minute != self._minute:
            self._minute, self._requests_in_minute = minute, 0
        self._requests_in_minute += 1
        if self.requests_per_minute is not None and self._requests_in_minute > self.requests_per_minute:
            raise throttled()
