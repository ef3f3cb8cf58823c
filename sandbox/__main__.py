"""python -m sandbox --port P [--host H] [--anchor DAY] [--recorded PATH] [--frozen TIME]: run the sandbox."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime
from pathlib import Path

import uvicorn

from sandbox.app import build_app
from sandbox.state import State
from sandbox.world.generate import generate
from sandbox.world.profiles import PROFILES
from sandbox.world.recorded import load_recorded


def main() -> None:
    """Parse the arguments, build the world, and serve it until SIGTERM."""
    parser = argparse.ArgumentParser(prog="sandbox", description="A simulated GitHub and Jira")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--anchor", type=date.fromisoformat, default=None, help="the day the demo's history leads up to"
    )
    parser.add_argument("--recorded", type=Path, default=None, help="folder with github/*.csv and jira/*.csv")
    parser.add_argument("--frozen", type=datetime.fromisoformat, default=None, help="a fixed current time")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    anchor = options.anchor or datetime.now(UTC).date()
    organisations = [generate(profile, anchor, options.seed) for profile in PROFILES.values()]
    if options.recorded:
        organisations.append(load_recorded(options.recorded))
    frozen = options.frozen.replace(tzinfo=UTC) if options.frozen and not options.frozen.tzinfo else options.frozen
    app = build_app(organisations, State(frozen))
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        date_header=False,
    )


if __name__ == "__main__":
    main()
