"""How numbers are shown: what is not all is never 100 %, what is not nothing never 0 %, and short times are in seconds."""

from __future__ import annotations

from tests.support.database import TestDatabase

CASES = [
    (0, 474, 0, "0"),
    (1, 474, 0, "0.2"),
    (2, 474, 0, "0.4"),
    (3, 474, 0, "1"),
    (237, 474, 0, "50"),
    (471, 474, 0, "99"),
    (473, 474, 0, "99.8"),
    (474, 474, 0, "100"),
    (1, 3000, 1, "0.03"),
    (2999, 3000, 1, "99.97"),
    (1, 3000, 0, "0.03"),
    (1, 8, 1, "12.5"),
    (1, 1_000_000, 1, "0.0001"),
]


def test_not_all_is_never_100_and_some_is_never_0(db: TestDatabase) -> None:
    with db.connect("pulse_owner") as conn:
        for part, whole, decimals, text in CASES:
            row = conn.execute("select core.percent(%s::float8 / %s, %s)", [part, whole, decimals]).fetchone()
            assert row == (text,), (part, whole)


def test_no_share_of_any_size_is_shown_as_all_or_nothing(db: TestDatabase) -> None:
    """Tiles, sentences and tables: core.display_text too."""
    with db.connect("pulse_owner") as conn:
        wrong = conn.execute(
            "select n, k, x from (values (3), (8), (60), (474), (999), (1000), (2001), (9999), (50000)) w (n)"
            " cross join lateral (select distinct k from unnest(array[1, 2, 3, n / 2, n - 3, n - 2, n - 1]) k"
            " where k > 0 and k < n) s"
            " cross join lateral unnest(array[core.percent(k::float8 / n), core.percent(k::float8 / n, 1),"
            " core.percent(k::float8 / n, down => true), split_part(core.display_text('ratio', k::float8 / n), ' ', 1)]) x"
            " where x::numeric in (0, 100)"
        ).fetchall()
        assert wrong == []
        ends = "select core.display_text('ratio', 0), core.display_text('ratio', 1), core.percent(0), core.percent(1)"
        assert conn.execute(ends).fetchone() == ("0.0 %", "100.0 %", "0", "100")


def test_at_least_is_never_more_than_there_is(db: TestDatabase) -> None:
    with db.connect("pulse_owner") as conn:
        assert conn.execute("select core.percent(27 / 214.0, down => true), core.percent(27 / 214.0)").fetchone() == (
            "12",
            "13",
        )
        assert conn.execute("select core.percent(999 / 1000.0, down => true)").fetchone() == ("99",)


def test_separators_are_the_sessions(db: TestDatabase) -> None:
    with db.connect("pulse_owner") as conn:
        conn.execute("select set_config('pulse.language', 'de', false)")
        assert conn.execute("select core.percent(473 / 474.0)").fetchone() == ("99,8",)


def test_a_short_time_is_in_seconds_and_never_nothing(db: TestDatabase) -> None:
    seconds = {0.2: "1 s", 20: "20 s", 59: "59 s", 59.6: "1 min", 61: "1 min", 3570: "1.0 h", 3600: "1.0 h", 0: "0 min"}
    with db.connect("pulse_owner") as conn:
        for given, text in seconds.items():
            shown = conn.execute("select core.display_text('hours', %s / 3600.0)", [given]).fetchone()
            assert shown == (text,), given


def test_a_range_has_its_unit_once_and_one_decimal(db: TestDatabase) -> None:
    ranges = {
        ("ratio", 0.0001, 0.324): "0.0 to 32.4 %",
        ("hours", 7.4, 24 * 15.7): "7.4 h to 15.7 days",
        ("hours", 3.9, 5.8): "3.9 to 5.8 h",
        ("hours", 0.01, 0.5): "36 s to 30 min",
        ("per_day", 2.1, 6.7): "2.1 to 6.7 per day",
    }
    with db.connect("pulse_owner") as conn:
        for given, text in ranges.items():
            assert conn.execute("select core.range_text(%s, %s, %s)", given).fetchone() == (text,), given
