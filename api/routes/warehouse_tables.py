"""GET /warehouse/tables and GET /warehouse/tables/{schema}/{table}."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.schemas.answers import TABLE, TABLES, read_responses
from api.schemas.reads import ReadQuery, TableQuery
from api.warehouse.answer.cursors import question_of, read_cursor
from api.warehouse.answer.dependencies import ReadsDep, rows_wanted
from api.warehouse.answer.formats import JSON, ONLY_JSON, PLACE_FORMATS, ROW_FORMATS, choose_format
from api.warehouse.answer.render import Document, Rows
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import NotAcceptable
from api.warehouse.question.filters import columns_of, parse_filters
from api.warehouse.question.paging import Page, parse_order, read_page
from api.warehouse.question.tables import count_rows, describe, relation_of
from api.warehouse.question.units import as_is

router = APIRouter(prefix="/warehouse/tables", tags=["tables"])

_PARAMETERS = frozenset(TableQuery.model_fields)


@router.get("", responses=read_responses(TABLES, ONLY_JSON), response_class=Response)
async def tables(request: Request, query: Annotated[ReadQuery, Query()], reads: ReadsDep) -> Response:
    """Every published table and view: columns with their types, descriptions and tests, and how many rows."""

    def work(snapshot: OpenSnapshot, _: Executor) -> Document:
        return Document([describe(relation) for relation in snapshot.relations.values()])

    return await reads.answer(request, work, choose_format(request, query.format, ONLY_JSON), snapshot=query.snapshot)


@router.get("/{schema}/{table}", responses=read_responses(TABLE, PLACE_FORMATS), response_class=Response)
async def table(
    request: Request,
    schema: Annotated[str, Path(examples=["marts"], max_length=100)],
    table: Annotated[str, Path(examples=["hourly_observations"], max_length=100)],
    query: Annotated[TableQuery, Query()],
    reads: ReadsDep,
) -> Response:
    """Rows of one table or view, with what its columns mean (`table`, in JSON).

    Filter by any column: `?temperature_c__lt=0&station_name__contains=pic`. Operators: `eq` (or none), `ne`, `lt`,
    `lte`, `gt`, `gte`, `in` (commas), `like` (`%` and `_`), `contains`, `isnull`. Order by columns (`order=-gust_ms`),
    choose them (`select=`), and follow `next` for more: every row comes exactly once.
    """
    parameters = request.query_params.multi_items()
    question = question_of(request.url.path, parameters)
    cursor = read_cursor(query.cursor, question, query.snapshot)
    limit = rows_wanted(reads, query.limit)
    chosen = choose_format(request, query.format, PLACE_FORMATS)

    def work(snapshot: OpenSnapshot, executor: Executor) -> Rows:
        relation = relation_of(snapshot, schema, table)
        columns = columns_of(relation, query.select, "select")
        if chosen not in ROW_FORMATS and not {"latitude", "longitude"} <= {column.name for column in columns}:
            raise NotAcceptable(chosen.name, [known.name for known in ROW_FORMATS])
        page = Page(
            relation=relation,
            selected=[as_is(column) for column in columns],
            conditions=parse_filters(relation, [p for p in parameters if p[0] not in _PARAMETERS], query.tz),
            order=parse_order(relation, query.order),
            limit=limit,
            question=question,
            cursor=cursor,
        )
        found, following = read_page(snapshot, executor, page)
        members = {}
        if chosen == JSON:
            members = {"table": describe(relation) | {"rows": count_rows(snapshot, executor, relation)}}
        return Rows(found, following, members, tz=query.tz)

    return await reads.answer(
        request,
        work,
        chosen,
        snapshot=query.snapshot,
        cursor=cursor,
    )
