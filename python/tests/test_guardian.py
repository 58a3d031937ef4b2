"""The guardian: what the author's code has started ends with its replica, whoever is killed."""

import os
import signal
import socket
import subprocess
import sys
import time
import unittest

from hostler_worker import frames

from .parent import PYTHON, Author, Parent
from .processes import alive, eventually, members, parent_of

APP = """
import os, signal, subprocess, sys, threading, time

def init():
    pass

def inference(asked):
    way = asked["way"]
    if way == "start":
        return subprocess.Popen(["sleep", "600"]).pid
    if way == "sleep":
        time.sleep(600)
    if way == "exit":
        threading.Thread(target=time.sleep, args=(600,)).start()
        sys.exit(7)
    if way == "wait":
        own, found = subprocess.Popen(["true"]).pid, []
        try:
            while True:
                found.append(os.wait()[0])
        except ChildProcessError:
            return found == [own]
    if way == "signal":
        for number in sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}):
            signal.signal(number, signal.SIG_IGN)
            os.killpg(0, number)
        return True
"""

# Another server, to be killed: its replica is in a call and looks at nothing else, and the kernel is not asked to end it.
SERVER = """
import sys, time
from tests.parent import Parent
parent = Parent(sys.argv[1])
started = parent.ask({"way": "start"})
parent.post({"way": "sleep"})
print(parent.process.pid, started, flush=True)
time.sleep(600)
"""


def guardians(parent):
    """What runs in a replica's group beside it, named as a guardian."""
    return [pid for pid in members(parent.process.pid) if name(pid) == "hostler-guard"]


def name(pid):
    try:
        with open("/proc/%d/comm" % pid) as file:
            return file.read().strip()
    except OSError:
        return ""


class Guardian(unittest.TestCase):
    def setUp(self):
        self.folder = self.enter(Author(app=APP))

    def enter(self, context):
        entered = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return entered

    def guarded(self):
        """A replica and its guardian."""
        parent = self.enter(Parent(self.folder))
        self.assertTrue(eventually(lambda: len(guardians(parent)) == 1))
        return parent, guardians(parent)[0]

    def test_when_the_server_is_killed_all_of_the_group_ends(self):
        server = subprocess.Popen([sys.executable, "-B", "-c", SERVER, self.folder], cwd=PYTHON, stdout=subprocess.PIPE, text=True)
        self.enter(server)
        self.addCleanup(server.kill)
        replica, started = map(int, server.stdout.readline().split())
        self.assertEqual([alive(replica), alive(started)], [True, True])
        server.kill()
        self.assertTrue(eventually(lambda: not members(replica)), members(replica))
        self.assertFalse(alive(started))

    def test_when_the_replica_ends_first_the_rest_ends_with_the_server(self):
        parent, guardian = self.guarded()
        started = parent.ask({"way": "start"})
        parent.process.kill()
        parent.process.wait()
        time.sleep(0.05)
        self.assertEqual([alive(started), alive(guardian)], [True, True], "as long as there is a server, it is for that to end them")
        parent.socket.close()
        self.assertTrue(eventually(lambda: not members(parent.process.pid)), members(parent.process.pid))

    def test_the_server_ends_it_with_the_group(self):
        parent, guardian = self.guarded()
        self.assertEqual(parent.stop(), 0)
        os.killpg(parent.process.pid, signal.SIGKILL)
        self.assertTrue(eventually(lambda: not alive(guardian)))

    def test_the_author_s_code_has_no_child_that_is_not_its_own(self):
        parent, guardian = self.guarded()
        self.assertIs(parent.ask({"way": "wait"}), True)
        self.assertNotEqual(parent_of(guardian), parent.process.pid)

    def test_no_signal_to_the_group_ends_it_but_the_last(self):
        parent, guardian = self.guarded()
        self.assertIs(parent.ask({"way": "signal"}), True)
        self.assertTrue(alive(guardian))

    def test_it_holds_the_wire_and_nothing_else(self):
        _, guardian = self.guarded()
        place = "/proc/%d/fd" % guardian
        self.assertTrue(eventually(lambda: os.listdir(place) == ["0"]), os.listdir(place))
        self.assertTrue(os.readlink(place + "/0").startswith("socket:"))

    def test_the_wire_ends_where_the_worker_closes_it(self):
        parent, guardian = self.guarded()
        started = parent.ask({"way": "start"})
        parent.post({"way": "exit"})
        parent.socket.settimeout(5)
        self.assertEqual(parent.socket.recv(1), b"")
        self.assertIsNone(parent.process.poll(), "a thread keeps the process")
        time.sleep(0.05)
        self.assertEqual([alive(started), alive(guardian)], [True, True], "the server is there")
        parent.process.kill()

    def test_a_group_that_is_not_the_worker_s_own_has_none(self):
        ours, theirs = socket.socketpair()
        environment = dict(os.environ, PYTHONPATH=PYTHON, PYTHONDONTWRITEBYTECODE="1")
        worker = self.enter(subprocess.Popen([sys.executable, "-m", "hostler_worker", "serve"], stdin=theirs, env=environment))
        theirs.close()
        with ours:
            ours.sendall(frames.encode(frames.STOP))
            self.assertEqual(worker.wait(10), 0)
            ours.settimeout(5)
            self.assertEqual(ours.recv(1), b"")
            self.assertEqual([pid for pid in members(os.getpgrp()) if name(pid) == "hostler-guard"], [])
