"""The API's refusals, worded and shaped as its gateway does."""

from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

from starlette.responses import JSONResponse, Response


@dataclass
class ApiError(Exception):
    """A refusal; the gateway's own carry a six-digit code, the service's repeat the status.

    Written as JSON if the request asks for that, as XML otherwise (the gateway's default), unless `media`
    settles it.
    """

    status: int
    code: str
    message: str
    description: str = ""
    retry_after: int | None = None
    media: Literal["json", "xml"] | None = None

    def as_response(self, accept: str) -> Response:
        """Write the fault for a request with this Accept header."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        description = self.description or self.message
        if self.media == "json" or (self.media is None and "json" in accept):
            fault = {"code": self.code, "message": self.message, "description": description}
            return JSONResponse(fault, self.status, headers)
        body = (
            '<am:fault xmlns:am="http://wso2.org/apimanager">'
            f"<am:code>{self.code}</am:code><am:type>Status report</am:type>"
            f"<am:message>{escape(self.message)}</am:message>"
            f"<am:description>{escape(description)}</am:description></am:fault>"
        )
        return Response(body, self.status, headers, media_type="application/xml")


def bad_parameters(description: str) -> ApiError:
    """400 for a département or format that is missing or unknown."""
    return ApiError(400, "400", "Contrôle de paramètres en erreur", description)


def bad_date(description: str) -> ApiError:
    """400 for a date that is not a round hour."""
    return ApiError(400, "400", "Contrôles de date en erreur", description)


def bad_station(description: str) -> ApiError:
    """400 for a station id that is missing or not eight digits."""
    return ApiError(400, "400", "Identifiant station sémantiquement incorrect", description)


def bad_token() -> ApiError:
    """401 for a token that is missing, wrong or expired."""
    return ApiError(
        401, "900901", "Invalid Credentials", "Make sure you have provided the correct security credentials"
    )


def not_subscribed() -> ApiError:
    """403 for another version of the API than the subscription's."""
    return ApiError(
        403,
        "900908",
        "Resource forbidden",
        "User is NOT authorized to access the Resource. API Subscription validation failed.",
    )


def no_such_resource() -> ApiError:
    """404 for an unknown path."""
    return ApiError(404, "404", "No matching resource found for given API Request")


def throttled(retry_after: int | None = None) -> ApiError:
    """429 for too many requests in one minute; the real gateway was never seen sending `Retry-After`."""
    return ApiError(429, "900802", "Message throttled out", "You have exceeded your quota", retry_after)


def redirected() -> ApiError:
    """A gateway set up wrongly: it sends the caller to the address that was asked for."""
    return ApiError(302, "302", "Found")


def failed(status: int, message: str, retry_after: int | None = None) -> ApiError:
    """A transient failure of the gateway or of the service behind it."""
    return ApiError(status, str(status), message, retry_after=retry_after)
