"""From bytes to text, whatever program saved them: UTF-8, UTF-16 with its mark, or Windows-1252."""

import codecs

from ingestion.errors import PayloadTruncated

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FALLBACK = "girouette-windows-1252"


def decode(body: bytes) -> tuple[str, str]:
    """Return the text, and a note where it is not plain UTF-8; no letter is ever lost."""
    if body.startswith(_UTF16_MARKS):
        try:
            return body.decode("utf-16"), "read as UTF-16"
        except UnicodeDecodeError as error:
            raise PayloadTruncated(f"its UTF-16 breaks off at byte {error.start:,}") from error
    try:
        return body.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        # Only the bytes at fault: a file with one bad letter keeps the others.
        return body.decode("utf-8-sig", _FALLBACK), "letters that are not UTF-8 read as Windows-1252"


def decode_start(start: bytes) -> str:
    """Decode the first bytes of a file, which may end inside a letter."""
    if start.startswith(_UTF16_MARKS):
        return start.decode("utf-16", "ignore")
    return start.decode("utf-8-sig", _FALLBACK)


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    # Five bytes mean nothing in Windows-1252.
    return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in wrong), error.end


codecs.register_error(_FALLBACK, _as_windows_1252)
