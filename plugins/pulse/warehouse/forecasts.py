"""core.forecasts: each night, when the client's plans will be done and how many items by a date, and whether that came true.

The last step of the stage dora, in its transaction. docs/work.md says what a forecast counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

import psycopg

from pulse.warehouse.simulation import (
    FEWEST_ITEMS,
    FEWEST_WEEKS,
    WEEKS_BACK,
    Simulation,
    weeks_before,
)

NIGHTS_BACK = 26  # Mondays before the first night, forecast afterwards, so that there is a record from the first run on
DAYS_REMADE = 7  # a long history is read in parts: until then they are made again
# How many, not when all: the last items of a sprint are those that got stuck, and no pace of other items says how long.
COUNTED = ("sprint", "project")
NEXT_QUARTER = 14  # with fewer days left, the date asked about is the end of the next quarter

_IS_NEEDED = """
    select s.today, s.slug
    from work_run r cross join (select s.today, c.slug from settings s join core.clients c on c.id = s.client_id) s
    where r.is_full or r.is_new_day or exists (select from work_items_changed)
       or exists (select from work_sprint_items_changed)
"""
# The items that a plan held, from when until when, with the plan's own end. Epics and sub-tasks are not counted.
_PLANS = """
    with items as (
        select id, integration_id, project_key, url, created_on, started_on, done_on, epic_key, fix_versions
        from core.work_items
        where not is_epic and not is_subtask and (done_on is not null or status_category <> 'done')
    )
    select 'epic', i.epic_key, e.key || ' ' || e.summary, i.project_key, e.url, e.done_on, null::date, null::date, i.created_on,
           null::date, i.started_on, i.done_on
    from items i
    join core.work_items e on (e.integration_id, e.key) = (i.integration_id, i.epic_key)
    where coalesce(e.done_on >= %(since)s, e.status_category <> 'done')
    union all
    select 'version', i.project_key || '/' || v, v, i.project_key, i.url, null, null, null, i.created_on, null, i.started_on,
           i.done_on
    from items i cross join unnest(i.fix_versions) v
    union all
    select 'sprint', s.integration_id || '/' || s.id, s.name, i.project_key, i.url,
           (s.completed_at at time zone z.time_zone)::date, (s.started_at at time zone z.time_zone)::date,
           (s.ends_at at time zone z.time_zone)::date, (m.joined_at at time zone z.time_zone)::date,
           (m.left_at at time zone z.time_zone)::date, i.started_on, i.done_on
    from core.work_sprints s
    join core.work_sprint_items m on (m.integration_id, m.sprint_id) = (s.integration_id, s.id) and (m.is_planned or m.is_added)
    join items i on i.id = m.work_item_id
    cross join settings z
    where s.started_at is not null and s.ends_at is not null and coalesce(s.completed_at, s.ends_at) >= %(since)s
    union all
    select 'project', i.project_key, i.project_key, i.project_key, i.url, null, s.first_day, null, i.created_on, null,
           i.started_on, i.done_on
    from items i
    join core.dora_scopes s on (s.scope_type, s.scope_id, s.family) = ('project', i.project_key, 'work')
    where coalesce(i.done_on >= %(since)s, true)
"""


@dataclass(frozen=True)
class _Item:
    """An item of a plan: in it from `since` until `left`."""

    since: date
    left: date | None
    started: date | None
    done: date | None

    def is_open(self, day: date) -> bool:
        """Whether it is in the plan and not done at the beginning of a day."""
        return self.since <= day and (self.left is None or self.left > day) and (self.done is None or self.done >= day)


@dataclass
class _Plan:
    """What a forecast is for: an epic, version or sprint with its items, or a project."""

    kind: str
    id: str
    name: str
    project: str
    url: str
    ended: date | None
    began: date | None
    ends: date | None
    items: list[_Item] = field(default_factory=list)
    projects: set[str] = field(default_factory=set)

    def done_on(self) -> list[date]:
        return sorted(item.done for item in self.items if item.done is not None)

    def is_on(self, day: date) -> bool:
        """Whether anybody works on it: it has not ended, and something was begun or done in the weeks that count."""
        if (self.ended is not None and self.ended < day) or (self.began is not None and self.began > day):
            return False
        if self.ends is not None:
            return self.ends >= day
        after = day - timedelta(weeks=WEEKS_BACK)
        return any(one is not None and after <= one < day for item in self.items for one in (item.started, item.done))

    def due(self, day: date) -> date:
        return self.ends if self.ends is not None else _quarters_end(day)


def write_forecasts(conn: psycopg.Connection[Any]) -> int:
    """Make today's forecasts and judge those whose date has passed; how many rows were written.

    Does nothing when no item has changed and the day is the same. For the stage's transaction, after its models.
    """
    row = conn.execute(_IS_NEEDED).fetchone()
    if row is None:
        return 0
    today, slug = row
    plans = _read_plans(conn, today)
    first = conn.execute("select min(made_on) from core.forecasts where not is_made_later").fetchone()
    first_night = min(today, (first and first[0]) or today)
    rows = _forecasts(plans, slug, today, later=False)
    remakes = (today - first_night).days < DAYS_REMADE
    if remakes:
        monday = first_night - timedelta(days=first_night.weekday() or 7)
        for weeks in range(NIGHTS_BACK):
            rows += _forecasts(plans, slug, monday - timedelta(weeks=weeks), later=True)
    return _store(conn, today, rows, remakes=remakes) + _judge(conn, plans, today)


def _read_plans(conn: psycopg.Connection[Any], today: date) -> list[_Plan]:
    plans: dict[tuple[str, str], _Plan] = {}
    for kind, identity, name, project, url, ended, began, ends, since, left, started, done in conn.execute(
        _PLANS, {"since": today - timedelta(weeks=WEEKS_BACK + NIGHTS_BACK + 1)}
    ):
        plan = plans.get((kind, identity))
        if plan is None:
            plan = _Plan(kind, identity, name, project, _link(kind, identity, name, url), ended, began, ends)
            plans[kind, identity] = plan
        plan.items.append(_Item(since, left, started, done))
        plan.projects.add(project)
    return sorted(plans.values(), key=lambda plan: (plan.kind, plan.id))


def _link(kind: str, identity: str, name: str, url: str) -> str:
    """Where the plan can be seen upstream; `url` is an item's, or the epic's."""
    site = url.partition("/browse/")[0]
    if kind == "version":
        project = identity.partition("/")[0]
        return f"{site}/issues/?jql=" + quote(f'project = "{project}" AND fixVersion = "{name}"')
    if kind == "sprint":
        return f"{site}/issues/?jql=" + quote(f"sprint = {identity.partition('/')[2]}")
    return f"{site}/browse/{identity}" if kind == "project" else url


def _forecasts(plans: Iterable[_Plan], slug: str, day: date, *, later: bool) -> list[dict[str, Any]]:
    """The rows of one night."""
    plans = list(plans)
    projects = {plan.id: plan for plan in plans if plan.kind == "project"}
    rows = []
    for plan in plans:
        still = sum(item.is_open(day) for item in plan.items)
        if not plan.is_on(day) or (plan.kind != "project" and not still):
            continue
        if plan.kind in COUNTED:  # a sprint is what the project's people work on
            together = [projects[project] for project in plan.projects if project in projects]
            done = [one for project in together for one in project.done_on()]
            since = min((project.began for project in together if project.began is not None), default=day)
        else:
            done = plan.done_on()
            since = min((item.started for item in plan.items if item.started is not None), default=day)
        rows.append(_forecast(plan, slug, day, done, since, still, later))
    return rows


def _forecast(
    plan: _Plan, slug: str, day: date, done: list[date], since: date, still: int, later: bool
) -> dict[str, Any]:
    past = weeks_before(day, done, since)
    due = plan.due(day)
    row: dict[str, Any] = {
        "made_on": day,
        "scope_type": plan.kind,
        "scope_id": plan.id,
        "scope_name": plan.name,
        "project_key": plan.project if len(plan.projects) == 1 else None,
        "url": plan.url,
        "is_made_later": later,
        "done_items": sum(item.done is not None and item.done < day for item in plan.items),
        "remaining_items": None if plan.kind == "project" else still,
        "past_weeks": len(past),
        "past_items": int(past.sum()),
        "due_on": due,
        **dict.fromkeys(("p50_on", "p85_on", "p95_on", "p50_items", "p85_items", "p95_items", "null_reason")),
    }
    if len(past) < FEWEST_WEEKS:
        return row | {"null_reason": "few_weeks"}
    if row["past_items"] < FEWEST_ITEMS:
        return row | {"null_reason": "few_items"}
    simulation = Simulation(past, f"{slug}/{day}/{plan.kind}/{plan.id}")
    counts = simulation.items_within((due - day).days + 1)
    if plan.kind != "project":
        counts = [min(count, still) for count in counts]
    if plan.kind not in COUNTED:
        days = simulation.days_until(still)
        row |= {
            name: None if n is None else day + timedelta(days=n)
            for name, n in zip(("p50_on", "p85_on", "p95_on"), days, strict=True)
        }
    return row | dict(zip(("p50_items", "p85_items", "p95_items"), counts, strict=True))


def _store(conn: psycopg.Connection[Any], today: date, rows: list[dict[str, Any]], *, remakes: bool) -> int:
    """Write the rows that differ; delete those of today (and those made afterwards) that are not made any more."""
    conn.execute("create temporary table new_forecasts (like core.forecasts) on commit drop")
    columns = list(rows[0]) if rows else []
    if rows:
        names = ", ".join(columns)
        marks = ", ".join(["%s"] * len(columns))
        with conn.cursor() as cursor:
            cursor.executemany(
                f"insert into new_forecasts (client_id, {names}) values ((select core.etl_client_id()), {marks})".encode(),
                [list(row.values()) for row in rows],
            )
    removed = conn.execute(
        "delete from core.forecasts f where (made_on = %s or is_made_later and %s) and not exists ("
        "select from new_forecasts n"
        " where (n.made_on, n.scope_type, n.scope_id) = (f.made_on, f.scope_type, f.scope_id))",
        [today, remakes],
    ).rowcount
    if not rows:
        return removed
    names = ", ".join(columns)
    sets = ", ".join(f"{name} = excluded.{name}" for name in columns[3:]) + ", reached_on = null, came_true = null"
    old, new = (", ".join(f"{table}.{name}" for name in columns[3:]) for table in ("f", "excluded"))
    stored = conn.execute(
        f"insert into core.forecasts as f (client_id, {names}) select client_id, {names} from new_forecasts"
        f" on conflict (client_id, made_on, scope_type, scope_id) do update set {sets}"
        f" where row({old}) is distinct from row({new})".encode()
    ).rowcount
    return removed + stored


def _judge(conn: psycopg.Connection[Any], plans: list[_Plan], today: date) -> int:
    """Note whether the 85 % came true, of the forecasts whose date has passed. Returns how many."""
    known = {(plan.kind, plan.id): plan for plan in plans}
    verdicts = []
    for made_on, kind, identity, remaining, p85_on, p85_items, due_on in conn.execute(
        "select made_on, scope_type, scope_id, remaining_items, p85_on, p85_items, due_on from core.forecasts"
        " where came_true is null and p85_items is not null"
        " and case when scope_type = any (%s) then due_on else p85_on end < %s",
        [list(COUNTED), today],
    ).fetchall():
        plan = known.get((kind, identity))
        if plan is None:  # it is gone, or its items are in another one: nobody can say
            continue
        wanted, until = (p85_items, due_on) if kind in COUNTED else (remaining, p85_on)
        reached = _reached(plan, made_on, wanted, today)
        verdicts.append((reached, reached is not None and reached <= until, made_on, kind, identity))
    if verdicts:
        with conn.cursor() as cursor:
            cursor.executemany(
                "update core.forecasts set reached_on = %s, came_true = %s"
                " where (made_on, scope_type, scope_id) = (%s, %s, %s)",
                verdicts,
            )
    return len(verdicts)


def _reached(plan: _Plan, made_on: date, wanted: int, today: date) -> date | None:
    """When so many items were done from a day on; when the last was, if less was left to do in the end."""
    done = [one for one in plan.done_on() if one >= made_on]
    if len(done) >= wanted:
        return done[wanted - 1] if wanted else made_on
    is_over = plan.kind != "project" and not any(item.is_open(today) for item in plan.items)
    return (done[-1] if done else made_on) if is_over else None


def _quarters_end(day: date) -> date:
    """The last day of the quarter; of the next one, if this one is nearly over."""
    month = day.month + 2 - (day.month - 1) % 3
    end = date(day.year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return end if (end - day).days >= NEXT_QUARTER else _quarters_end(end + timedelta(days=1))
