"""Positions of commits: keeping them up to date push by push gives the same as walking the whole history."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulse import environ
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.models import Writer
from pulse.warehouse.transforms import run_stage, stage_models
from tests.support.database import TestDatabase

Positions = dict[str, tuple[int | None, bool]]
# What writes positions, and remembers how far they are complete.
POSITIONS_FILES = (
    "staging/github/github_commit_positions.sql",
    "staging/github/github_complete_histories.sql",
)


@dataclass
class Repository:
    """A repository upstream (`history`: the parents of every commit, and `head`), and the part that has been loaded."""

    conn: psycopg.Connection[Any]
    client_id: int
    integration_id: int
    id: int
    history: dict[str, list[str]] = field(default_factory=dict)
    loaded: dict[str, list[str]] = field(default_factory=dict)
    head: str | None = None

    def add(self, graph: str) -> Repository:
        """Commits in the form "a b:a c:b,a": a name, and after the colon its parents."""
        for word in graph.split():
            sha, _, parents = word.partition(":")
            self.history[sha] = parents.split(",") if parents else []
        return self

    def load(self, shas: Iterable[str] | None = None) -> None:
        """Store these commits (by default all new ones) and the head, as an extraction does."""
        wanted = [sha for sha in self.history if sha not in self.loaded] if shas is None else list(shas)
        repository = {
            "databaseId": self.id,
            "id": f"R_{self.id}",
            "nameWithOwner": f"acme/{self.id}",
            "url": "https://x",
            "defaultBranchRef": self.head and {"name": "main", "target": {"oid": self.head}},
        }
        with client_transaction(self.conn, self.client_id):
            self._upsert("github_repositories", [(str(self.id), repository)], "where t.payload <> excluded.payload")
            self._upsert(
                "github_commits",
                [
                    (
                        f"{self.id}:{sha}",
                        {"oid": sha, "parents": self.history[sha], "committedDate": "2026-01-01T00:00:00Z"},
                    )
                    for sha in wanted
                ],
            )
        self.loaded.update({sha: self.history[sha] for sha in wanted})

    def _upsert(self, table: str, rows: list[tuple[str, dict[str, Any]]], condition: str = "") -> None:
        self.conn.execute(
            f"insert into raw.{table} as t (client_id, integration_id, record_id, scope_key, payload, payload_hash)"  # type: ignore[arg-type]
            " select %s, %s, r.id, %s, r.payload, '' from unnest(%s::text[], %s::jsonb[]) as r (id, payload)"
            " on conflict (client_id, integration_id, record_id) do update set payload = excluded.payload,"
            f" loaded_xid = pg_current_xact_id() {condition}",
            [
                self.client_id,
                self.integration_id,
                str(self.id),
                [row[0] for row in rows],
                [json.dumps(row[1]) for row in rows],
            ],
        )

    def push(self, graph: str, head: str | None = None) -> Positions:
        """Add commits (the last is the new head), load all and run the stage; returns the positions."""
        self.add(graph)
        self.head = head or graph.split()[-1].partition(":")[0]
        self.load()
        return self.check()

    def check(self) -> Positions:
        """Run the stage; the positions must equal those of a full walk, and a second run must write nothing."""
        self.normalise()
        found = self.positions()
        assert found == whole_walk(self.loaded, self.head)
        assert self.normalise() == 0
        return found

    def normalise(self) -> int:
        """The number of rows that the files of the positions wrote."""
        steps = {step.file: step.rows for step in run_stage(self.conn, self.client_id, "normalise")}
        return sum(steps[file] for file in POSITIONS_FILES)

    def positions(self) -> Positions:
        with client_transaction(self.conn, self.client_id):
            rows = self.conn.execute(
                "select sha, position, is_first_parent from core.github_commits"
                " where client_id = %s and integration_id = %s and repository_id = %s",
                [self.client_id, self.integration_id, self.id],
            ).fetchall()
        return {sha: (position, on_chain) for sha, position, on_chain in rows}

    def measured(self) -> tuple[int, int]:
        """Normalise: rows of core.commits that it read by index or scan, and rows that the positions' files wrote."""
        with client_transaction(self.conn, self.client_id):
            before = self._rows_read()
            written = self.normalise()
            return self._rows_read() - before, written

    def _rows_read(self) -> int:
        row = self.conn.execute(
            "select coalesce(idx_tup_fetch, 0) + seq_tup_read from pg_stat_xact_user_tables"
            " where relid = 'core.commits'::regclass"
        ).fetchone()
        assert row is not None
        return int(row[0])


def whole_walk(commits: dict[str, list[str]], head: str | None) -> Positions:
    """The definition of positions in plain Python."""
    chain: list[str] = []
    while head in commits:
        chain.append(head)
        head = next(iter(commits[head]), None)
    found: Positions = dict.fromkeys(commits, (None, False))
    found |= {sha: (position, True) for position, sha in enumerate(reversed(chain), 1)}
    for position, tip in enumerate(reversed(chain), 1):
        waiting = commits[tip][1:]
        while waiting:
            sha = waiting.pop()
            if sha in commits and found[sha][0] is None:
                found[sha] = (position, False)
                waiting += commits[sha]
    return found


class Maker:
    """Repositories of one client."""

    def __init__(self, db: TestDatabase) -> None:
        self.client_id = db.add_client("acme")
        self.integration_id = db.add_integration(self.client_id, "github")
        self.conn = db.connect("pulse_etl")
        self.made = 0

    def repository(self) -> Repository:
        self.made += 1
        return Repository(self.conn, self.client_id, self.integration_id, self.made)


@pytest.fixture
def maker(db: TestDatabase) -> Maker:
    return Maker(db)


@pytest.fixture
def repository(maker: Maker) -> Repository:
    return maker.repository()


def test_a_linear_history_grows(repository: Repository) -> None:
    assert repository.push("a b:a c:b") == {"a": (1, True), "b": (2, True), "c": (3, True)}
    assert repository.push("d:c e:d")["e"] == (5, True)
    assert repository.push("f:e")["f"] == (6, True)


@pytest.mark.parametrize(
    "pushes",
    [
        pytest.param(
            ["a b:a", "x:a y:x c:b,y", "z:y d:c e:d,z"], id="merges, and a branch that continues after its merge"
        ),
        pytest.param(["a b:a", "x:a n:x y:x,n c:b,y d:c", "m:n o:m e:d,o"], id="nested side branches"),
        pytest.param(["a b:a", "x:a y:a z:b c:b,x,y,z", "p:x q:c d:c,p,q,y"], id="octopus"),
        pytest.param(["a b:a x:a", "c:b,x y:x,b", "d:c,y z:y,c e:d,z"], id="criss-cross merges"),
        pytest.param(["a b:a x:a", "m:x,b"], id="main merged into a branch that becomes main"),
        pytest.param(["a b:a", "r s:r c:b,s", "t:s d:c,t"], id="a second root"),
    ],
)
def test_hand_made_histories(repository: Repository, pushes: list[str]) -> None:
    for graph in pushes:
        repository.push(graph)


def test_a_merged_branch_has_its_merges_position(repository: Repository) -> None:
    repository.push("a b:a c:b")
    found = repository.push("x:a n:x y:x,n d:c,y e:d")
    assert [found[sha] for sha in "xnyde"] == [(4, False), (4, False), (4, False), (4, True), (5, True)]


def test_a_force_push_and_its_reversal(repository: Repository) -> None:
    repository.push("a b:a c:b x:b d:c,x")
    assert repository.push("k:b l:k")["d"] == (None, False)
    assert repository.push("e:d")["e"] == (5, True)
    assert repository.push("", head="b")["d"] == (None, False)
    assert repository.push("f:x,e")["c"] == (4, False)


def test_the_head_comes_before_its_commits(repository: Repository) -> None:
    """And commits before the head that leads to them, because an extraction may see a push half way."""
    repository.push("a b:a")
    repository.add("c:b d:c")
    repository.load(["c", "d"])
    assert repository.check()["d"] == (None, False)
    repository.add("e:d")
    repository.head = "d"
    repository.load([])
    assert repository.check()["d"] == (4, True)
    repository.head = "e"
    repository.load([])
    repository.check()
    repository.load()
    assert repository.check()["e"] == (5, True)


def test_older_history_arrives(repository: Repository) -> None:
    repository.add("a b:a c:b w:a x:w y:x d:c,y e:d f:e")
    repository.head = "f"
    for piece in ("ef", "dy", "cx", "b", "w", "a"):
        repository.load(piece)
        repository.check()


def test_arriving_commits_may_lack_parents_and_be_merged_above(repository: Repository) -> None:
    """n belongs to c, which merged y. That e merges it again through z does not make it new."""
    repository.add("a b:a n:a y:n c:b,y d:c")
    repository.head = "d"
    repository.load("abcdy")
    repository.check()
    repository.add("z:n e:d,z")
    repository.head = "e"
    repository.load()
    assert repository.check()["n"] == (3, False)


def test_parents_are_rewritten(repository: Repository) -> None:
    repository.push("a b:a x:a c:b,x d:c")
    repository.history["c"] = ["b"]
    repository.load("c")
    assert repository.check()["x"] == (None, False)
    repository.history["d"] = ["c", "x"]
    repository.load("d")
    repository.push("e:d")


def test_repositories_of_one_run(maker: Maker) -> None:
    """Each repository is walked separately: one grows, one is force-pushed, one is new, one did not change."""
    made = [maker.repository() for _ in range(4)]
    for repository in made[:3]:
        repository.push("a b:a x:a c:b,x")
    grown, forced, untouched, new = made
    for repository, graph in ((grown, "y:x d:c,y"), (forced, "z:a y:a d:z,y"), (new, "a y:a d:a,y")):
        repository.add(graph)
        repository.head = "d"
        repository.load()
    with client_transaction(maker.conn, maker.client_id):
        maker.conn.execute("update core.github_commits set position = 70 where repository_id = %s", [untouched.id])
    grown.normalise()
    for repository in (grown, forced, new):
        assert repository.positions() == whole_walk(repository.loaded, repository.head)
    assert {position for position, _ in untouched.positions().values()} == {70}


def test_commits_that_are_read_twice_are_not_walked_twice(db: TestDatabase, repository: Repository) -> None:
    """Somebody else's long transaction holds the watermark back."""
    repository.push(linear_with_merges(20_000))
    other = db.connect("pulse_admin")
    other.execute("select pg_current_xact_id()")
    repository.push(f"d:{repository.head}")
    repository.add("e:d")
    repository.head = "e"
    repository.load()
    read, written = repository.measured()
    assert written == 1
    assert read < 100
    repository.check()


def linear_with_merges(count: int) -> str:
    """About `count` commits; every fourth of the chain merges a branch with one commit."""
    words = ["c0"]
    for number in range(1, count * 4 // 5):
        words.append(f"c{number}:c{number - 1}")
        if number % 4 == 0:
            words[-1:] = [f"s{number}:c{number - 3}", f"c{number}:c{number - 1},s{number}"]
    return " ".join(words)


def releases_of_a_branch(count: int) -> str:
    """About `count` commits: the work is done on a branch, and every fiftieth of its commits is merged."""
    words = ["c0", "b0:c0"]
    for number in range(1, count):
        words.append(f"b{number}:b{number - 1}")
        if number % 50 == 0:
            words.append(f"c{number}:c{number - 50},b{number}")
    return " ".join(words)


@pytest.mark.parametrize(
    ("history", "branch_of"),
    [(linear_with_merges, "c15990"), (releases_of_a_branch, "b19949")],
    ids=["merges into main", "releases of a branch"],
)
def test_a_push_reads_nothing_of_the_history(
    repository: Repository, history: Callable[[int], str], branch_of: str
) -> None:
    repository.add(history(20_000))
    assert len(repository.history) > 19_000
    top = next(sha for sha in reversed(repository.history) if sha.startswith("c"))
    repository.push("", head=top)
    repository.add(f"n1:{top} x1:{branch_of} x2:x1 n2:n1,x2 n3:n2")
    repository.head = "n3"
    repository.load()
    read, written = repository.measured()
    assert written == 5
    assert read < 200
    repository.check()


def test_each_commit_is_walked_once(repository: Repository) -> None:
    """An old side branch from which later branches start everywhere, and a branch that is merged again and again."""
    words = ["a", "l0:a"] + [f"l{number}:l{number - 1}" for number in range(1, 1500)] + ["c0:a,l1499", "d0:c0"]
    for number in range(1, 500):
        words += [f"b{number}:l{number * 3}", f"d{number}:d{number - 1}"]
        words += [f"c{number}:c{number - 1},b{number},d{number}"]
    repository.add(" ".join(words))
    repository.head = "c499"
    repository.load()
    assert sum(recursions(repository)) < 3 * len(words)
    repository.check()


def recursions(repository: Repository) -> Iterator[int]:
    """Run the stage; returns how many rows each recursive query found."""
    with client_transaction(repository.conn, repository.client_id):
        models = stage_models("normalise")
        writer = Writer(repository.conn, models, remember=False)
        for model in models:
            if "with recursive" in model.wanted:
                row = repository.conn.execute(f"explain (analyze, format json) {model.wanted}").fetchone()  # type: ignore[arg-type]
                assert row is not None
                yield from recursive_rows(row[0][0]["Plan"])
            writer.write(model)


def recursive_rows(plan: dict[str, Any]) -> Iterator[int]:
    if plan["Node Type"] == "Recursive Union":
        yield int(plan["Actual Rows"] * plan["Actual Loops"])
    for part in plan.get("Plans", []):
        yield from recursive_rows(part)


@dataclass(frozen=True)
class Step:
    """What happens between two runs. Numbers choose among what exists; 0 is the newest."""

    commits: list[list[int]]
    head: int
    load: list[bool]
    rewrite: tuple[int, list[int]] | None


def steps() -> st.SearchStrategy[list[Step]]:
    near = st.one_of(st.just(0), st.integers(0, 3), st.integers(0, 30))
    parents = st.lists(near, min_size=0, max_size=3)
    whole, pieces = st.just([True]), st.lists(st.booleans(), min_size=1, max_size=8)
    usual = st.builds(
        Step, st.lists(parents.filter(bool), max_size=6), st.just(0), st.one_of(whole, whole, pieces), st.none()
    )
    odd = st.builds(
        Step,
        st.lists(parents, max_size=6),
        near,
        st.one_of(whole, pieces),
        st.one_of(st.none(), st.tuples(near, parents)),
    )
    return st.lists(st.one_of(usual, usual, usual, odd), min_size=2, max_size=8)


def chosen(shas: list[str], picks: list[int]) -> list[str]:
    return list(dict.fromkeys(shas[-1 - pick % len(shas)] for pick in picks)) if shas else []


def take(repository: Repository, step: Step) -> None:
    """Grow the history, move the head, rewrite a commit's parents, and load some of the missing commits."""
    for picks in step.commits:
        repository.history[f"c{len(repository.history)}"] = chosen(list(repository.history), picks)
    shas = list(repository.history)
    again = []
    if step.rewrite and shas:
        (sha,) = chosen(shas, [step.rewrite[0]])
        repository.history[sha] = chosen(shas[: shas.index(sha)], step.rewrite[1])
        again = [sha]
    repository.head = next(iter(chosen(shas, [step.head])), None)
    missing = [sha for sha in shas if sha not in repository.loaded and sha not in again]
    repository.load(again + [sha for index, sha in enumerate(missing) if step.load[index % len(step.load)]])


@given(steps(), steps())
@settings(
    max_examples=max(60, environ.EXAMPLES.get()),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_any_history_in_any_pieces(maker: Maker, first: list[Step], second: list[Step]) -> None:
    repositories = (maker.repository(), maker.repository())
    for number in range(max(len(first), len(second))):
        for repository, planned in zip(repositories, (first, second), strict=True):
            if number < len(planned):
                take(repository, planned[number])
        repositories[0].normalise()
        for repository in repositories:
            assert repository.positions() == whole_walk(repository.loaded, repository.head)
