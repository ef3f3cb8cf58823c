"""What the brief says, read from the views of schema `report` as the client's own database login.

Nothing is computed here: numbers, verdicts and sentences come from the views. All statements run in one transaction of the
replica, so that a publish between two of them cannot make the page contradict itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pulse import languages
from pulse.tenancy import client_role
from pulse_superset.replica import reading

Row = dict[str, Any]

WEEKS = 26
MOST_RISKS = 3
MOST_CORRECTIONS = 5
MOST_PLANS = 8

_STATEMENTS = {
    "client": "select name, slug, time_zone from core.clients",
    "numbers": "select * from report.kpi_current where sort_order <= 5 order by sort_order",
    # Without parts, a metric's own sentence says no more than that about all of them.
    "sentences": "select metric_type, metric_label, rows_path, case when service_name is null and stage is null"
    " then coalesce(move_text, sentence) else sentence end as sentence from report.metric_sentences order by sort_order",
    "parts": "select metric_type, part_text, rows_path from report.metric_parts order by sort_order, clause",
    "events": "select shifted_on as day, metric_type as about, sentence from report.metric_sentences"
    " where shifted_on is not null union all select target_by, metric_type || ' target ' || target || ' ' || status,"
    " metric_label || ': ' || target_status_text || '.' from report.metric_targets where status in ('reached', 'missed')"
    " order by 1, 2",
    "series": "select metric_type, period_at::date as week, display_value as value, centre, lower, upper"
    " from report.metric_series where grain = 'week' and scope_type = 'client' and not is_partial"
    " and metric_type in (select metric_type from core.metric_catalogue where sort_order <= 5)"
    f" and period_at >= (select computed_through from core.dora_state) - {7 * (WEEKS + 1)} order by period_at",
    "stages": "select * from report.brief_stages order by stage_order",
    "risks": f"select * from report.risks where place <= {MOST_RISKS} and kind <> 'nothing' order by kind_order, place",
    "plans": "select scope_name, url, kind_text, progress_text, case when scope_type = 'sprint' then by_due_text"
    " else coalesce(nullif(reason_text, ''), p85_text) end as answer from report.forecasts"
    f" where scope_type <> 'project' and remaining_items > 0 order by kind_order, scope_name limit {MOST_PLANS}",
    "record": "select record_text from report.forecast_record",
    "effort": "select question, answer, note, period_text from report.investment_summary"
    " where topic in ('largest', 'unplanned') order by sort_order",
    "costs": "select * from report.brief_costs",
    "trust": "select label, display_text, null_reason, status, message from report.trust_panel where detail = ''"
    " order by sort_order, label",
    "freshness": "select integration, last_success_at, newest_record_at, rows_rejected from report.freshness order by 1",
    "corrections": "select *, count(*) over () as of_all from ("
    " select metric_label, grain, calculation_date, old_text, new_text, cause, restated_at from report.restatements"
    " where scope_type = 'client' and grain = 'month' and old_text is distinct from new_text and metric_type in"
    " (select metric_type from core.metric_catalogue where family <> 'work')"
    " and restated_at >= date_trunc('month', now()) - interval '1 month') r"
    f" order by restated_at desc, calculation_date desc limit {MOST_CORRECTIONS}",
}


@dataclass(frozen=True)
class Brief:
    """One client's brief in a language: the rows of each statement, and the client's zone, in which times are written."""

    client_id: int
    name: str
    slug: str
    zone: ZoneInfo
    rows: dict[str, list[Row]]
    language: str = languages.ENGLISH

    def say(self, text: str, **values: Any) -> str:
        """An English text in the brief's language."""
        return languages.say(self.language, text, **values)

    @property
    def sentence(self) -> str:
        """The one sentence; says so when nothing was published yet."""
        found = [row for row in self.rows["sentences"] if row["metric_type"] == "all"]
        return (
            str(found[0]["sentence"]) if found else self.say("No numbers yet: they come with the first complete run.")
        )

    @property
    def moves(self) -> list[Row]:
        """The sentence of each number that has moved, and before them the one about sources that are not read."""
        return [row for row in self.rows["sentences"] if row["rows_path"] or row["metric_type"] == "sources"]

    def parts(self, move: Row) -> list[Row]:
        """What the sentence of a move says it goes with, with the way to the rows."""
        return [row for row in self.rows["parts"] if row["metric_type"] == move["metric_type"]]

    def series(self, metric_type: str) -> list[Row]:
        """The weeks of a metric, the oldest first."""
        return [row for row in self.rows["series"] if row["metric_type"] == metric_type]

    def risks(self) -> list[list[Row]]:
        """What is at risk, by kind."""
        kinds: dict[str, list[Row]] = {}
        for row in self.rows["risks"]:
            kinds.setdefault(row["kind"], []).append(row)
        return list(kinds.values())

    @property
    def constraint(self) -> Row | None:
        """The stage that takes the largest part of the lead time."""
        return next((row for row in self.rows["stages"] if row["is_constraint"]), None)

    @property
    def cost(self) -> Row | None:
        """What failure cost; None without a release."""
        return next((row for row in self.rows["costs"] if row["sentence"]), None)

    @property
    def until(self) -> date | None:
        """The day after the last day that is counted."""
        numbers = self.rows["numbers"]
        return numbers[0]["period_end"] if numbers else None

    def moment(self, value: datetime | None) -> str:
        """A time in the client's zone."""
        return languages.moment(self.language, value.astimezone(self.zone)) if value else "—"

    def day(self, value: date | None) -> str:
        """A date as the views write it."""
        return languages.day(self.language, value)

    @property
    def last_day(self) -> str:
        """The last day that is counted; empty when nothing was published yet."""
        return self.day(self.until - timedelta(days=1)) if self.until else ""

    @property
    def period(self) -> str:
        """What the brief is about, as a sentence."""
        if not self.last_day:
            return self.say("The whole company.")
        return self.say("The 30 days up to {day}, for the whole company.", day=self.last_day)

    @property
    def title(self) -> str:
        """The brief's heading."""
        return self.say("{client}: the brief", client=self.name)


def read(client_id: int, language: str, separators: str = "") -> Brief:
    """The brief of a client in a language, with these separators in its numbers. Raises DatabaseAway."""
    rows: dict[str, list[Row]] = {}
    with reading(client_role(client_id), "brief", language, separators) as cursor:
        for name, statement in _STATEMENTS.items():
            cursor.execute(statement)
            rows[name] = [dict(row) for row in cursor.fetchall()]
    (client,) = rows["client"]
    return Brief(client_id, client["name"], client["slug"], ZoneInfo(client["time_zone"]), rows, language)
