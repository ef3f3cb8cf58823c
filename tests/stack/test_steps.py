"""Progress: order, numbers, failures."""

from __future__ import annotations

import io
import threading

import pytest

from stack.errors import StackError
from stack.steps import Progress, Step, StepFailed


def progress(total: int) -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    return Progress(total, out=out), out


def test_each_step_prints_a_numbered_line_with_its_time() -> None:
    bar, out = progress(2)
    bar.run([Step("One", lambda say: say("making") or "made"), Step("Two", lambda say: None, needs=("One",))])
    first, second = out.getvalue().splitlines()
    assert first.startswith("[1/2] One … 0.")
    assert first.endswith("s (made)")
    assert second.startswith("[2/2] Two … 0.")


def test_independent_steps_run_side_by_side_and_needs_are_kept() -> None:
    meet = threading.Barrier(2, timeout=10)
    seen: list[str] = []
    bar, _ = progress(3)
    bar.run(
        [
            Step("Last", lambda say: seen.append("last"), needs=("Left", "Right")),
            Step("Left", lambda say: (meet.wait() and None) or seen.append("left")),
            Step("Right", lambda say: (meet.wait() and None) or seen.append("right")),
        ]
    )
    assert seen[-1] == "last"
    assert set(seen) == {"left", "right", "last"}


def test_a_failure_names_its_step_and_stops_what_follows() -> None:
    def fail(say: object) -> None:
        raise StackError("the disk is full")

    ran: list[str] = []
    bar, out = progress(2)
    with pytest.raises(StepFailed, match="Tables: the disk is full") as caught:
        bar.run([Step("Tables", fail), Step("After", lambda say: ran.append("after"), needs=("Tables",))])
    assert caught.value.step == "Tables"
    assert ran == []
    assert "Tables …" not in out.getvalue()


def test_long_steps_are_mentioned_while_they_run() -> None:
    bar, out = progress(1)
    bar.remind_seconds = 0
    done = threading.Event()

    def slow(say: object) -> None:
        done.wait(1.5)

    bar.run([Step("Packages", slow)])
    assert "… Packages (1 s)" in out.getvalue()
