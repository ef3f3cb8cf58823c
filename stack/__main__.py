"""Commands that need the installed packages; ./pulse calls it in Airflow's virtual environment."""

from __future__ import annotations

import sys
import traceback

from stack.cli import fail, parse
from stack.errors import StackError
from stack.steps import StepFailed


def main() -> int:
    """Run a command; the exit code."""
    from stack import commands

    arguments, rest = parse(sys.argv[1:])
    try:
        run = getattr(commands, arguments.command)
        return int(run(arguments, rest))
    except StepFailed as failure:
        if not isinstance(failure.cause, StackError):
            traceback.print_exception(failure.cause)
        return fail(f"{failure}\n\nNothing is lost: repair what it says and run ./pulse up again.")
    except StackError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        print("\npulse: interrupted; run the command again to go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
