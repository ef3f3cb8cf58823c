"""The numbers of docs/metrics.md from the facts: periods, scopes, pooling, and when there is no value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.dora.days import ONE, WorkingCalendar, day_of, working_days
from tests.dora.model import (
    ChangeFact,
    DeployedChange,
    DeploymentFact,
    IncidentFact,
    MetricKey,
    MetricRow,
    Result,
    World,
)
from tests.dora.tiers import mark_tiers

Period = tuple[date, date]
GRAINS = ("day", "week", "month", "rolling_7d", "rolling_30d", "rolling_90d")
COARSE = ("week", "month", "rolling_30d", "rolling_90d")
ZERO_IS_SAID = ("week", "month", "rolling_30d")
WEEKLY = ("month", "rolling_30d", "rolling_90d")
FREQUENCY = "deployment_frequency"
WEEK_STARTS = {"monday": 0, "saturday": 5, "sunday": 6}  # as date.weekday() counts
SINCE_SUCCESS = (FREQUENCY, "deployment_days_per_week")


@dataclass
class Scope:
    """Whose events are pooled. `services` None: all events of the client, whatever their service."""

    scope_type: str
    scope_id: str
    services: set[str] | None

    def has(self, service_id: str | None) -> bool:
        """ "An incident without a service counts only for the client." """
        return self.services is None or service_id in self.services


def scopes_of(world: World) -> Iterator[Scope]:
    """The client, each service, and each team: "patterns of service names"."""
    names = world.service_names()
    yield Scope("client", "", None)
    for service_id in names:
        yield Scope("service", service_id, {service_id})
    for team in world.settings.teams:
        patterns = team["services"]
        members = {s for s, name in names.items() if any(re.search(p, name, re.I) for p in patterns)}
        yield Scope("team", team["name"], members)


# ------------------------------------------------------------------------------------------------------------ periods


def next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def week_of(day: date, week_start: str) -> date:
    """The first day of the week that a day is in; `dora.week_start` is the name of that day."""
    return day - (day.weekday() - WEEK_STARTS[week_start]) % 7 * ONE


def calendar_periods(grain: str, first: date, today: date, week_start: str) -> Iterator[Period]:
    """Every day, week or month, from that of the first event to today's."""
    start = {"day": first, "week": week_of(first, week_start), "month": first.replace(day=1)}[grain]
    while start <= today:
        end = {"day": start + ONE, "week": start + 7 * ONE, "month": next_month(start)}[grain]
        yield start, end
        start = end


def rolling_periods(
    grain: str, first: date, today: date, is_client: bool, latest_only: bool, week_start: str
) -> Iterator[Period]:
    """The client's rolling windows are "those that end today, those they are compared with (they end the day before a current
    window begins), and those that end with a week of the last 400 days"; other scopes' are those that "end today". "Stages and
    pull request metrics have no weekly windows." "The `calculation_date` of a rolling window is its last day." """
    length = int(grain.removeprefix("rolling_").removesuffix("d"))
    for back in range(400, -1, -1):
        last = today - back * ONE
        ends_week = week_of(last + ONE, week_start) == last + ONE
        is_end = back == 0 or (is_client and (back in (7, 30, 90) or (ends_week and not latest_only)))
        if is_end and last >= first:
            yield last - (length - 1) * ONE, last + ONE


def periods_of(
    grain: str, first: date, today: date, is_client: bool, latest_only: bool, week_start: str
) -> Iterator[Period]:
    """Scopes other than the client have "the weeks that end within the last 400 days, the days of the last 91 days"."""
    if grain.startswith("rolling"):
        yield from rolling_periods(grain, first, today, is_client, latest_only, week_start)
        return
    for start, end in calendar_periods(grain, first, today, week_start):
        kept = {"day": 91, "week": 400}.get(grain)
        if is_client or kept is None or end > today - kept * ONE:
            yield start, end


# ------------------------------------------------------------------------------------------------------------- values

Measure = Callable[[list[Any], "Context"], "Value"]


def percentile(values: list[float], share: float) -> float:
    """ "Percentiles interpolate (`percentile_cont`)"."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


@dataclass
class Value:
    """A metric's value over some events, before the rules for partial periods."""

    metric_value: float | None = None
    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    numerator: int | None = None
    denominator: int | None = None
    sample_size: int = 0
    null_reason: str | None = None
    calendar_value: float | None = None
    guessed: int = 0


@dataclass
class Context:
    """What a metric may need in addition to the events of the period."""

    period: Period
    today: date
    success_day: date | None
    minimum: int
    calendar: WorkingCalendar
    week_start: str


def missing(sample_size: int, minimum: int) -> str | None:
    """ "With no data, or with fewer than `dora.minimum_sample` events, the value is NULL with a `null_reason`"."""
    if sample_size == 0:
        return "no_data"
    return "below_minimum_sample" if sample_size < minimum else None


def median(values: list[float | None], context: Context) -> Value:
    known = [v for v in values if v is not None]
    reason = missing(len(known), context.minimum)
    if reason:
        return Value(sample_size=len(known), null_reason=reason)
    p50, p75, p90 = (percentile(known, share) for share in (0.5, 0.75, 0.9))
    return Value(p50, p50, p75, p90, sample_size=len(known))


def recovery(failures: list[DeploymentFact], context: Context) -> Value:
    """ "One failure, one recovery." """
    known = [d for d in failures if d.recovery_hours is not None]
    found = timed([d.recovery_hours for d in known], [d.recovery_calendar_hours for d in known], context)
    found.guessed = sum(d.is_guess for d in known)
    return found


def timed(values: list[float | None], elapsed: list[float | None], context: Context) -> Value:
    """A median of hours, with that of calendar time where there is a working calendar."""
    found = median(values, context)
    known = [v for v in elapsed if v is not None]
    if context.calendar is not None and found.null_reason is None and known:
        found.calendar_value = percentile(known, 0.5)
    return found


def failure_rate(events: list[DeploymentFact], context: Context) -> Value:
    """ "Releases that failed, of those that count"."""
    released = [d for d in events if d.counts]
    found = ratio([d.failed_change for d in released], context)
    found.guessed = sum(d.failed_change and d.is_guess for d in released)
    return found


def rework_rate(events: list[DeploymentFact], context: Context) -> Value:
    return ratio([d.is_rework for d in events if d.counts or d.is_rollback], context)


def number_of(kind: str) -> Measure:
    def count(events: list[DeploymentFact], context: Context) -> Value:
        found = sum(d.kind == kind for d in events)
        if not events:
            return Value(numerator=0, null_reason="no_data")
        return Value(found, numerator=found, sample_size=len(events))

    return count


def mean(values: list[float | None], context: Context) -> Value:
    found = median(values, context)
    if found.metric_value is not None:
        found.metric_value = sum(v for v in values if v is not None) / len(values)
    return found


def ratio(flags: list[bool], context: Context) -> Value:
    reason = missing(len(flags), context.minimum)
    value = None if reason else sum(flags) / len(flags)
    return Value(value, numerator=sum(flags), denominator=len(flags), sample_size=len(flags), null_reason=reason)


def frequency(events: list[DeploymentFact], context: Context) -> Value:
    """ "Successful production deployments ÷ days of the period, counted from the scope's first such deployment until today";
    "per working day" with a calendar; "the minimum does not apply"."""
    count = sum(d.counts for d in events)
    start, end = context.period
    if context.success_day is None or context.success_day >= end:
        return Value(numerator=0, null_reason="no_data")
    days = working_days(max(start, context.success_day), min(end, context.today + ONE), context.calendar)
    if days == 0:
        return Value(numerator=count, denominator=0, sample_size=count, null_reason="no_working_days")
    elapsed = working_days(max(start, context.success_day), min(end, context.today + ONE), None)
    calendar = count / elapsed if context.calendar is not None else None
    return Value(count / days, numerator=count, denominator=days, sample_size=count, calendar_value=calendar)


def days_per_week(events: list[DeploymentFact], context: Context) -> Value:
    """ "Median number of days with a successful production deployment, over the complete weeks inside the period (from the
    scope's first complete week on)"."""
    start, end = context.period
    days = {d.finished_on for d in events if d.counts}
    weeks = []
    week = week_of(start + 6 * ONE, context.week_start)
    while week + 7 * ONE <= min(end, context.today):
        if context.success_day is not None and week >= context.success_day:
            weeks.append(float(sum(week <= day < week + 7 * ONE for day in days)))
        week += 7 * ONE
    if not weeks:
        return Value(null_reason="no_data")
    return median(list(weeks), replace(context, minimum=1, calendar=None))


# ------------------------------------------------------------------------------------------------------------ metrics


def in_lead_time(events: list[DeployedChange]) -> list[DeployedChange]:
    return [e for e in events if e.exclusion_reason is None]


def lead_time(events: list[DeployedChange], context: Context) -> Value:
    counted = in_lead_time(events)
    return timed([e.lead_time_hours for e in counted], [e.calendar_hours for e in counted], context)


def stage(column: str) -> Measure:
    return lambda events, context: median([getattr(e, column) for e in in_lead_time(events)], context)


@dataclass
class Family:
    """Events of one kind, with the day and service of each, and the metrics that count them."""

    events: list[Any]
    day: Callable[[Any], date]
    metrics: dict[str, tuple[tuple[str, ...], Measure]]


def deployments_family(result: Result) -> Family:
    production = [d for d in result.deployments.values() if d.environment_tier == "production"]
    return Family(
        production,
        lambda d: d.finished_on,
        {
            FREQUENCY: (GRAINS, frequency),
            "deployment_days_per_week": (WEEKLY, days_per_week),
            "change_failure_rate": (GRAINS, failure_rate),
            "deployment_rework_rate": (GRAINS, rework_rate),
            "deployment_success_rate": (GRAINS, lambda e, c: ratio([d.result == "success" for d in e], c)),
            "redeployments": (COARSE, number_of("redeployment")),
            "rollbacks": (COARSE, number_of("rollback")),
        },
    )


def delivery_family(result: Result) -> Family:
    return Family(
        list(result.deployed.values()),
        lambda d: d.deployed_on,
        {
            "lead_time_for_changes": (GRAINS, lead_time),
            "lead_time_coding": (COARSE, stage("coding_hours")),
            "lead_time_pickup": (COARSE, stage("pickup_hours")),
            "lead_time_review": (COARSE, stage("review_hours")),
            "lead_time_merge_to_deploy": (COARSE, stage("merge_to_deploy_hours")),
        },
    )


def recovery_family(result: Result) -> Family:
    """Resolved incidents, and failed releases that recovered."""
    resolved = [i for i in result.incidents.values() if i.resolved_on]
    recovered = [d for d in result.deployments.values() if d.counts and d.failed_change and d.recovered_on]

    def incidents(events: list[Any], context: Context) -> Value:
        found = [i for i in events if isinstance(i, IncidentFact)]
        return timed([i.time_to_restore_hours for i in found], [i.calendar_hours for i in found], context)

    def failures(events: list[Any], context: Context) -> Value:
        return recovery([d for d in events if isinstance(d, DeploymentFact)], context)

    return Family(
        [*resolved, *recovered],
        lambda e: e.resolved_on if isinstance(e, IncidentFact) else e.recovered_on,
        {"failed_deployment_recovery_time": (GRAINS, failures), "time_to_restore": (GRAINS, incidents)},
    )


def pull_requests_family(world: World, result: Result) -> Family:
    """ "Leave bots' changes out of the lead time and the pull request metrics"."""
    exclude = world.settings.exclude_bots
    changes = [
        c for c in result.changes.values() if c.is_pull_request and not c.carries_others and not (exclude and c.is_bot)
    ]

    def of(column: str) -> Callable[[list[ChangeFact]], list[Any]]:
        return lambda events: [getattr(e, column) for e in events]

    return Family(
        changes,
        lambda c: c.merged_on,
        {
            "pull_request_size": (COARSE, lambda e, c: median(of("lines")(e), c)),
            "review_depth": (COARSE, lambda e, c: median(of("depth")(e), c)),
            "rework_cycles": (COARSE, lambda e, c: mean(of("changes_requested_count")(e), c)),
            "merged_without_review": (
                COARSE,
                lambda e, c: ratio([not reviewed for reviewed in of("is_reviewed")(e)], c),
            ),
            "reopened_pull_requests": (COARSE, lambda e, c: ratio([n > 0 for n in of("reopened_count")(e)], c)),
        },
    )


def compute_metrics(world: World, result: Result) -> dict[MetricKey, MetricRow]:
    """Every published number by its key, with its tier."""
    families = [deployments_family(result), delivery_family(result), recovery_family(result)]
    families.append(pull_requests_family(world, result))
    rows: dict[MetricKey, MetricRow] = {}
    scopes = list(scopes_of(world))
    first_days: dict[tuple[str, str], date] = {}
    for scope in scopes:
        first = [first_day(family, scope) for family in families]
        for family, own in zip(families, first, strict=True):
            begin = min((day for day in first if day), default=None) if scope.scope_type == "client" else own
            if begin is not None:
                rows.update(rows_of(world, scope, family, begin))
            events = [e for e in family.events if scope.has(e.service_id) and is_counted(e)]
            for metric in family.metrics:
                counted = [family.day(e) for e in events if metric != FREQUENCY or e.counts]
                if counted and scope.scope_type == "service":
                    first_days[metric, scope.scope_id] = min(counted)
    names = set(world.service_names())
    members = {(s.scope_type, s.scope_id): names if s.services is None else s.services for s in scopes}
    today = day_of(world.now, ZoneInfo(world.time_zone))
    mark_tiers(rows, first_days, members, world.settings.minimum_sample, today)
    return rows


def first_day(family: Family, scope: Scope) -> date | None:
    """The day of a scope's first event of a kind."""
    return min((family.day(e) for e in family.events if scope.has(e.service_id)), default=None)


def rows_of(world: World, scope: Scope, family: Family, begin: date) -> Iterator[tuple[MetricKey, MetricRow]]:
    """The rows of a scope: "The client has a row for every metric and every week, month and rolling window, starting with its
    first event of any kind. Days, and other scopes, have a row where the metric counted something. `deployment_frequency` also
    has rows of zero: for each day of the client, and for each week, month and rolling 30 days of other scopes." """
    settings, today = world.settings, day_of(world.now, ZoneInfo(world.time_zone))
    events = [e for e in family.events if scope.has(e.service_id)]
    success_day = min((family.day(e) for e in events if isinstance(e, DeploymentFact) and e.counts), default=None)
    kind_day = min((family.day(e) for e in events if is_counted(e)), default=None)
    for metric, (grains, measure) in family.metrics.items():
        for grain in grains:
            is_client, latest_only = scope.scope_type == "client", grains == COARSE
            for start, end in periods_of(grain, begin, today, is_client, latest_only, settings.week_start):
                inside = [e for e in events if start <= family.day(e) < end]
                zero = metric == FREQUENCY and grain in ZERO_IS_SAID and success_day is not None and success_day < end
                always = zero or (is_client and (grain != "day" or metric == FREQUENCY))
                if not (inside or always):
                    continue
                chosen = settings.minimum_sample, settings.working_calendar, settings.week_start
                context = Context((start, end), today, success_day, *chosen)
                value = measure(inside, context)
                key = (metric, grain, scope.scope_type, scope.scope_id, end - ONE)
                partial = is_partial(metric, grain, context, kind_day)
                yield key, MetricRow(start, end, partial, **vars(value), is_certain=always or happened(metric, value))


def is_counted(event: Any) -> bool:
    return not isinstance(event, DeployedChange) or event.exclusion_reason is None


def happened(metric: str, value: Value) -> bool:
    """Whether something happened that the metric counts. If only other things of its kind happened (a bot's change, a failed
    deployment for the frequency, deployments outside the complete weeks for `deployment_days_per_week`), docs/metrics.md does
    not say whether there is a row with "no data" or 0."""
    if metric in ("redeployments", "rollbacks"):
        return bool(value.numerator)
    return value.sample_size > 0 and not (metric == SINCE_SUCCESS[1] and value.p90 == 0)


def is_partial(metric: str, grain: str, context: Context, kind_day: date | None) -> bool | None:
    """ "`is_partial` marks a day, week or month that has not ended, and any period that began before the scope's first event
    of that kind (for `deployment_frequency` and `deployment_days_per_week`: its first successful production deployment)." If
    there was no such event at all, it is undefined."""
    start, end = context.period
    begins = context.success_day if metric in SINCE_SUCCESS else kind_day
    if not grain.startswith("rolling") and end > context.today:
        return True
    return None if begins is None else start < begins
