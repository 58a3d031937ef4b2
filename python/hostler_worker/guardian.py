"""The guardian: a small process that ends what the author's code has started when the server can no longer do it.

The server ends a replica by killing its process group. Where the server itself is killed, the kernel ends the replica, but not
what that had started; the guardian then kills the group. It learns of it from the wire: its other end is the server's alone,
and the system closes it however the server ends."""

from __future__ import annotations

import os
import select
import signal
import stat
import sys

_WIRE = 0  # standard input, before the replica takes it away from there
_DESCRIPTORS = 1 << 16  # far more than a process has that has just begun; the system's own limit may be a thousand million


def start():
    """Forks it. Called before anything large is imported, since it keeps what there is now; before threads; before the author's code."""
    if not _has_group_and_wire():
        return  # started by hand
    try:
        between = os.fork()
        if not between:
            _fork_again()
        _, failed = os.waitpid(between, 0)
    except OSError:
        failed = True
    if failed:
        sys.stderr.write("no process could be forked to watch over the server: where it is killed, what the code has started lives on\n")


def _has_group_and_wire():
    try:
        return os.getpgrp() == os.getpid() and stat.S_ISSOCK(os.fstat(_WIRE).st_mode)
    except OSError:  # no standard input at all
        return False


def _fork_again():
    """The process between replica and guardian ends at once: `os.wait()` in the author's code must not find a child that is not its own."""
    code = 1
    try:
        if not os.fork():
            _guard()
        code = 0
    finally:
        os._exit(code)


def _guard():
    # The author may signal the group. Only SIGKILL ends this process, which is how the server ends the group too.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    # Whoever reads the replica's output waits for the end of all that can write to it.
    os.closerange(_WIRE + 1, _DESCRIPTORS)
    _name("hostler-guard")
    server = select.poll()
    server.register(_WIRE, 0)  # what travels there is not for us: only its end
    server.poll()
    # Its own group, this process included: as long as it is a member nobody else's can have that number.
    os.killpg(0, signal.SIGKILL)


def _name(name):
    """In `ps` and `top` it is not to pass for a second replica."""
    try:
        with open("/proc/self/comm", "w") as file:
            file.write(name)
    except OSError:
        pass
