"""For how long something is kept, as this installation's environment says."""

from __future__ import annotations

from pulse import environ

LEAST_DAYS = 7  # less would take away what a run, or somebody who looks into a fault, still needs


def days(variable: environ.Variable[int]) -> int | None:
    """How many days one kind of thing is kept; None: for ever. Raises ValueError for what no retention can be."""
    found = variable.get()
    if found == 0:
        return None
    if found < LEAST_DAYS:
        raise ValueError(
            f"{variable.name} is {found}: give at least {LEAST_DAYS} days, or 0 to keep everything, and start Pulse again"
        )
    return found
