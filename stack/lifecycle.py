"""Starting a stack and deleting its data: what ./pulse up, ./pulse reset and ./pulse test share."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

from pulse.tenancy import RoleSecrets
from stack import files, ports
from stack.cli import total_steps
from stack.context import Stack
from stack.errors import StackError
from stack.paths import TEST_STATE, VENVS, make_state_folder, state_folder
from stack.postgres.cluster import Cluster
from stack.steps import Progress
from stack.up import Up


@contextlib.contextmanager
def only_one_start() -> Iterator[None]:
    """Two ./pulse up on one state folder would get into each other's way: the second raises StackError."""
    state = make_state_folder()
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.locked(state / "up.lock", wait=False))
        except BlockingIOError:
            raise StackError(f"another ./pulse up is at work on {state}: wait until it has ended") from None
        yield


def start(stack: Stack, done: int) -> None:
    """Run the steps of ./pulse up that follow the installation. Raises StepFailed."""
    try:
        Up(stack).run(Progress(total_steps(sandbox=stack.options.sandbox), done))
    finally:
        ports.release()  # everything listens on its ports now, or nothing will


def remove_state(stack: Stack | None) -> None:
    """Delete the content of the state folder apart from the virtual environments and the test stack's folder."""
    state = state_folder()
    cluster = (
        stack.cluster if stack else (Cluster(state, RoleSecrets("-", "-")) if (state / "postgres").exists() else None)
    )
    if cluster is not None:
        cluster.remove()
    for path in state.iterdir():
        if path in (VENVS, TEST_STATE, TEST_STATE.parent / "test.lock"):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
