"""Tokens made from an application id, and API keys that end."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from upstream import APPLICATION_ID, TOKEN, Upstream

from ingestion.errors import ApplicationRefused, TokenRefused
from ingestion.ingest import ingest_packet, open_session
from ingestion.meteofrance.auth import expires_at, say_if_ending
from ingestion.settings import IngestionSettings
from ingestion.source import PacketRequest

ARIEGE = PacketRequest("paquet-horaire", "9", "Ariège (9)")
TARN = PacketRequest("paquet-horaire", "81", "Tarn (81)")


@pytest.fixture
def with_application(upstream: Upstream, data_dir: Path) -> Any:
    """Make settings that know an application id and no token."""

    def make(application_id: str = APPLICATION_ID) -> IngestionSettings:
        told = {name.lower(): value for name, value in upstream.environment.items() if name != "METEOFRANCE_TOKEN"}
        token_url = upstream.url.replace("/public/DPPaquetObs", "/token")
        return IngestionSettings(
            _env_file=None,
            data_dir=data_dir,
            **told,
            meteofrance_token=None,
            meteofrance_application_id=application_id,
            meteofrance_token_url=token_url,
        )

    return make


def test_one_token_serves_a_runs_packets(with_application: Any, upstream: Upstream) -> None:
    settings = with_application()
    assert settings.model_copy(update={"meteofrance_source": "auto"}).source == "meteofrance"
    with open_session(settings) as session:
        for request in (ARIEGE, TARN):
            assert ingest_packet(settings, request, session=session).counts.new > 0
    assert upstream.requests.count("/token") == 1


def test_a_token_that_ended_is_renewed_in_mid_run(with_application: Any, upstream: Upstream) -> None:
    settings = with_application()
    with open_session(settings) as session:
        ingest_packet(settings, ARIEGE, session=session)
        upstream.forget_tokens()
        assert ingest_packet(settings, TARN, session=session).counts.new > 0
    assert upstream.tokens_given == 2


def test_a_wrong_application_id_is_named_and_never_shown(with_application: Any, upstream: Upstream) -> None:
    settings = with_application("d3Jvbmc=")
    with pytest.raises(ApplicationRefused, match=r"METEOFRANCE_APPLICATION_ID was refused \(401\)") as refused:
        ingest_packet(settings, ARIEGE)
    assert "d3Jvbmc=" not in str(refused.value)
    assert upstream.requests == ["/token"]


def test_an_application_id_that_cannot_be_a_header_is_refused_here(with_application: Any, upstream: Upstream) -> None:
    with pytest.raises(TokenRefused, match="METEOFRANCE_APPLICATION_ID is empty or holds spaces"):
        ingest_packet(with_application("two words"), ARIEGE)
    assert upstream.requests == []


# --- API keys that end


def api_key(claims: dict[str, Any]) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{body}.c2lnbmF0dXJl"


NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (datetime(2026, 12, 13, tzinfo=UTC), None),
        (datetime(2026, 12, 12, 11, tzinfo=UTC), "METEOFRANCE_TOKEN ends on 2026-12-12: make a new one"),
        (datetime(2026, 11, 28, 11, tzinfo=UTC), "METEOFRANCE_TOKEN ended on 2026-11-28: make a new one"),
    ],
)
def test_a_key_that_ends_soon_is_told_before_it_happens(end: datetime, said: str | None) -> None:
    settings = IngestionSettings(_env_file=None, meteofrance_token=api_key({"exp": int(end.timestamp())}))
    assert expires_at(settings.meteofrance_token) == end
    told = say_if_ending(settings, NOW)
    assert told is said if said is None else (told or "").startswith(said)


@pytest.mark.parametrize(
    "token", [TOKEN, "a.b.c", api_key({}), api_key({"exp": "soon"}), api_key({"exp": 1e300}), "é.é.é"]
)
def test_any_other_token_has_no_known_end(token: str) -> None:
    assert expires_at(IngestionSettings(_env_file=None, meteofrance_token=token).meteofrance_token) is None
