"""Plays the server over a socketpair, so that a worker can be tested without it.

    with Parent(folder) as parent:
        parent.ask({"text": "…"})      # one call, its answer
"""

import array
import base64
import collections
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time

from hostler_worker import frames

PYTHON = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = os.path.join(os.path.dirname(PYTHON), "tests", "python")

Frame = collections.namedtuple("Frame", "kind flags slot call meta body descriptor")


class Died(Exception):
    """The worker closed its end."""


class Fault(Exception):
    """An answer with an error."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.kind = error["kind"]
        self.message = error["message"]
        self.detail = error.get("detail")


class Parent:
    """One worker process and this end of its wire."""

    def __init__(self, folder, dialect=None, environment=None, start=True, store=None, **hello):
        self.folder = folder if os.path.isabs(folder) else os.path.join(FOLDERS, folder)
        self.hello = dict({"version": frames.VERSION, "model": os.path.basename(self.folder), "replica": 0, "folder": self.folder,
                           "dialect": dialect, "device": "cpu", "threads": 1, "cache_dir": None, "max_batch_size": 1,
                           "window": 8}, **hello)
        self.socket, theirs = socket.socketpair()
        self.out = tempfile.TemporaryFile()
        self.err = tempfile.TemporaryFile()
        values = dict(os.environ, PYTHONPATH=PYTHON, PYTHONDONTWRITEBYTECODE="1", HOSTLER_PARENT=str(os.getpid()))
        values.update(environment or {})
        self.process = subprocess.Popen([sys.executable, "-m", "hostler_worker", "serve"], cwd=self.folder, stdin=theirs,
                                        stdout=self.out, stderr=self.err, env=values, start_new_session=True)
        theirs.close()
        self.store = store
        self.calls = 0
        self.buffer = b""
        self.descriptors = []
        self.memory = {}
        self.theirs = {}
        if start:
            try:
                self.ready()
            except BaseException:
                self.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ready(self):
        if self.store is None:
            self.send(frames.HELLO, meta=self.hello)
        else:
            with self.store.line() as line:
                self.send(frames.HELLO, meta=self.hello, descriptor=line.fileno())
        loaded = self.receive(30)
        if loaded.kind == frames.FAILED:
            raise RuntimeError(loaded.meta["message"])
        assert loaded.kind == frames.LOADED, loaded
        answer = self.receive(30)
        if answer.kind == frames.FAILED:
            raise RuntimeError(answer.meta["message"])
        assert answer.kind == frames.READY, answer
        return loaded.meta

    # Frames

    def send(self, kind, body=b"", meta=None, flags=0, slot=0, call=0, descriptor=None):
        data = frames.encode(kind, body, meta, flags=flags | (frames.FD if descriptor is not None else 0), slot=slot, call=call)
        if descriptor is not None:
            sent = self.socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])
            data = data[sent:]
        self.socket.sendall(data)

    def receive(self, timeout=10):
        """The next frame."""
        until = time.monotonic() + timeout
        while True:
            frame = self._whole()
            if frame is not None:
                return frame
            # The server watches the process too: its guardian keeps the socket open. What was sent before the end is read.
            ended = self.process.poll() is not None
            if select.select([self.socket], [], [], 0 if ended else 0.01)[0]:
                self._read()
            elif ended:
                raise Died(self.errors())
            elif time.monotonic() > until:
                raise TimeoutError("no frame within %s s; standard error: %s" % (timeout, self.errors()))

    def _read(self):
        try:
            data, ancillary, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(64))
        except ConnectionResetError:
            data, ancillary = b"", []
        for _, _, rights in ancillary:
            descriptors = array.array("i")
            descriptors.frombytes(rights)
            self.descriptors.extend(descriptors)
        if not data:
            raise Died(self.errors())
        self.buffer += data

    def _whole(self):
        if len(self.buffer) < frames.HEADER_SIZE:
            return None
        end = frames.HEADER_SIZE + frames.HEADER.unpack_from(self.buffer)[0]
        if len(self.buffer) < end:
            return None
        kind, flags, slot, call, meta, body = frames.decode(self.buffer[:end])
        self.buffer = self.buffer[end:]
        descriptor = self.descriptors.pop(0) if flags & frames.FD else None
        return Frame(kind, flags, slot, call, meta, body, descriptor)

    def quiet(self, seconds=0.05):
        """Whether no frame comes within a while."""
        return not self.buffer and not select.select([self.socket], [], [], seconds)[0]

    # Calls

    def post(self, value=None, body=None, flags=0, slot=0, **meta):
        """Sends a call, returns its number."""
        self.calls += 1
        if body is None:
            body = json.dumps(value).encode()
        self.send(frames.CALL, body, meta or None, flags=flags, slot=slot, call=self.calls)
        return self.calls

    def answer(self, number=None, timeout=10):
        """The next frame, which is the answer to `number`; raises `Fault` where it is one."""
        frame = self.receive(timeout)
        assert frame.kind == frames.ANSWER, frame
        assert number is None or frame.call == number, "answer to %d, expected %d" % (frame.call, number)
        if frame.meta and "error" in frame.meta:
            raise Fault(frame.meta["error"])
        return frame

    def ask(self, value=None, **more):
        """One call and its JSON answer, files written into it in base64."""
        frame = self.answer(self.post(value, **more))
        if frame.meta and "files" in frame.meta:
            return json.loads(self._filled(frame, *self.files(frame)))
        assert frame.meta is None, frame
        return json.loads(frame.body)

    def files(self, frame):
        """The text of an answer with files, and their bytes."""
        told = frame.meta["files"]
        at = len(frame.body) - sum(file["size"] for file in told)
        text, found = frame.body[:at], []
        for file in told:
            found.append(frame.body[at:at + file["size"]])
            at += file["size"]
        return text, found

    def _filled(self, frame, text, found):
        gaps = sorted((at, number) for number, file in enumerate(frame.meta["files"]) for at in file["at"])
        for at, number in reversed(gaps):
            file = frame.meta["files"][number]
            written = {"name": file["name"], "type": file["media"], "data": base64.b64encode(found[number]).decode()}
            text = text[:at] + json.dumps(written).encode() + text[at:]
        return text

    def stream(self, value, **more):
        """One call and its chunks, as frames; the last is the answer."""
        number = self.post(value, stream=True, **more)
        got = []
        while not got or got[-1].kind == frames.CHUNK:
            got.append(self.receive())
            assert got[-1].call == number
        return got

    # Tensors

    def post_tensors(self, slot=0, fresh=False, in_slot=True, flags=0, **arrays):
        """Sends arrays, name=(dtype's name, shape, bytes); in the slot's memory or in the body."""
        entries, data = [], b""
        for name, (dtype, shape, one) in arrays.items():
            if in_slot:
                data += b"\0" * (-len(data) % 64)
            entries.append({"name": name, "dtype": dtype, "shape": list(shape), "offset": len(data), "size": len(one)})
            data += one
        self.calls += 1
        if not in_slot:
            self.send(frames.CALL, data, {"tensors": entries}, slot=slot, call=self.calls, flags=flags)
            return self.calls
        descriptor = None
        if fresh or slot not in self.memory:
            descriptor = self.memory[slot] = os.memfd_create("test")
        if os.fstat(self.memory[slot]).st_size < len(data):
            os.ftruncate(self.memory[slot], len(data))
        os.pwrite(self.memory[slot], data, 0)
        self.send(frames.CALL, b"", {"tensors": entries}, flags=flags | frames.SLOT, slot=slot, call=self.calls, descriptor=descriptor)
        return self.calls

    def tensors(self, frame):
        """name -> (dtype's name, shape, bytes) of an answer."""
        if frame.descriptor is not None:
            self.theirs[frame.slot] = frame.descriptor
        found = {}
        for entry in frame.meta["tensors"]:
            offset, size = entry["offset"], entry["size"]
            data = os.pread(self.theirs[frame.slot], size, offset) if frame.flags & frames.SLOT else frame.body[offset:offset + size]
            found[entry["name"]] = (entry["dtype"], entry["shape"], data)
        return found

    # The end

    def stop(self):
        """STOP, then the exit code."""
        self.send(frames.STOP)
        return self.process.wait(10)

    def output(self):
        return self._text(self.out)

    def errors(self):
        return self._text(self.err)

    def _text(self, file):
        file.seek(0)
        return file.read().decode()

    def close(self):
        self.socket.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for descriptor in [*self.memory.values(), *self.theirs.values()]:
            os.close(descriptor)
        self.out.close()
        self.err.close()


def describe(folder, *more, environment=None):
    """`describe` run as the server runs it: (description, standard error)."""
    folder = folder if os.path.isabs(folder) else os.path.join(FOLDERS, folder)
    values = dict(os.environ, PYTHONPATH=PYTHON, PYTHONDONTWRITEBYTECODE="1", **(environment or {}))
    done = subprocess.run([sys.executable, "-m", "hostler_worker", "describe", folder, *more], cwd=folder, env=values,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    assert done.returncode == 0, done
    return json.loads(done.stdout), done.stderr.decode()


class Author:
    """A folder of an author's for one test, written to a temporary place."""

    def __init__(self, **files):
        self.place = tempfile.TemporaryDirectory()
        self.path = os.path.realpath(self.place.name)
        for name, text in files.items():
            with open(os.path.join(self.path, name + ".py"), "w") as file:
                file.write(text)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        self.place.cleanup()
