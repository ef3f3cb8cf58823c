"""Five people who ask for as much as they can, beside twenty who look at their dashboard.

Starts an installation of its own with the demo clients, stops its Airflow, and lets twenty ordinary people open dashboards,
in turns without and with the hostile ones. Ends by itself after about seven minutes and removes what it made. Prints a table,
and finally one line of JSON:
alone_p95_ms, beside_p95_ms            an ordinary request, without and with the hostile people; the same run and machine
ratio                                  the second divided by the first; at most 2
ordinary_failed                        ordinary requests that got no answer; 0
hostile_answered, hostile_refused      what the hostile people got
processes                              of Superset that were seen (2: gunicorn and a worker that had not to be replaced)
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench._abuse_people import Person, ask_ordinarily, declare, remove, worker_ids
from bench._installation import installation, p95, pulse, stop_airflow
from pulse import environ

ROOT = Path(__file__).resolve().parents[1]
ORDINARY, HOSTILE, PORTS = 20, 5, "12000"


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(prog="pulse bench abuse")
    parser.add_argument("--rounds", type=int, default=2, help="how often the hostile people come and go")
    parser.add_argument("--seconds", type=int, default=60, help="of each part of a round")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    with installation("abuse", PORTS) as stack:
        os.environ[environ.ROLE_SECRET.name] = stack.settings.secrets[environ.ROLE_SECRET.name]
        status: dict[str, Any] = json.loads(pulse("status", "--json"))
        stop_airflow()
        figures = measure(status, options.rounds, options.seconds)
    for name, value in figures.items():
        print(f"{name:<24} {value:>10,}")
    print(json.dumps(figures))
    if figures["ratio"] > 2 or figures["ordinary_failed"]:
        sys.exit(1)


def measure(status: dict[str, Any], rounds: int, seconds: int) -> dict[str, float]:
    """The figures, from people who exist only as long as this runs."""
    emails = [f"{kind}{n}@bench.example" for kind, count in (("o", ORDINARY), ("h", HOSTILE)) for n in range(count)]
    passwords = declare(status, emails)
    base = status["addresses"]["superset"]
    try:
        everybody = [Person(base, email, passwords[email]) for email in emails]
        ordinary, hostile = everybody[:ORDINARY], everybody[ORDINARY:]
        before = worker_ids()
        ask_ordinarily(ordinary, seconds / 2)  # caches and connections are warm
        alone, beside, hostile_counts = [], [], Counter[str]()
        for _ in range(rounds):
            alone += ask_ordinarily(ordinary, seconds)
            print(f"load of the machine {os.getloadavg()[0]:.1f}", flush=True)
            with attackers(base, hostile, seconds + 5) as found:
                beside += ask_ordinarily(ordinary, seconds)
            for kind, counts in found.items():
                print(f"hostile {kind:<10} {counts}", flush=True)
                hostile_counts.update(counts)
        processes = len(before | worker_ids())
    finally:
        remove(status, emails)
    times = {"alone": [t for t, ok in alone if ok], "beside": [t for t, ok in beside if ok]}
    print(f"{len(alone):,} ordinary requests alone, {len(beside):,} beside {HOSTILE} hostile people")
    return {
        "alone_p50_ms": round(statistics.median(times["alone"])),
        "beside_p50_ms": round(statistics.median(times["beside"])),
        "alone_p95_ms": round(p95(times["alone"])),
        "beside_p95_ms": round(p95(times["beside"])),
        "ratio": round(p95(times["beside"]) / p95(times["alone"]), 2),
        "ordinary_failed": sum(not ok for _, ok in alone + beside),
        "hostile_answered": hostile_counts["answered"],
        "hostile_refused": hostile_counts["refused"],
        "processes": processes,
    }


@contextlib.contextmanager
def attackers(base: str, hostile: list[Person], seconds: float) -> Iterator[dict[str, dict[str, int]]]:
    """The hostile people, in a process of their own that ends by itself; what they got, by kind, is there when the block ends."""
    found: dict[str, dict[str, int]] = {}
    given = json.dumps({"base": base, "tokens": [person.token for person in hostile], "seconds": seconds})
    process = subprocess.Popen(
        [sys.executable, "-m", "bench._abuse_hostile"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(given)
        process.stdin.close()
        yield found
        assert process.stdout is not None
        found |= json.loads(process.stdout.read())
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
