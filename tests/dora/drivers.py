"""Why a number moved, in plain Python: the reference of core.metric_drivers and core.metric_replays, by docs/metrics.md."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import fmean, median
from typing import Any

from tests.dora.loading import Loaded
from tests.dora.model import Result

STAGES = ("coding", "pickup", "review", "merge_to_deploy")
METRICS = {
    "deployment_frequency": "per_day",
    "change_failure_rate": "ratio",
    "deployment_rework_rate": "ratio",
    "lead_time_for_changes": "hours",
    "failed_deployment_recovery_time": "hours",
    "time_to_restore": "hours",
}
Key = tuple[str, ...]
Part = tuple[float, ...]


@dataclass
class Case:
    """A fact that counts: 1 or 0 of a ratio, or hours with the stages that are known."""

    service: str
    value: float
    stages: dict[str, float] = field(default_factory=dict)

    def pieces(self, is_lead_time: bool) -> dict[str, float]:
        if not is_lead_time:
            return {"rate": self.value}
        known = {stage: self.stages.get(stage, 0.0) for stage in STAGES}
        return {**known, "other": self.value - sum(known.values())}


def cases(result: Result, metric: str, start: date, end: date, first_stage: int) -> list[Case]:
    """What a metric counts in [start, end)."""

    def inside(day: date | None) -> bool:
        return day is not None and start <= day < end

    deployments = [d for d in result.deployments.values() if d.environment_tier == "production"]
    if metric in ("deployment_frequency", "change_failure_rate"):
        return [Case(d.service_id, float(d.failed_change)) for d in deployments if d.counts and inside(d.finished_on)]
    if metric == "deployment_rework_rate":
        judged = [d for d in deployments if (d.counts or d.is_rollback) and inside(d.finished_on)]
        return [Case(d.service_id, float(d.is_rework)) for d in judged]
    if metric == "failed_deployment_recovery_time":
        failed = [d for d in deployments if d.counts and d.failed_change and inside(d.recovered_on)]
        return [Case(d.service_id, d.recovery_hours) for d in failed if d.recovery_hours is not None]
    if metric == "time_to_restore":
        return [
            Case(i.service_id or "", i.time_to_restore_hours)
            for i in result.incidents.values()
            if inside(i.resolved_on) and i.time_to_restore_hours is not None
        ]
    delivered = [c for c in result.deployed.values() if c.exclusion_reason is None and inside(c.deployed_on)]
    return [
        Case(
            c.service_id,
            c.lead_time_hours or 0.0,
            {s: hours for s in STAGES[first_stage:] if (hours := getattr(c, f"{s}_hours")) is not None},
        )
        for c in delivered
    ]


def drivers(
    metric: str, before: list[Case], now: list[Case], value_before: float, value_now: float
) -> dict[Key, float]:
    """The contribution of each part, by service and effect."""
    services = sorted({c.service for c in before + now})
    found: dict[Key, float] = {}
    if METRICS[metric] == "per_day":
        for service in services:
            sides = [
                sum(c.service == service for c in side) / len(side) * value if side else 0.0
                for side, value in ((before, value_before), (now, value_now))
            ]
            found[service, "count"] = sides[1] - sides[0]
        return found
    is_lead_time = metric == "lead_time_for_changes"
    whole = (fmean(c.value for c in before) + fmean(c.value for c in now)) / 2
    for service in services:
        old, new = ([c for c in side if c.service == service] for side in (before, now))
        shares = len(old) / len(before), len(new) / len(now)
        effects: dict[str, float] = {}
        level = 0.0
        for piece in (old or new)[0].pieces(is_lead_time):
            means = [fmean(c.pieces(is_lead_time)[piece] for c in side) for side in (old or new, new or old)]
            effects[piece] = sum(shares) / 2 * (means[1] - means[0])
            level += sum(means) / 2
        effects["mix"] = (shares[1] - shares[0]) * (level - whole)
        found |= {(service, effect): part for effect, part in effects.items()}
    return found


def replays(before: list[Case], now: list[Case], parts: dict[Key, float], is_lead_time: bool) -> dict[Key, float]:
    """What the median would be now, had a part stayed as it was, by kind and part."""
    moved: dict[str, float] = defaultdict(float)
    for (service, _), part in parts.items():
        moved[service] += part
    order = sorted(moved, key=lambda s: (-round(abs(moved[s]), 9), s))
    named = {service: service if place < 5 else "other services" for place, service in enumerate(order)}
    found: dict[Key, float] = {}
    for name in set(named.values()):
        kept = [c.value for c in now if named[c.service] != name] + [
            c.value for c in before if named[c.service] == name
        ]
        if kept:
            found["service", name] = median(kept)
    for stage in (*STAGES, "other") if is_lead_time else ():
        old, new = (sorted(_spent(side, stage)) for side in (before, now))
        shown = [round(spent, 6) for spent in new]
        ranks = {id(c): _middle_rank(shown, round(_of(c, stage), 6)) for c in _with(now, stage)}
        replayed = []
        for c in now:
            if id(c) not in ranks or not old:
                replayed.append(c.value)
                continue
            place = (ranks[id(c)] / (len(new) - 1) if len(new) > 1 else 0.5) * (len(old) - 1)
            low, high = old[int(place)], old[min(int(place) + 1, len(old) - 1)]
            replayed.append(c.value - _of(c, stage) + low + (place - int(place)) * (high - low))
        found["stage", stage] = median(replayed)
    return found


def _middle_rank(ordered: list[float], value: float) -> float:
    """The place of a value; equal ones share the middle of theirs."""
    return (bisect_left(ordered, value) + bisect_right(ordered, value) - 1) / 2


def _of(case: Case, stage: str) -> float:
    return case.pieces(True)["other"] if stage == "other" else case.stages[stage]


def _with(side: list[Case], stage: str) -> list[Case]:
    return [c for c in side if stage == "other" or stage in c.stages]


def _spent(side: list[Case], stage: str) -> Iterable[float]:
    return (_of(c, stage) for c in _with(side, stage))


def differences(loaded: Loaded, result: Result) -> list[str]:
    """Comparisons and parts in which SQL and reference differ; parts that do not add up; stages that do not."""
    first_stage = int(loaded.world.given.get("start_event") == "opened")
    comparisons: dict[tuple[str, str], dict[str, Any]] = {
        row[:2]: dict(zip(_SIDES, row[2:], strict=True))
        for row in loaded.read(f"select metric_type, comparison, {', '.join(_SIDES)} from core.metric_comparisons")
    }
    lines = _missing(result, comparisons)
    for (metric, comparison), c in comparisons.items():
        old, new = (
            cases(result, metric, c[f"{side}_from"], c[f"{side}_until"], first_stage) for side in ("before", "now")
        )
        expected = drivers(metric, old, new, c["value_before"], c["value_now"])
        where = f" from core.{{}} where metric_type = '{metric}' and comparison = '{comparison}'"
        found = {
            tuple(row[:2]): row[2]
            for row in loaded.read("select service_id, effect, contribution" + where.format("metric_drivers"))
        }
        what = f"{metric} {comparison}"
        lines += _differing(f"drivers of {what}", expected, found)
        is_hours = METRICS[metric] == "hours"
        moved = c["mean_now"] - c["mean_before"] if is_hours else c["value_now"] - c["value_before"]
        if abs(sum(found.values()) - moved) > 1e-9 * max(1, abs(moved)):
            lines.append(f"drivers of {what} add up to {sum(found.values())}, not {moved}")
        if is_hours:
            rows = loaded.read("select kind, part, replayed, contribution" + where.format("metric_replays"))
            lines += _differing(
                f"replays of {what}",
                replays(old, new, expected, metric == "lead_time_for_changes"),
                {(kind, part): replayed for kind, part, replayed, _ in rows if part != "residual"},
            )
            for kind in {row[0] for row in rows}:
                total = sum(row[3] for row in rows if row[0] == kind)
                if abs(total - c["value_now"] + c["value_before"]) > 1e-9 * max(1, abs(total)):
                    lines.append(f"{kind} replays of {what} add up to {total}")
    return lines + _stages(loaded)


_SIDES = (
    "before_from",
    "before_until",
    "now_from",
    "now_until",
    "value_before",
    "value_now",
    "mean_before",
    "mean_now",
)


def _missing(result: Result, comparisons: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
    """Every pair of published numbers is compared, and nothing else but signals."""
    lines = []
    today = max(key[4] for key in result.metrics if key[1] == "rolling_30d") if result.metrics else None
    for metric in METRICS if today else ():
        for grain, day in (("rolling_30d", today), ("month", today.replace(day=1) - timedelta(days=1))):
            now = result.metrics.get((metric, grain, "client", "", day))
            before = now and result.metrics.get((metric, grain, "client", "", now.period_start - timedelta(days=1)))
            if not before or before.is_partial is None:
                continue
            wanted = not before.is_partial and None not in (before.metric_value, now.metric_value)
            found = comparisons.get((metric, grain))
            if wanted != (found is not None):
                lines.append(f"{metric} {grain}: {'not compared' if wanted else 'compared'}")
            elif found:
                values = {"before": before.metric_value, "now": now.metric_value}
                lines += _differing(f"{metric} {grain}", values, {k: found[f"value_{k}"] for k in values})
    return lines


def _differing(what: str, expected: dict[Any, Any], found: dict[Any, Any]) -> list[str]:
    return [
        f"{what} {key}: SQL {found.get(key)}, reference {expected.get(key)}"
        for key in expected.keys() | found.keys()
        if key not in expected or key not in found or abs(expected[key] - found[key]) > 1e-6
    ]


def _stages(loaded: Loaded) -> list[str]:
    """The stages of a week or month add up to its mean lead time, by the evidence."""
    rows = loaded.read(
        "select s.grain, s.period_start, s.scope_id, s.hours, s.n, e.hours, e.n"
        " from (select grain, scope_type, scope_id, period_start, sum(mean_hours) as hours, max(sample_size) as n,"
        "              (period_start + ('1 ' || grain)::interval)::date as period_end"
        "       from core.lead_time_stages where scope_type in ('client', 'service') group by 1, 2, 3, 4) s"
        " left join lateral (select avg(lead_time_hours) as hours, count(*) as n from core.deployment_changes l"
        "   where l.exclusion_reason is null and l.deployed_on >= s.period_start and l.deployed_on < s.period_end"
        "     and (s.scope_type = 'client' or l.service_id = s.scope_id)) e on true"
    )
    return [
        f"stages of {row[:3]}: {row[3:5]}, evidence {row[5:]}"
        for row in rows
        if row[4] != row[6] or abs(row[3] - row[5]) > 1e-6
    ]
