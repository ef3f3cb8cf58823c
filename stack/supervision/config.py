"""supervisord's configuration file, and where it listens."""

from __future__ import annotations

import getpass
import hashlib
import os
import shlex
import tempfile
from pathlib import Path

from stack.errors import StackError
from stack.supervision.programs import Program

SOCKET_PATH_LIMIT = 85  # the kernel's is 107; supervisord appends a process id and a suffix while it starts
MARK = "PULSE_SUPERVISED_STATE"  # in the environment of every process, so that none is overlooked when stopping


def socket_path(state: Path) -> Path:
    """Where supervisord listens: in the state folder, or elsewhere when its path is too long for a socket."""
    path = state / "supervisor.sock"
    if len(str(path)) <= SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(str(state).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"pulse-{os.geteuid()}-{digest}" / "supervisor.sock"


def supervisor_config(state: Path, wanted: list[Program]) -> str:
    """Text of supervisor.conf. It holds secrets: write it for its owner only."""
    logs = _escape(str(state / "logs"))
    user = f"user = {getpass.getuser()}" if os.geteuid() == 0 else ""
    head = f"""\
# Written by ./pulse up at every start.
[supervisord]
logfile = {logs}/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 1
pidfile = {_escape(str(state / "supervisord.pid"))}
childlogdir = {logs}
identifier = pulse
umask = 077
{user}
[unix_http_server]
file = {_escape(str(socket_path(state)))}
chmod = 0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
    return "\n".join([head, *(_section(program, state, logs) for program in wanted)])


def _section(program: Program, state: Path, logs: str) -> str:
    variables = sorted((program.environment | {MARK: str(state)}).items())
    return f"""\
[program:{program.name}]
command = {_escape(shlex.join(program.command))}
directory = {_escape(str(program.folder))}
environment = {",".join(f"{name}={_quoted(name, value)}" for name, value in variables)}
{f"user = {program.user}" if program.user else ""}
priority = {program.priority}
autostart = false
autorestart = true
startsecs = 2
startretries = 5
stopsignal = {program.stop_signal}
stopwaitsecs = {program.stop_seconds}
stopasgroup = {str(program.stop_group).lower()}
killasgroup = true
redirect_stderr = true
stdout_logfile = {logs}/{program.name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 2
"""


def _escape(text: str) -> str:
    """supervisor expands %(name)s everywhere, and takes ' ;' for a comment."""
    return text.replace("%", "%%")


def _quoted(name: str, value: str) -> str:
    """A value as supervisor reads it: it knows no escapes, so a value may hold one kind of quote only."""
    quote = "'" if '"' in value else '"'
    if quote in value or value[:1] + value[-1:] in ("''", '""') or any(c in value for c in ("\n", " ;", " #")):
        raise StackError(
            f"the value of {name} cannot be passed on to the processes ({value!r}): "
            "move Pulse to a folder, or set the variable to a value, without quotes, line ends, ' ;' and ' #'"
        )
    return f"{quote}{_escape(value)}{quote}"
