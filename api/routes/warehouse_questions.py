"""GET /warehouse/questions."""

from fastapi import APIRouter, Response

from api.schemas.answers import problem
from api.warehouse.problems import NotFound
from orchestration.settings import ROOT

router = APIRouter(prefix="/warehouse", tags=["download"])

_PAGE = ROOT / "docs" / "questions.md"


@router.get(
    "/questions",
    response_class=Response,
    responses=problem(404) | {200: {"description": "Markdown", "content": {"text/markdown": {}}}},
)
def questions() -> Response:
    """Ten questions with their one-line answers in curl, Python, DuckDB and a spreadsheet."""
    if not _PAGE.exists():
        raise NotFound("page", "questions", [], field="path", look_at="/docs")
    return Response(_PAGE.read_bytes(), media_type="text/markdown; charset=utf-8")
