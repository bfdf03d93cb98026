"""The token: which one is sent, and in which header."""

from ingestion.errors import TokenMissing, TokenRefused
from ingestion.settings import IngestionSettings

# The in-process demo source asks for a token as the real one does; any will do.
DEMO_TOKEN = "demo"  # noqa: S105 - opens nothing


def token_to_send(settings: IngestionSettings, *, is_in_process: bool) -> str:
    """Give the token to send; one that cannot be a header is refused here, as httpx would print it."""
    if settings.meteofrance_token is None:
        if is_in_process and settings.source == "demo":
            return DEMO_TOKEN
        raise TokenMissing
    token = settings.meteofrance_token.get_secret_value().strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise TokenRefused("METEOFRANCE_TOKEN is empty or holds spaces or signs that no token has")
    return token


def auth_header(settings: IngestionSettings, token: str) -> dict[str, str]:
    """Give the header METEOFRANCE_AUTH asks for."""
    if settings.meteofrance_auth == "bearer":
        return {"Authorization": f"Bearer {token}"}
    return {"apikey": token}
