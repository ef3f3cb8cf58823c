"""How the requests of one worker share its places."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def share(superset_modules: None) -> Any:
    from pulse_superset import share

    return share


class Clock:
    """Time that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)


class Crowd:
    """Requests in threads; each stays until it is let go."""

    def __init__(self, queue: Any) -> None:
        self.queue, self.inside, self.order = queue, {}, []
        self.waiting = 0
        self.lock = threading.Lock()

    def send(self, person: str, name: str) -> None:
        threading.Thread(target=self._run, args=(person, name), daemon=True).start()
        self.waiting += 1
        until(lambda: len(self.queue._waiting) + len(self.order) == self.waiting)

    def _run(self, person: str, name: str) -> None:
        try:
            ticket = self.queue.enter(person, wait_seconds=5)
        except Exception:
            return  # the test is over
        with self.lock:
            self.inside[name] = ticket
            self.order.append(name)

    def hostile(self) -> int:
        return len([name for name in self.inside if name.startswith("hostile")])

    def finish(self, name: str) -> None:
        entered = len(self.order)
        due = bool(self.queue._waiting)
        self.queue.leave(self.inside.pop(name))
        if due:
            until(lambda: len(self.order) > entered)


def test_one_person_never_has_all_places(share: Any) -> None:
    crowd = Crowd(share.Queue())
    for number in range(share.PLACES_EACH + 5):
        crowd.send("greedy", f"greedy {number}")
    assert len(crowd.inside) == share.PLACES_EACH < share.PLACES
    crowd.send("other", "other")
    assert "other" in crowd.inside


def test_whoever_has_used_least_goes_next(share: Any) -> None:
    clock = Clock()
    queue = share.Queue(clock=clock)
    first = [queue.enter(f"{n}") for n in range(share.PLACES)]
    crowd = Crowd(queue)
    for name in ("greedy 1", "greedy 2", "greedy 3", "other 1"):
        crowd.send(name.split()[0], name)
    assert not crowd.inside
    queue.leave(first[0])
    until(lambda: len(crowd.order) == 1)
    clock.now += 2
    crowd.finish("greedy 1")
    assert crowd.order == ["greedy 1", "other 1"], "the other's only request goes before the third of somebody"


def test_those_who_use_much_share_one_place(share: Any) -> None:
    clock = Clock()
    queue = share.Queue(clock=clock)
    hostile = [f"hostile {n}" for n in range(share.PLACES)]
    tickets = [queue.enter(person) for person in hostile]
    for ticket in tickets:
        queue.leave(ticket, 2 * share.HEAVY_SECONDS)
    crowd = Crowd(queue)
    for person in hostile:
        crowd.send(person, person)
    assert crowd.hostile() == 1
    for number in range(share.PLACES - 1):
        crowd.send(f"ordinary {number}", f"ordinary {number}")
    assert len(crowd.inside) == share.PLACES, "the other places are for the rest, at once"
    for name in (next(name for name in crowd.inside if name.startswith("hostile")), "ordinary 0", "ordinary 1"):
        queue.leave(crowd.inside.pop(name))
    time.sleep(0.05)
    assert crowd.hostile() == 0, "not while others have something to do"
    crowd.finish("ordinary 2")
    assert crowd.hostile() == 1
    clock.now += 10 * share.HALF_LIFE_SECONDS
    crowd.finish(next(iter(crowd.inside)))
    until(lambda: crowd.hostile() == 2)  # what was used long ago does not count


def test_the_time_that_a_request_took_counts_in_part(share: Any) -> None:
    """A slow query uses the database, not this process."""
    clock = Clock()
    queue = share.Queue(clock=clock)
    slow, quick = queue.enter("slow"), queue.enter("quick")
    queue.leave(quick, 1.0)
    clock.now += 2 / share.PART_OF_DURATION
    queue.leave(slow)
    assert queue._used(queue._people["slow"]) > queue._used(queue._people["quick"])


def test_too_many_waiting_are_refused_at_once(share: Any) -> None:
    crowd = Crowd(share.Queue())
    for number in range(share.PLACES_EACH + share.WAITING_EACH):
        crowd.send("greedy", str(number))
    started = time.monotonic()
    with pytest.raises(share.Busy):
        crowd.queue.enter("greedy")
    assert time.monotonic() - started < 1
    crowd.queue.leave(crowd.queue.enter("other"))


def test_whoever_asks_for_too_much_at_once_goes_last(share: Any) -> None:
    """Before having used anything, too: several of them would have all places for as long as it takes to use too much."""
    clock = Clock()
    crowd = Crowd(share.Queue(clock=clock))
    for person, running in (("hostile 1", share.PLACES_EACH), ("hostile 2", share.PLACES - share.PLACES_EACH)):
        for number in range(running + share.WAITING_EACH):
            crowd.send(person, f"{person} {number}")
        with pytest.raises(share.Busy):
            crowd.queue.enter(person)
    assert crowd.hostile() == share.PLACES
    crowd.send("ordinary", "ordinary 1")
    crowd.send("ordinary", "ordinary 2")
    crowd.finish(next(iter(crowd.inside)))
    crowd.finish(next(name for name in crowd.inside if name.startswith("hostile")))
    assert crowd.hostile() == share.PLACES - 2
    assert {"ordinary 1", "ordinary 2"} <= crowd.inside.keys()
    for name in list(crowd.inside):
        crowd.queue.leave(crowd.inside.pop(name))
    until(lambda: crowd.hostile() == 1)
    assert len(crowd.inside) == 1, "one place for all of them"


def test_nobody_waits_for_ever_and_nothing_is_kept(share: Any) -> None:
    clock = Clock()
    queue = share.Queue(clock=clock)
    tickets = [queue.enter(f"{n}") for n in range(share.PLACES)]
    with pytest.raises(share.Busy):
        queue.enter("late", wait_seconds=0.05)
    assert queue._waiting == []
    for ticket in tickets:
        queue.leave(ticket)
    clock.now += 1000
    queue.leave(queue.enter("last"))
    assert set(queue._people) <= {"last"}
