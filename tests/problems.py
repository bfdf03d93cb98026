"""One helper asserts the shape of every refusal."""

from typing import Any


def assert_problem(response: Any, status: int, field: str | None = None) -> dict[str, Any]:
    """Every refusal has one shape, names the field and tells the next step."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body.keys() >= {"type", "title", "status", "detail", "instance", "field", "next_step"}
    assert body["status"] == status
    assert body["next_step"]
    if field is not None:
        assert body["field"] == field
    return body
