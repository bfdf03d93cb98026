"""Hours in which a watch sends nothing: what it has to say waits for their end."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class QuietHours:
    """From one time of day to another, past midnight where the second is earlier."""

    begin: time
    end: time
    zone: ZoneInfo

    def end_after(self, moment: datetime) -> datetime:
        """When a message made now may be sent: now, or at the end of the quiet hours."""
        local = moment.astimezone(self.zone)
        now = local.time().replace(tzinfo=None)
        if self.begin < self.end:
            is_quiet, is_tomorrow = self.begin <= now < self.end, False
        else:
            is_quiet, is_tomorrow = now >= self.begin or now < self.end, now >= self.begin
        if not is_quiet:
            return moment
        day = local.date() + timedelta(days=is_tomorrow)
        return datetime.combine(day, self.end, self.zone)


def read_quiet_hours(text: str, zone: str) -> QuietHours:
    """Read `22:00-07:00` in a time zone by name. Raises ValueError."""
    found = _HOURS.fullmatch(text)
    if found is None or found.group(1, 2) == found.group(3, 4):
        raise ValueError("write the quiet hours as `22:00-07:00`")
    begin, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    return QuietHours(begin, end, ZoneInfo(zone))
