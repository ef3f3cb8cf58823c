"""python -m pulse.people CLIENT EMAIL, in a container of Airflow: prints a link by which the person sets a password."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from pulse.people.links import NoSuchPerson, make
from pulse.warehouse.connect import connect


def main() -> int:
    """Print a new link; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pulse.people", description=__doc__)
    parser.add_argument("client")
    parser.add_argument("email")
    arguments = parser.parse_args()
    try:
        with closing(connect("pulse_admin", options="-c pulse.actor=by_hand")) as connection, connection.transaction():
            print(make(connection, arguments.client, arguments.email))
    except NoSuchPerson as problem:
        print(f"pulse: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
