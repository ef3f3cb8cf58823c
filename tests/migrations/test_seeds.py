"""Tables of include/sql/seeds hold what their files say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from migrations import seeds
from migrations.errors import MigrateError
from tests.support.database import TestDatabase

ROWS = "select xmin, * from core.metric_catalogue order by metric_type"


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of metric_catalogue.csv, which is loaded instead."""
    shutil.copytree(seeds.FOLDER, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(seeds, "FOLDER", tmp_path)
    return tmp_path / "metric_catalogue.csv"


def test_loading_twice_writes_nothing(db: TestDatabase) -> None:
    owner = db.connect("pulse_owner")
    before = owner.execute(ROWS).fetchall()
    assert len(before) == len((seeds.FOLDER / "metric_catalogue.csv").read_text("utf-8").splitlines()) - 1
    seeds.load(owner)
    assert owner.execute(ROWS).fetchall() == before


def test_a_row_that_differs_is_written_and_one_that_is_gone_goes(db: TestDatabase, catalogue: Path) -> None:
    lines = catalogue.read_text("utf-8").replace("Lead time: review", "Lead time: in review").splitlines()
    kept = [line for line in lines if not line.startswith("rework_cycles,")]
    catalogue.write_text("\n".join([*kept, 'flow,"Flow, new",items,1,higher,17,flow,count,,false,', ""]), "utf-8")
    owner = db.connect("pulse_owner")
    before = owner.execute(ROWS).fetchall()
    seeds.load(owner)
    after = {row[1]: row for row in owner.execute(ROWS).fetchall()}
    assert {row[1] for row in before} - after.keys() == {"rework_cycles"}
    assert after["flow"][2:] == ("Flow, new", "items", 1.0, "higher", 17, "flow", "count", None, False, None)
    changed = {row[1] for row in before if row[1] in after and after[row[1]] != row}
    assert changed == {"lead_time_review"}


def test_a_row_that_is_still_in_use_is_named(db: TestDatabase, catalogue: Path) -> None:
    owner = db.connect("pulse_owner")
    owner.execute("create table core.target (metric_type text references core.metric_catalogue)")
    owner.execute("insert into core.target values ('rework_cycles')")
    lines = catalogue.read_text("utf-8").splitlines()
    catalogue.write_text("\n".join(line for line in lines if not line.startswith("rework_cycles,")) + "\n", "utf-8")
    with pytest.raises(MigrateError, match=r"metric_catalogue\.csv: .*still in use.*rework_cycles"):
        seeds.load(owner)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("sort_order", "rank", "rank"),
        ("17,f,", "17,", "missing data"),
        ("higher,1,", "higher,one,", "one"),
    ],
)
def test_a_mistake_in_a_file_names_the_file(
    db: TestDatabase, catalogue: Path, old: str, new: str, expected: str
) -> None:
    text = catalogue.read_text("utf-8").replace("rework_cycles,", "x,") + "a,b,c,1,higher,17,f,u,,false\n"
    catalogue.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(MigrateError, match=rf"metric_catalogue\.csv: (?s:.*){expected}"):
        seeds.load(db.connect("pulse_owner"))
