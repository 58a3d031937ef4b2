"""What tests ask the system about processes."""

import os
import time


def _stat(pid):
    """(state, parent, group), or None where there is no such process."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            state, parent, group = file.read().rsplit(")", 1)[1].split()[:3]  # a name may hold anything
    except OSError:
        return None
    return state, int(parent), int(group)


def alive(pid):
    """Whether it runs: one that has ended and that nobody has asked about does not."""
    found = _stat(pid)
    return found is not None and found[0] not in "ZX"


def parent_of(pid):
    return _stat(pid)[1]


def members(group):
    """The processes of a group that run."""
    numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in numbers if alive(pid) and (_stat(pid) or (None,) * 3)[2] == group]


def eventually(done, seconds=5):
    """Whether `done()` comes true within a while."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True
