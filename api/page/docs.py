"""`/docs`: Swagger UI from a package, with nothing inline and nothing from another origin."""

from fastapi import APIRouter, Request, Response

from api.page.headers import SECURITY
from api.page.reader import read_reader
from api.page.templates import render

router = APIRouter(include_in_schema=False)


@router.api_route("/docs", methods=["GET", "HEAD"])
def show_docs(request: Request) -> Response:
    """Show every address of the API, to read and to try."""
    html = render("docs.html", read_reader(request), {"request": request})
    return Response(html, headers={**SECURITY, "Cache-Control": "no-cache"}, media_type="text/html")
