"""What a number of clients and changes costs: the figures of docs/scale.md, from the other benchmarks, one after the other.

    ./pulse bench scale [--clients N,N,…] [--changes N,N,…]

Runs `./pulse bench clients` with 1, 100 and 1,000 clients, and `./pulse bench dora` and `./pulse bench dashboards` with 1 and
10 million changes, which takes hours and 60 GB of disk. Prints their tables, and finally one line of JSON, by clients and by
changes:
quiet_refreshed_per_hour_and_core, moving_refreshed_per_hour_and_core
                             clients whose run finds nothing new, and of whom something is new: an hour divided by a run's CPU
fresh_s                      from a pushed record to the replica's answer with it
recompute_s                  all clients computed from scratch, on two cores
increment_s                  a day's news of one of 100 clients
bytes_per_change             on the primary's disk, and again on each replica's
opened_per_second_and_core   the overview, with all of its charts, from the cache
cold_p95_ms, warm_p95_ms     a chart over HTTP
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
HOUR = 3600
MILLION = 1_000_000


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(prog="pulse bench scale")
    parser.add_argument("--clients", default="1,100,1000", help="with commas (default 1,100,1000)")
    parser.add_argument("--changes", default="1,10", help="millions, with commas (default 1,10)")
    options = parser.parse_args()
    figures: dict[str, Any] = {"by_clients": {}, "by_million_changes": {}}
    try:
        for clients in options.clients.split(","):
            figures["by_clients"][clients] = of_clients(int(clients))
        for millions in options.changes.split(","):
            figures["by_million_changes"][millions] = of_changes(millions)
    finally:
        print(json.dumps(figures))


def of_clients(clients: int) -> dict[str, Any]:
    """What refreshing this many clients costs."""
    found = result_of("clients", "--clients", str(clients), "--runs", str(min(5, clients)))
    return {
        "quiet_refreshed_per_hour_and_core": round(HOUR / found["quiet_run_cpu_s"]),
        "moving_refreshed_per_hour_and_core": round(HOUR / found["moving_run_cpu_s"]),
        **{name: found[name] for name in ("fresh_s", "idle_cpu", "loop_s", "listed_s", "sync_s", "page_p95_ms")},
    }


def of_changes(millions: str) -> dict[str, Any]:
    """What computing and showing this many changes costs."""
    dora = result_of("dora", "--sizes", millions)
    shown = result_of("dashboards", "--changes", str(round(float(millions) * MILLION)))
    return {
        "recompute_s": round(dora["seconds_per_million"][millions] * float(millions)),
        **{name: dora[name][millions] for name in ("increment_s", "bytes_per_change")},
        **{name: shown[name] for name in ("opened_per_second_and_core", "cold_p95_ms", "warm_p95_ms", "brief_p95_ms")},
    }


def result_of(name: str, *arguments: str) -> dict[str, Any]:
    """The last line of another benchmark, whose output is shown. Raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", f"bench.{name}", *arguments]
    print(f"\n== {' '.join(command[2:])}", flush=True)
    last = ""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    found: dict[str, Any] = json.loads(last)
    return found


if __name__ == "__main__":
    main()
