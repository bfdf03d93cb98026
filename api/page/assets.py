"""Scripts and styles, ours and the packages': sent compressed, under an address that changes with their content."""

import hashlib
import mimetypes
import zlib
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from api.address import at
from api.page.chart_bundle import BUNDLE_NAME, RECIPE, ensure_bundle
from api.page.headers import FOREVER, NO_SNIFF
from api.service import ServiceDep
from api.warehouse.answer.encodings import choose_encoding

router = APIRouter(include_in_schema=False)

_GZIP = 31  # zlib's window bits for the gzip format


@router.get("/static/{digest}/{name}")
def send_asset(request: Request, digest: str, name: str, service: ServiceDep) -> Response:
    """Send a script or a style, which stays the same for ever under its address."""
    if digest != asset_digest() or name not in (*_files(), BUNDLE_NAME):
        raise HTTPException(404, "no such file: it may be of another version; reload the page")
    body = ensure_bundle(service.paths.page_cache).read_bytes() if name == BUNDLE_NAME else _compressed(name)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding", **NO_SNIFF}
    if choose_encoding(request.headers, ("gzip",)):
        headers["Content-Encoding"] = "gzip"
    else:
        body = zlib.decompress(body, _GZIP)
    return Response(body, headers=headers, media_type=kind)


def asset_url(name: str) -> str:
    """Where a file is. One digest for all of them: modules import one another by relative names."""
    return at(f"/static/{asset_digest()}/{name}")


@lru_cache(maxsize=1)
def asset_digest() -> str:
    """The digest of everything that is sent from here."""
    digest = hashlib.blake2b(f"{RECIPE} {version('fastapi-swagger')}".encode(), digest_size=8)
    for name in sorted(_files()):
        if _is_ours(name):
            digest.update(name.encode() + _files()[name].read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _files() -> dict[str, Traversable]:
    ours = files("api.page").joinpath("static")
    swagger = files("fastapi_swagger").joinpath("resources")
    return {file.name: file for folder in (swagger, ours) for file in folder.iterdir()}


def _is_ours(name: str) -> bool:
    return files("api.page").joinpath("static", name).is_file()


@lru_cache(maxsize=64)
def _compressed(name: str) -> bytes:
    return zlib.compress(_files()[name].read_bytes(), 9, wbits=_GZIP)
