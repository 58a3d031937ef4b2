"""The worker as a process: where it finds its socket, what it makes of signals, and how it ends when nobody is there to serve."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys

from .frames import BrokenFrame
from .wire import Lost, Wire
from .worker import Worker


def serve():
    """`python -m hostler_worker serve`: the socket is standard input. Returns the exit code."""
    parent = os.environ.pop("HOSTLER_PARENT", None)
    if parent and parent != str(os.getppid()):
        return 1  # it died before the kernel could be asked to tell this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the whole group; the server decides
    faulthandler.enable()  # a crash in native code leaves the author's Python stack in the log
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    pid = os.getpid()
    try:
        wire = Wire.from_stdin()
    except OSError:
        sys.stderr.write("serve is run by the server, with a socket as its standard input\n")
        return 2
    try:
        code = Worker(wire).run()
        wire.close()
        return code
    except Lost:
        _end(pid)
    except BrokenFrame as error:
        sys.stderr.write("the wire is broken: %s\n" % error)
        sys.stderr.flush()
        _end(pid)


def _end(pid):
    """What the author's code has started ends with this process, where it leads its group."""
    if os.getpid() != pid:
        os._exit(1)  # a child that the author's code forked and let return into the loop
    if os.getpgrp() == pid:
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
