from datetime import UTC, datetime

import pytest

from ingestion import errors
from ingestion.meteofrance.refusals import refusal, retry_after_seconds, upstream_words

XML_FAULT = (
    b'<am:fault xmlns:am="http://wso2.org/apimanager"><am:code>400</am:code><am:type>Status report</am:type>'
    b"<am:message>Bad Request</am:message>"
    b"<am:description>Contr&#244;le de param&#232;tres en erreur</am:description></am:fault>"
)


def test_upstreams_words_are_read_from_xml():
    assert upstream_words(XML_FAULT) == "400: Bad Request: Contrôle de paramètres en erreur"


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":"900901","message":"Invalid Credentials","description":"Invalid JWT token"}',
        b'{"fault":{"code":900901,"message":"Invalid Credentials","description":"Invalid JWT token"}}',
    ],
)
def test_upstreams_words_are_read_from_json(body):
    assert upstream_words(body) == "900901: Invalid Credentials: Invalid JWT token"


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"[1]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_says_nothing_readable_gives_no_words(body):
    assert upstream_words(body) == ""


def test_entities_of_a_hostile_fault_are_never_expanded():
    entities = b'<!DOCTYPE x [<!ENTITY a "AAAA"><!ENTITY b "&a;&a;">]>'
    bomb = entities + b"<am:fault><am:message>&b;</am:message></am:fault>"
    assert upstream_words(bomb) == "&b;"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, errors.Redirected),
        (400, errors.RequestRefused),
        (401, errors.TokenRefused),
        (403, errors.NotSubscribed),
        (404, errors.WrongPath),
        (406, errors.RequestRefused),
    ],
)
def test_each_status_has_its_error(status, kind):
    error = refusal(status, XML_FAULT, url="http://example.test/v2/x", endpoint="/x", location="http://b.test/")
    assert type(error) is kind


def test_a_refused_request_carries_upstreams_reason():
    error = refusal(400, XML_FAULT, url="http://example.test/v2/x", endpoint="/paquet/horaire")
    assert isinstance(error, errors.RequestRefused)
    assert error.reason.endswith("Contrôle de paramètres en erreur")
    assert "Contrôle de paramètres en erreur" in str(error)


NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Mon, 23 Nov 2026 04:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 03:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 04:00:30 -0000", 30.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header, seconds):
    assert retry_after_seconds(header, NOW) == seconds
