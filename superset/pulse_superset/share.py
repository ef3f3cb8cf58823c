"""How the requests of one worker share it: whoever has used least goes first, and a few who use much share one place.

Each worker runs a few requests at once and lets the others wait. Of those that wait, the one whose person has used the least
time lately goes next. A person may run only so many at once, and have only so many waiting: what is more is refused at once,
with a status that Superset's pages try again by themselves. People who have used more than a busy dashboard needs share one
place among them, and get it only while there is little else to do: however many they are, the rest hardly notices. So do those
who are refused, because no browser asks for so much at once; else several of them could take their time to use too much.

What a request uses is the processor's time of its thread, and a small part of the time it took, in which mostly the database has
worked for it. (Not more of that: on a busy machine everybody's requests take long, whoever is to blame.)

A visitor counts as the address. Static files, and staff, do not wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

PLACES = 4
PLACES_EACH = 3
WAITING_EACH = 12  # a browser has six connections, and those of the page it has just left are still answered
WAITING_EACH_HEAVY = 6  # gunicorn's threads must be enough for many people who wait
WAIT_SECONDS = 30
HALF_LIFE_SECONDS = 20
HEAVY_SECONDS = 4.0  # a look at every dashboard, one after the other
REFUSED_SECONDS = 6.0  # what one who is refused counts as having used: it takes a while until that is forgotten
OTHERS_BESIDE_HEAVY = 0
PART_OF_DURATION = 0.05


class Busy(Exception):
    """There is no place for this request now."""


@dataclass
class _Person:
    running: int = 0
    waiting: int = 0
    used: float = 0.0
    at: float = 0.0


@dataclass
class _Ticket:
    person: str
    admitted: bool = False
    started: float = 0.0


@dataclass
class Queue:
    """The places of one worker process. `clock` counts seconds."""

    clock: Callable[[], float] = time.monotonic
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _people: dict[str, _Person] = field(default_factory=dict)
    _waiting: list[_Ticket] = field(default_factory=list)

    def enter(self, person: str, wait_seconds: float = WAIT_SECONDS) -> _Ticket:
        """Wait for a place. Raises Busy when this person has too many waiting, or none came free in time."""
        ticket = _Ticket(person)
        with self._changed:
            known = self._people.setdefault(person, _Person(at=self.clock()))
            if self._refuses(known):
                raise Busy
            known.waiting += 1
            self._waiting.append(ticket)
            self._admit()
            self._changed.wait_for(lambda: ticket.admitted, wait_seconds)
            if not ticket.admitted:
                known.waiting -= 1
                self._waiting.remove(ticket)
                raise Busy
        return ticket

    def is_full(self, person: str) -> bool:
        """Whether a request of this person is refused at once."""
        with self._changed:
            known = self._people.get(person)
            return known is not None and self._refuses(known)

    def _refuses(self, person: _Person) -> bool:
        used = self._used(person)
        if person.waiting < (WAITING_EACH_HEAVY if used > HEAVY_SECONDS else WAITING_EACH):
            return False
        person.used = max(used, REFUSED_SECONDS)
        return True

    def leave(self, ticket: _Ticket, processor_seconds: float = 0) -> None:
        """Give the place back, and say what was used."""
        with self._changed:
            known = self._people[ticket.person]
            known.running -= 1
            known.used = self._used(known) + processor_seconds + PART_OF_DURATION * (self.clock() - ticket.started)
            self._admit()
            self._forget()

    def _used(self, person: _Person) -> float:
        """Seconds that a person has used lately: half as much after each half-life."""
        now = self.clock()
        person.used *= 0.5 ** ((now - person.at) / HALF_LIFE_SECONDS)
        person.at = now
        return person.used

    def _admit(self) -> None:
        """Let in whoever may go next, as long as there are places."""
        while (ticket := self._next()) is not None:
            person = self._people[ticket.person]
            self._waiting.remove(ticket)
            person.waiting -= 1
            person.running += 1
            ticket.admitted, ticket.started = True, self.clock()
            self._changed.notify_all()

    def _next(self) -> _Ticket | None:
        running = sum(person.running for person in self._people.values())
        if running >= PLACES:
            return None
        heavy = {name for name, person in self._people.items() if self._used(person) > HEAVY_SECONDS}
        heavy_running = sum(self._people[name].running for name in heavy)
        room_for_heavy = not heavy_running and running <= OTHERS_BESIDE_HEAVY
        free = [
            ticket
            for ticket in self._waiting
            if self._people[ticket.person].running < PLACES_EACH and (room_for_heavy or ticket.person not in heavy)
        ]
        # The places that somebody has now count like time that will have been used.
        return min(free, key=lambda t: self._people[t.person].used + self._people[t.person].running, default=None)

    def _forget(self) -> None:
        """Drop who has used nothing lately."""
        for name, person in list(self._people.items()):
            if not person.running and not person.waiting and self._used(person) < 0.01:
                del self._people[name]
