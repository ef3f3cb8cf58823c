"""Days of a time zone, and hours between two moments. "The client's `time_zone` decides where days, weeks and months begin.
Hours are elapsed hours, whatever the clocks do." """

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ONE = timedelta(days=1)
WorkingCalendar = dict[str, Any] | None


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The day of a moment in the client's time zone."""
    return moment.astimezone(zone).date()


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The moment at which a day of the client begins."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def is_working(day: date, calendar: WorkingCalendar) -> bool:
    """Whether `dora.working_calendar` counts the day: its weekday is listed, and it is not a holiday."""
    if calendar is None:
        return True
    days = calendar.get("days", list(WEEKDAYS[:5]))
    return WEEKDAYS[day.weekday()] in days and day.isoformat() not in calendar.get("holidays", [])


def working_days(start: date, end: date, calendar: WorkingCalendar) -> int:
    """Working days of [start, end)."""
    return sum(is_working(start + n * ONE, calendar) for n in range(max((end - start).days, 0)))


def hours(start: datetime | None, end: datetime | None, zone: ZoneInfo, calendar: WorkingCalendar) -> float | None:
    """Hours from start to end. "A negative duration is not a value." With a working calendar, "durations leave out the other
    days (in the client's time zone)"."""
    if start is None or end is None or end < start:
        return None
    if calendar is None:
        return (end - start).total_seconds() / 3600
    seconds = 0.0
    day = day_of(start, zone)
    while day <= day_of(end, zone):
        if is_working(day, calendar):
            begins, ends = max(start, start_of(day, zone)), min(end, start_of(day + ONE, zone))
            seconds += max((ends - begins).total_seconds(), 0)
        day += ONE
    return seconds / 3600


def seconds(moment: datetime) -> int:
    """A time as a position."""
    return round(moment.timestamp())
